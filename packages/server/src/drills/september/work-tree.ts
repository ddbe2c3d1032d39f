import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Files } from "./edits.ts";

const run = promisify(execFile);

/** Runs git in the world's own repositories, as the named author, untouched by the machine's settings. */
export async function git(
  folder: string,
  author: string,
  ...args: readonly string[]
): Promise<string> {
  const email = `${author}@${author === "founder" ? "people" : "agents"}.example`;
  const { stdout } = await run("git", ["-C", folder, ...args], {
    env: {
      PATH: process.env.PATH ?? "",
      HOME: folder,
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_AUTHOR_NAME: author,
      GIT_AUTHOR_EMAIL: email,
      GIT_COMMITTER_NAME: author,
      GIT_COMMITTER_EMAIL: email,
    },
    timeout: 30_000,
  });
  return stdout.trim();
}

/** The text files of a work tree that edits may change; what is vendored is left out. */
export async function readFiles(folder: string): Promise<Files> {
  const paths = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = paths
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter((path) => !/^(\.git|vendor)\//.test(path));
  const texts = await Promise.all(
    files.map(async (path) => [path, await readFile(join(folder, path), "utf8")] as const),
  );
  return Object.fromEntries(texts);
}

export async function writeFiles(folder: string, files: Files): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}
