/**
 * Which branches a local repository has checked out, read from its files alone: git is not run in it,
 * because its configuration is not ours.
 */
import { constants } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";

export async function checkedOutBranches(path: string): Promise<readonly string[]> {
  const directory = await gitDirectory(path);
  if (directory === null) return [];
  const branches: string[] = [];
  if (!(await isBare(directory))) branches.push(...(await headOf(directory)));
  const worktrees = join(directory, "worktrees");
  for (const name of await readdir(worktrees).catch(() => [])) {
    branches.push(...(await headOf(join(worktrees, name))));
  }
  return branches;
}

async function gitDirectory(path: string): Promise<string | null> {
  const inside = join(path, ".git");
  const found = await stat(inside).catch(() => null);
  if (found?.isDirectory()) return inside;
  if (found?.isFile()) {
    const link = /^gitdir: (.+)$/m.exec((await readStart(inside)) ?? "")?.[1];
    return link === undefined ? null : resolve(path, link);
  }
  return (await readStart(join(path, "HEAD"))) === null ? null : path;
}

async function isBare(directory: string): Promise<boolean> {
  const setting = /^\s*bare\s*=\s*(\w+)/im.exec((await readStart(join(directory, "config"))) ?? "");
  if (setting !== null) return /^(true|yes|on|1)$/i.test(setting[1] ?? "");
  return basename(directory) !== ".git";
}

async function headOf(directory: string): Promise<readonly string[]> {
  const branch = /^ref: refs\/heads\/(.+)$/m.exec((await readStart(join(directory, "HEAD"))) ?? "");
  return branch?.[1] === undefined ? [] : [branch[1].trim()];
}

const bytesMax = 65_536;

/** The first 64 kB of a regular file; null where there is none. Never waits on a pipe. */
async function readStart(path: string): Promise<string | null> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => null);
  if (file === null) return null;
  try {
    if (!(await file.stat()).isFile()) return null;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytesMax), 0, bytesMax, 0);
    return buffer.subarray(0, bytesRead).toString("utf8");
  } finally {
    await file.close();
  }
}
