/** How a row is called, over HTTP or by the real command line, and what came of it. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { faults } from "../../src/fault.ts";
import { type CommandLine, filled, type HttpCall } from "./row.ts";
import type { SmallWorld } from "./world.ts";

export interface Outcome {
  readonly code: string;
  readonly exit: number;
  readonly text: string;
}

export async function ask(world: SmallWorld, call: HttpCall): Promise<Outcome> {
  const { ask: wanted, as = "admin", authorization, body, raw, type } = filled(call, world.names);
  const [method = "", path = ""] = wanted.split(" ");
  const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const response = await fetch(`${world.server.lastgood.url}${path}`, {
    method,
    headers: {
      authorization: authorization ?? `Bearer ${world.tokens[as] ?? ""}`,
      ...(payload === undefined ? {} : { "content-type": type ?? "application/json" }),
    },
    ...(payload === undefined ? {} : { body: payload }),
    signal: AbortSignal.timeout(120_000),
  });
  const text = await response.text();
  if (response.headers.get("content-type")?.startsWith("application/problem+json") !== true) {
    return { code: `no problem: ${response.status}`, exit: 0, text: text.slice(0, 200) };
  }
  const problem = JSON.parse(text) as Problem;
  const { code, detail, path: place = "", status } = problem;
  if (status !== response.status || faults[code].status !== status) {
    return { code: `${code} as ${response.status}`, exit: 0, text: detail };
  }
  return { code, exit: faults[code].exit, text: `${detail} (${place})` };
}

interface Problem {
  readonly code: keyof typeof faults;
  readonly detail: string;
  readonly status: number;
  readonly path?: string;
}

const program = join(import.meta.dirname, "../../bin/lastgood.js");

export async function type(world: SmallWorld, call: CommandLine): Promise<Outcome> {
  const { argv, environment = {} } = filled(call, world.names);
  const { PATH } = process.env;
  const args = ["--conditions=development", program, ...argv, "--json"];
  const { url } = world.server.lastgood;
  const env = { PATH, LASTGOOD_URL: url, LASTGOOD_TOKEN: world.tokens.admin, ...environment };
  return await new Promise((resolve) => {
    execFile(
      process.execPath,
      args,
      { env, cwd: world.folder, timeout: 120_000, encoding: "utf8" },
      (error, stdout, stderr) => {
        const exit = error === null ? 0 : Number(error.code ?? -1);
        resolve({ exit, ...problemOf(stdout, stderr) });
      },
    );
  });
}

/** One JSON value on stdout and nothing else; no stack on stderr. */
function problemOf(stdout: string, stderr: string): { code: string; text: string } {
  try {
    const { error } = JSON.parse(stdout) as { error: { code: string; detail: string } & object };
    if (/\n\s+at /.test(stderr)) return { code: "a stack", text: stderr };
    return { code: error.code, text: JSON.stringify(error) };
  } catch {
    return { code: "no JSON", text: `${stdout.slice(0, 300)}\n${stderr.slice(0, 300)}` };
  }
}
