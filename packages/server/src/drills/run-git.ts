import { execFile } from "node:child_process";
import { promisify } from "node:util";

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
