/** A writer's own clone: what it adds to files, and its commits. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { git } from "../../run-git.ts";

export interface WorkTree {
  /** Whole words at a time, in one write. */
  append(path: string, text: string): void;
  /** Empty where there is no such file. */
  read(path: string): string;
  /** Everything that is new, under `message`. Answers with the commit's id. */
  commit(message: string): Promise<string>;
  push(): Promise<void>;
  pull(): Promise<void>;
  /** What git left when it died with its agent: nobody else works here. */
  clear(leftovers: readonly string[]): void;
}

const branch = "main";

export function workTreeAt(folder: string, agent: string): WorkTree {
  const run = (...args: readonly string[]) => git(folder, agent, ...args);
  return {
    append(path, text) {
      const file = join(folder, path);
      mkdirSync(dirname(file), { recursive: true });
      appendFileSync(file, text);
    },
    read(path) {
      const file = join(folder, path);
      return existsSync(file) ? readFileSync(file, "utf8") : "";
    },
    async commit(message) {
      await run("add", "--all");
      await run("commit", "--quiet", `--message=${message}`);
      return await run("rev-parse", "HEAD");
    },
    push: async () => void (await run("push", "--quiet", "origin", `HEAD:${branch}`)),
    pull: async () => void (await run("pull", "--quiet", "--ff-only", "origin", branch)),
    clear(leftovers) {
      for (const name of leftovers) {
        if (/(^|\/)(index|HEAD|refs\/heads\/\w+)\.lock$/.test(name)) {
          rmSync(join(folder, ".git", name.replace(/^.*\.git\//, "")), { force: true });
        }
      }
    },
  };
}
