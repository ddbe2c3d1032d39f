/**
 * The processes of a drill: the program itself, started as anyone starts it, and the world's agents.
 * Every one is in a group of its own and is ended when the drill ends, however it ends.
 */
import { type ChildProcess, execFile, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Fault } from "../fault.ts";

const run = promisify(execFile);

export type Program = readonly [string, ...string[]];

/** Runs one command of the program, as a person would, and returns what it printed. */
export async function runCommand(
  [program, ...args]: Program,
  command: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const { stdout } = await run(program, [...args, ...command], {
    signal,
    timeout: 60_000,
    env: withoutOurs(process.env),
  });
  return stdout;
}

export interface ServerProcess {
  readonly url: string;
  readonly token: string;
  readonly child: ChildProcess;
  /** Aborts when the process ended by itself, with the last of its log. */
  readonly ended: AbortSignal;
  stop(): Promise<void>;
}

/** `lastgood start` on a free port. Resolves when it said where it is. Its log goes to `home/server.log`. */
export async function startServer(
  [program, ...args]: Program,
  { home, config, env }: { home: string; config: string; env: Readonly<Record<string, string>> },
): Promise<ServerProcess> {
  const log = openSync(join(home, "server.log"), "a");
  const child = spawn(
    program,
    [...args, "start", "--home", home, "--port", "0", "--config", config, "--stop-services"],
    { stdio: ["ignore", "pipe", log], env: { ...withoutOurs(process.env), ...env } },
  );
  const ended = new AbortController();
  const end = endOf(child, home);
  end.catch((fault: unknown) => ended.abort(fault));
  try {
    const url = await Promise.race([addressOf(child), end]);
    const token = (await readFile(join(home, "admin.token"), "utf8")).trim();
    return { url, token, child, ended: ended.signal, stop: () => endProcess(child) };
  } catch (error) {
    await endProcess(child);
    throw error;
  }
}

/** The first address that it prints. What it prints after that is read and dropped. */
async function addressOf(child: ChildProcess): Promise<string> {
  let said = "";
  return await new Promise((resolve) => {
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      said += text.slice(0, 10_000 - said.length);
      const match = /http:\/\/[\w.:[\]]+/.exec(said);
      if (match !== null) resolve(match[0]);
    });
  });
}

async function endOf(child: ChildProcess, home: string): Promise<never> {
  const [code] = await once(child, "exit");
  const log = await readFile(join(home, "server.log"), "utf8").catch(() => "");
  throw new Fault("internal", `The server exited with ${code}: ${log.slice(-2_000)}`);
}

/** A process of the world, told what to do by messages. Resolves when it said that it is ready. */
export async function startAgentProcess(
  file: string,
  briefing: Readonly<Record<string, unknown>>,
): Promise<ChildProcess> {
  const child = fork(file, {
    env: { ...withoutOurs(process.env), LASTGOOD_DRILL_AGENT: JSON.stringify(briefing) },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  await Promise.race([
    once(child, "message"),
    once(child, "exit").then(([code]) => {
      throw new Fault("internal", `The agent ${file} exited with ${code} at its start.`);
    }),
  ]);
  return child;
}

/** SIGTERM, then SIGKILL after ten seconds. Resolves when it is gone. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await gone;
  clearTimeout(timer);
}

/** The caller's own Lastgood settings must not leak into the world. */
export function withoutOurs(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !/^(LASTGOOD_|DATABASE_URL$)/.test(name)),
  );
}
