/**
 * Writes the files of a revision into an empty folder.
 *
 *   C1. The folder has no `.git`, and the index is a file of our own that is gone afterwards.
 *   C2. File contents are the blobs, byte for byte: attributes that would convert them are off in our
 *       bare repositories (`info/attributes`).
 *   C3. Git writes every link as a plain file first, so nothing is ever written through one. Links that
 *       stay inside the folder are made afterwards; one that points out of it stays a plain file that
 *       holds its target.
 */
import { mkdir, readdir, rm, symlink, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Fault } from "../fault.ts";
import type { Git, GitOptions } from "./git.ts";

const linkTargetBytesMax = 4_096;

export async function checkOut(
  git: Git,
  commit: string,
  directory: string,
  index: string,
  options: GitOptions & { readonly directory: string },
): Promise<void> {
  await mkdir(directory, { recursive: true });
  if ((await readdir(directory)).length > 0) {
    throw new Fault(
      "state_forbids",
      `${directory} is not empty, and a revision is only written into an empty folder: name another.`,
    );
  }
  const own = { deadlineMs: 120_000, ...options, env: { GIT_INDEX_FILE: index } };
  try {
    await git.run(["read-tree", "--end-of-options", commit], own);
    const [links] = await Promise.all([
      readLinks(git, commit, options),
      git.run(["checkout-index", "--all", "--quiet"], {
        ...own,
        settings: ["core.symlinks=false"],
        env: { ...own.env, GIT_WORK_TREE: directory },
      }),
    ]);
    for (const { path, target } of links) {
      if (!staysInside(path, target)) continue;
      await unlink(join(directory, path));
      await symlink(target, join(directory, path));
    }
  } finally {
    await rm(index, { force: true });
    await rm(`${index}.lock`, { force: true });
  }
}

interface Link {
  readonly path: string;
  readonly target: string;
}

async function readLinks(git: Git, commit: string, options: GitOptions): Promise<readonly Link[]> {
  const listed = await git.text(["ls-tree", "-r", "-z", "--full-tree", commit], options);
  const links = listed
    .split("\0")
    .map((entry) => /^120000 blob ([0-9a-f]+)\t(.+)$/s.exec(entry))
    .filter((match) => match !== null);
  const found: Link[] = [];
  for (const [, id = "", path = ""] of links) {
    const target = await git.run(["cat-file", "blob", id], {
      ...options,
      bytesMax: linkTargetBytesMax,
    });
    found.push({ path, target: target.stdout.toString("utf8") });
  }
  return found;
}

/**
 * Whether a link at `path` with this target cannot lead out of the folder: relative, first only upwards
 * and never above the folder, then only downwards. Parents of a path are true folders, and every other
 * link keeps to the same rule, so going down never leaves either.
 */
export function staysInside(path: string, target: string): boolean {
  if (target === "" || target.startsWith("/") || target.includes("\0")) return false;
  const parts = target.split("/").filter((part) => part !== "" && part !== ".");
  const ups = parts.findIndex((part) => part !== "..");
  const up = ups === -1 ? parts.length : ups;
  const depth = dirname(path) === "." ? 0 : dirname(path).split("/").length;
  return up <= depth && !parts.slice(up).includes("..");
}
