import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Readable } from "node:stream";
import type { TestServer } from "./server.ts";

const root = resolve(import.meta.dirname, "../../../..");

/** What stands in a page between ```language and ```, each by itself. `page` is a path from the root. */
export function fencesOf(page: string, language = "sh"): readonly string[] {
  const text = readFileSync(join(root, page), "utf8");
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"))].map(
    ([, lines = ""]) => lines,
  );
}

/**
 * Pastes all shell lines of a page, in an empty folder or the one given, as an operator of the server. Returns
 * what they printed; a line that fails fails the test, and is named.
 */
export async function paste(
  page: string,
  server: Pick<TestServer, "lastgood" | "tokenAs">,
  { folder, env = {} }: { folder?: string; env?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  const own = folder ?? (await mkdtemp(join(tmpdir(), "lastgood-pasted-")));
  try {
    const child = spawn("bash", ["-euxo", "pipefail", "-c", fencesOf(page).join("")], {
      cwd: own,
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      env: {
        PATH: `${join(root, "node_modules/.bin")}:${process.env.PATH}`,
        HOME: own,
        LASTGOOD_URL: server.lastgood.url,
        LASTGOOD_TOKEN: await server.tokenAs("operator"),
        // What is run is told apart from what it prints.
        BASH_XTRACEFD: "3",
        ...env,
      },
    });
    let said = "";
    let ran = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        said += chunk.toString();
      });
    }
    (child.stdio[3] as Readable).on("data", (chunk: Buffer) => {
      ran += chunk.toString();
    });
    const code = await new Promise((done) => child.once("close", done));
    assert.equal(code, 0, `${said}\n${ran.slice(-2_000)}`);
    return said;
  } finally {
    if (folder === undefined) await rm(own, { recursive: true, force: true });
  }
}
