/** The files of a service, wherever they are: on disk, or at the tip of a repository that only has commits. */
import { lstat, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Git } from "../../git/git.ts";

export interface Tree {
  /** Where it is, in words for a comment. */
  readonly says: string;
  /** The text of one file; null where there is none, or where it is no regular file of up to 256 kB. */
  read(path: string): Promise<string | null>;
  /** Paths of files, at most 2,000, without what was installed, built or vendored. */
  paths(): Promise<readonly string[]>;
}

const bytesMax = 262_144;
const pathsMax = 2_000;
const skipped = /(^|\/)(\.git|node_modules|vendor|dist|build|target|\.venv|coverage)(\/|$)/;

export function treeOnDisk(folder: string, says: string): Tree {
  return {
    says,
    async read(path) {
      try {
        // Links are not followed: what they lead to need not be this folder's.
        const info = await lstat(join(folder, path));
        if (!info.isFile() || info.size > bytesMax) return null;
        return await readFile(join(folder, path), "utf8");
      } catch {
        return null;
      }
    },
    paths: async () => {
      const found: string[] = [];
      const open = [""];
      for (let at = open.shift(); at !== undefined && found.length < pathsMax; at = open.shift()) {
        const entries = await readdir(join(folder, at), { withFileTypes: true }).catch(() => []);
        for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
          const path = at === "" ? entry.name : `${at}/${entry.name}`;
          if (skipped.test(path)) continue;
          if (entry.isDirectory()) open.push(path);
          else if (entry.isFile() && found.length < pathsMax) found.push(path);
        }
      }
      return found;
    },
  };
}

/** `directory` is a bare repository of ours that holds `revision`. */
export function treeAt(git: Git, directory: string, revision: string, prefix: string): Tree {
  const whole = (path: string) => (prefix === "" ? path : `${prefix}/${path}`);
  return {
    says: `at ${revision.slice(0, 7)}`,
    async read(path) {
      const name = `${revision}:${whole(path)}`;
      const args = ["cat-file", "blob", "--end-of-options", name];
      const answer = await git
        .run(args, { directory, bytesMax, answers: [0, 1, 128] })
        .catch(() => null);
      return answer?.code === 0 ? answer.stdout.toString("utf8") : null;
    },
    async paths() {
      const args = ["ls-tree", "-r", "-z", "--name-only", "--end-of-options", revision];
      const text = await git.text(prefix === "" ? args : [...args, prefix], { directory });
      return text
        .split("\0")
        .filter((path) => path !== "" && !skipped.test(path))
        .map((path) => (prefix === "" ? path : path.slice(prefix.length + 1)))
        .slice(0, pathsMax);
    },
  };
}
