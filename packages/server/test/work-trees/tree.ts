/** A work tree on disk as an agent has it: real files, real git, and a home of ours beside it. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { WorkTreeReport } from "@lastgood/sdk";
import { readWorkTree } from "../../src/work-trees/read-work-tree.ts";

export interface TestTree extends Disposable {
  /** The work tree. */
  readonly path: string;
  /** Holds the work tree, our home, and whatever else a test puts there. */
  readonly folder: string;
  readonly home: string;
  git(...args: readonly string[]): string;
  at(path: string): string;
  /** Null removes. */
  write(files: Readonly<Record<string, string | Buffer | null>>): void;
  commit(message?: string): string;
  read(): Promise<WorkTreeReport>;
}

export function makeTree({ repository = true } = {}): TestTree {
  const folder = mkdtempSync(join(tmpdir(), "lastgood-tree-"));
  return openTree(folder, "tree", { repository });
}

/** Another work tree in the same folder, with the same home. */
export function openTree(folder: string, name: string, { repository = true } = {}): TestTree {
  const path = join(folder, name);
  const home = join(folder, "home");
  mkdirSync(path, { recursive: true });
  const git = (...args: readonly string[]) => run(path, ...args);
  if (repository) git("init", "--quiet", "--initial-branch=main");
  const at = (each: string) => join(path, each);
  return {
    ...{ path, folder, home, git, at },
    write(files) {
      for (const [name, content] of Object.entries(files)) {
        if (content === null) rmSync(at(name), { recursive: true });
        else {
          mkdirSync(dirname(at(name)), { recursive: true });
          writeFileSync(at(name), content);
        }
      }
    },
    commit(message = "work") {
      git("add", "--all");
      git("commit", "--quiet", "--allow-empty", "-m", message);
      return git("rev-parse", "HEAD");
    },
    read: () => readWorkTree(path, { home }),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export function run(cwd: string, ...args: readonly string[]): string {
  return execFileSync("git", [...args], {
    cwd,
    encoding: "utf8",
    maxBuffer: 268_435_456,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env.PATH,
      HOME: cwd,
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_AUTHOR_NAME: "ann",
      GIT_AUTHOR_EMAIL: "ann@fleet.test",
      GIT_COMMITTER_NAME: "ann",
      GIT_COMMITTER_EMAIL: "ann@fleet.test",
    },
  }).trimEnd();
}

/** `new a.txt`, `modified b/c`: what a report says of files, in one line each. */
export function said({ files }: WorkTreeReport): readonly string[] {
  return files.map(({ status, kind, path }) =>
    kind === "file" ? `${status} ${path}` : `${status} ${kind} ${path}`,
  );
}
