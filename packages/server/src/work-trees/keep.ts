/**
 * Our own bare repository of one work tree, beside which what is known of the tree lies. Nothing of it is in
 * the agent's hands, and nothing in it depends on the agent's repository: what is saved is read from the
 * files themselves.
 *
 *   K1. Of a session, `refs/lastgood/work/<session>` is the latest save, `found/<session>` the first, and
 *       `past/<session>/<n>` the last of a chain that is full (`chain.ts`).
 *   K2. `refs/lastgood/latest` is the latest save of all: the next one is written as what differs from it.
 *   K3. `refs/lastgood/commits/<session>` holds the agent's own commits that no remote had (`carry.ts`).
 *   K4. Who saves holds the keep's lock. It is the kernel's: it dies with its holder. Locks of git that are
 *       older than git takes for what they guard were left by one that was killed.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Fault } from "../fault.ts";
import { createRepository, hasRepository } from "../git/bare-repository.ts";
import { createGit, type Git } from "../git/git.ts";
import { type FolderLock, lockFolder } from "../store/folder-lock.ts";
import type { Format } from "./tree-files.ts";

export interface Keep {
  readonly directory: string;
  readonly git: Git;
  readonly format: Format;
  /** Of what was found out of the tree before. */
  readonly knownFile: string;
}

export const latestRef = "refs/lastgood/latest";
export const saveRef = (session: string) => `refs/lastgood/work/${refPart(session)}`;
export const foundRef = (session: string) => `refs/lastgood/found/${refPart(session)}`;
export const pastRef = (session: string, chain: number) =>
  `refs/lastgood/past/${refPart(session)}/${String(chain).padStart(9, "0")}`;
export const commitsRef = (session: string) => `refs/lastgood/commits/${refPart(session)}`;

/** A name as part of a ref or a path, whatever it holds: one name, one part. */
export function refPart(text: string): string {
  return text.replace(/[^A-Za-z0-9_-]/g, (character) =>
    [...Buffer.from(character, "utf8")]
      .map((byte) => `=${byte.toString(16).padStart(2, "0")}`)
      .join(""),
  );
}

export function keepsFolder(home: string): string {
  return join(home, "saved-trees");
}

/** `tree`: the real path of the work tree. The keep is made when it is not there yet. */
export async function openKeep(home: string, tree: string, format: Format): Promise<Keep> {
  const folder = keepsFolder(home);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const digest = createHash("sha256").update(tree).digest("hex").slice(0, 16);
  const name = basename(tree)
    .replace(/[^\w.-]/g, "_")
    .replace(/^[.-]+/, "")
    .slice(0, 40);
  const kind = format === "sha1" ? "" : `-${format}`;
  const directory = join(folder, `${name}-${digest}${kind}.git`);
  const keep = keepAt(folder, directory, format);
  if (!(await hasRepository(directory))) await make(keep, tree);
  return keep;
}

function keepAt(folder: string, directory: string, format: Format): Keep {
  const knownFile = join(directory, "lastgood/known.json");
  return { directory, git: createGit(folder), format, knownFile };
}

async function make({ git, directory, format }: Keep, tree: string): Promise<void> {
  try {
    await createRepository(git, directory, format);
  } catch (error) {
    // Another one was faster: a folder that is not empty is not replaced.
    if (!(await hasRepository(directory))) throw error;
  }
  await mkdir(join(directory, "lastgood"), { recursive: true, mode: 0o700 });
  await writeFile(join(directory, "lastgood/tree"), tree);
}

/** The keeps of this home that hold saves of a session, with the work trees that they are of. */
export async function findKeeps(
  home: string,
  session: string,
): Promise<readonly { readonly keep: Keep; readonly tree: string }[]> {
  const folder = keepsFolder(home);
  const found: { keep: Keep; tree: string }[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.endsWith(".git")) continue;
    const directory = join(folder, name);
    const keep = keepAt(folder, directory, name.endsWith("-sha256.git") ? "sha256" : "sha1");
    if ((await commitAt(keep, saveRef(session))) === null) continue;
    found.push({ keep, tree: await readFile(join(directory, "lastgood/tree"), "utf8") });
  }
  return found;
}

/** The commit that a ref names; null where there is none. */
export async function commitAt({ git, directory }: Keep, ref: string): Promise<string | null> {
  const args = ["rev-parse", "--verify", "--quiet", "--end-of-options", `${ref}^{commit}`];
  const answer = await git.run(args, { directory, answers: [0, 1] });
  return answer.code === 0 ? answer.stdout.toString("utf8").trim() : null;
}

const lockPauseMs = 20;
const lockMsMax = 60_000;

/** Waits its turn, for at most a minute. */
export async function whileAlone<T>(
  keep: Keep,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const folder = join(keep.directory, "lastgood");
  const lock = await lockWhenFree(folder, signal);
  try {
    await removeDeadLocks(keep.directory);
    return await work();
  } finally {
    lock.release();
  }
}

async function lockWhenFree(folder: string, signal: AbortSignal): Promise<FolderLock> {
  const until = Date.now() + lockMsMax;
  for (;;) {
    try {
      return await lockFolder(folder);
    } catch (error) {
      const isHeld = error instanceof Fault && error.code === "already_open";
      if (!isHeld || Date.now() > until) throw error;
    }
    await pause(lockPauseMs, undefined, { signal });
  }
}

/** None of git's locks here is held for longer than it takes to write a line. */
const gitLockMsMax = 10_000;

export async function removeDeadLocks(directory: string): Promise<void> {
  const below = await readdir(join(directory, "refs/lastgood"), { recursive: true }).catch(
    () => [],
  );
  const names = [
    ...(await readdir(directory)),
    ...below.map((each) => join("refs/lastgood", each)),
  ];
  for (const name of names) {
    if (!name.endsWith(".lock")) continue;
    const file = join(directory, name);
    const age = Date.now() - (await stat(file).then((found) => found.mtimeMs, Date.now));
    if (age > gitLockMsMax) await rm(file, { force: true });
  }
}
