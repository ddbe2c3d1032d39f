/**
 * The last commit of an agent's repository: its files and the commits before it, fetched into our own
 * repository and read there.
 *
 *   C1. Only so much history is fetched as is shown: what it costs does not grow with the repository's age.
 *   C2. When we are root and the repository is somebody else's, git's other side runs as its owner: it
 *       reads nothing that the owner could not read.
 */
import { existsSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { Fault } from "../fault.ts";
import { GitFailure } from "../git/git.ts";
import { localUploadPack } from "../git/remote.ts";
import type { BytePath } from "./byte-path.ts";
import type { GitFolder } from "./git-folder.ts";
import { type Keep, refPart, removeDeadLocks } from "./keep.ts";
import type { HeadCommit, KnownHead } from "./known.ts";
import { Unreadable } from "./open-folder.ts";
import type { Mode, TreeFile } from "./tree-files.ts";

export const commitsMax = 20;
const messageCharactersMax = 16_384;

/** `folder`: of the repository within the work tree. `Unreadable` says why it was not read. */
export async function readHeadCommit(
  { keep, fetchMsMax }: { readonly keep: Keep; readonly fetchMsMax: number },
  git: GitFolder,
  folder: BytePath,
  id: string,
  signal: AbortSignal,
): Promise<KnownHead> {
  const fetchOptions = { signal, deadlineMs: fetchMsMax };
  try {
    if (!(await hasCommit(keep, folder, id, signal)))
      await fetchCommit(keep, git, folder, id, fetchOptions);
    const [files, commits] = await Promise.all([
      readFiles(keep, id, signal),
      readCommits(keep, id, signal),
    ]);
    return { id, files, commits };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof GitFailure)
      throw new Unreadable(`its commits: ${error.says}`, { cause: error });
    if (error instanceof Fault && ["timed_out", "too_large"].includes(error.code)) {
      throw new Unreadable(`its commits: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

const headRef = (folder: BytePath) =>
  `refs/lastgood/heads/root${refPart(`/${folder}`)}`.slice(0, 200);

async function hasCommit(
  keep: Keep,
  folder: BytePath,
  id: string,
  signal: AbortSignal,
): Promise<boolean> {
  const { git, directory } = keep;
  const args = ["rev-parse", "--verify", "--quiet", "--end-of-options", headRef(folder)];
  const answer = await git.run(args, { directory, signal, answers: [0, 1] });
  return answer.stdout.toString("utf8").trim() === id;
}

const tries = 5;

async function fetchCommit(
  keep: Keep,
  from: GitFolder,
  folder: BytePath,
  id: string,
  options: { readonly signal: AbortSignal; readonly deadlineMs: number },
): Promise<void> {
  const quietly = ["--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--quiet"];
  const side = otherSide(from);
  const depth = [`--depth=${folder === "" ? commitsMax : 1}`, "--update-shallow"];
  const args = [
    "fetch",
    ...quietly,
    ...depth,
    `--upload-pack=${side.uploadPack}`,
    "--end-of-options",
  ];
  const run = () =>
    keep.git.run([...args, side.url, `+${id}:${headRef(folder)}`], {
      directory: keep.directory,
      ...options,
    });
  for (let left = tries; ; left--) {
    try {
      await run();
      return;
    } catch (error) {
      // Somebody else reads the same tree at this moment, or died while doing so.
      const isLocked =
        error instanceof GitFailure && /\.lock'?: File exists|Unable to create/.test(error.stderr);
      if (!isLocked || left === 0) throw error;
      await removeDeadLocks(keep.directory);
      await pause(50, undefined, { signal: options.signal });
    }
  }
}

const setPriv = ["/usr/bin/setpriv", "/bin/setpriv"].find((path) => existsSync(path));

function otherSide({ path, common, owner }: GitFolder): { url: string; uploadPack: string } {
  const isRoot = process.getuid?.() === 0;
  if (isRoot && owner.uid !== 0) {
    if (setPriv === undefined) {
      throw new Unreadable(
        "its commits are another account's, and there is no setpriv to read them as it",
      );
    }
    const as = `${setPriv} --reuid=${owner.uid} --regid=${owner.gid} --clear-groups`;
    return { url: path, uploadPack: `${as} ${localUploadPack}` };
  }
  // By its handle: whatever is put in its place meanwhile, it is the folder that was looked at.
  const url = common.handle === null ? path : `/proc/${process.pid}/fd/${common.handle}`;
  return { url, uploadPack: localUploadPack };
}

const entryForm = /^(\d{6}) \w+ ([0-9a-f]+)\t(.+)$/s;

async function readFiles(
  { git, directory }: Keep,
  id: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<BytePath, TreeFile>> {
  const args = ["ls-tree", "-r", "-z", "--full-tree", "--end-of-options", id];
  const { stdout } = await git.run(args, { directory, signal });
  return treeFilesIn(stdout);
}

/** Of what `ls-tree -r -z` says. */
export function treeFilesIn(listing: Buffer): ReadonlyMap<BytePath, TreeFile> {
  const files = new Map<BytePath, TreeFile>();
  for (const entry of listing.toString("latin1").split("\0")) {
    const [, mode = "", id = "", path = ""] = entryForm.exec(entry) ?? [];
    if (path === "") continue;
    // Old repositories hold modes that git reads as the plain one.
    const known = /^(100755|120000|160000)$/.test(mode) ? mode : "100644";
    files.set(path as BytePath, { mode: known as Mode, id });
  }
  return files;
}

async function readCommits(
  { git, directory }: Keep,
  id: string,
  signal: AbortSignal,
): Promise<readonly HeadCommit[]> {
  const format = "--format=%H%x00%P%x00%an%x00%ct%x00%B";
  const args = ["log", "-z", "-n", String(commitsMax), "--no-mailmap", "--no-notes", format];
  const said = await git.text([...args, "--end-of-options", id], { directory, signal });
  const fields = said.split("\0");
  const commits: HeadCommit[] = [];
  for (let at = 0; at + 5 <= fields.length; at += 5) {
    const [commit = "", parents = "", author = "", seconds = "", message = ""] = fields.slice(
      at,
      at + 5,
    );
    commits.push({
      id: commit,
      parents: parents === "" ? [] : parents.split(" "),
      author: author.slice(0, 200),
      at: new Date(Number(seconds) * 1_000).toISOString(),
      message: message.slice(0, messageCharactersMax),
    });
  }
  return commits;
}
