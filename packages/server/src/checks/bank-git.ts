/**
 * The bank's history. Where the folder lies in somebody's work tree, the file is theirs to commit: git is not run
 * in a repository that is not ours. Everywhere else the folder becomes a repository of its own, and each check
 * that Lastgood adds is a commit in it.
 */
import { mkdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Git } from "../git/git.ts";

/** In the `.git` of a bank that we made. */
const mark = "lastgood-bank";

/** Whether it is committed now. */
export async function keepInGit(
  git: Git,
  folder: string,
  file: string,
  message: string,
): Promise<boolean> {
  const own = join(folder, ".git");
  if (!(await isThere(join(own, mark)))) {
    if (await liesInWorkTree(folder)) return false;
    await mkdir(folder, { recursive: true });
    await git.run(["init", "--quiet", "--template=", "--initial-branch=main", "--", folder]);
    await writeFile(join(own, mark), "Made by Lastgood, which commits the checks that it adds.\n");
  }
  const options = { directory: own, env: { ...author, GIT_WORK_TREE: folder } };
  await git.run(["-C", folder, "add", "--", file], options);
  await git.run(
    ["-C", folder, "commit", "--quiet", "--message", message, "--only", "--", file],
    options,
  );
  return true;
}

const author = {
  GIT_AUTHOR_NAME: "lastgood",
  GIT_AUTHOR_EMAIL: "lastgood@localhost",
  GIT_COMMITTER_NAME: "lastgood",
  GIT_COMMITTER_EMAIL: "lastgood@localhost",
};

async function liesInWorkTree(folder: string): Promise<boolean> {
  for (let at = folder; ; at = dirname(at)) {
    if (await isThere(join(at, ".git"))) return true;
    if (at === dirname(at)) return false;
  }
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
