/** The life of a bare repository of ours on disk: made whole, kept small, freed of what a kill left. */
import { randomBytes } from "node:crypto";
import { access, mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { deadlineMsMax, type Git, type GitOptions } from "./git.ts";

export async function hasRepository(directory: string): Promise<boolean> {
  return await access(join(directory, "HEAD")).then(
    () => true,
    () => false,
  );
}

/** It appears whole or not at all: it is made beside its place and renamed. */
export async function createRepository(
  git: Git,
  directory: string,
  format: "sha1" | "sha256",
): Promise<void> {
  const making = `${directory}.${randomBytes(4).toString("hex")}.new`;
  const args = ["init", "--quiet", "--bare", "--template=", `--object-format=${format}`];
  await git.run([...args, "--initial-branch=none", "--end-of-options", making]);
  await mkdir(join(making, "info"), { recursive: true });
  // Files come out of a checkout as they were committed, whatever `.gitattributes` asks for.
  const raw = "* -text -ident -filter -working-tree-encoding\n";
  await writeFile(join(making, "info/attributes"), raw);
  await rename(making, directory);
}

/** Packs what has gathered, and forgets planned reverts dated before `before`. */
export async function maintainRepository(
  git: Git,
  before: Date,
  options: GitOptions,
): Promise<void> {
  const format = "--format=%(committerdate:unix) %(refname)";
  const listed = await git.text(["for-each-ref", format, "refs/lastgood/plans"], options);
  const old = listed
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([seconds = "", ref]) => ref !== undefined && Number(seconds) * 1_000 < +before)
    .map(([, ref]) => `delete ${ref}\n`);
  await git.run(["update-ref", "--stdin"], { ...options, stdin: old.join("") });
  await git.run(["gc", "--auto", "--quiet"], {
    ...options,
    deadlineMs: deadlineMsMax,
    settings: ["gc.auto=2000", "gc.autoDetach=false", "gc.autoPackLimit=20"],
  });
}

/** Locks left by a git that was killed outright: none of ours lives longer than `deadlineMsMax`. */
export async function removeStaleLocks(directory: string): Promise<void> {
  const folders = ["", "refs/lastgood", "refs/lastgood/plans", "refs/lastgood/dropped"];
  for (const folder of folders) {
    const path = join(directory, folder);
    const names = await readdir(path).catch(() => []);
    for (const name of names.filter((each) => each.endsWith(".lock"))) {
      const file = join(path, name);
      const age = Date.now() - (await stat(file).then((found) => found.mtimeMs, Date.now));
      if (age > 2 * deadlineMsMax) await rm(file, { force: true });
    }
  }
}

/** What a process that was killed left half made, in the folder that holds all repositories. */
export async function sweepRepositories(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (name.endsWith(".new")) await rm(path, { recursive: true, force: true });
    if (!name.endsWith(".git")) continue;
    for (const file of await readdir(path)) {
      if (/^index-[0-9a-f]+(\.lock)?$/.test(file)) await rm(join(path, file), { force: true });
    }
  }
}
