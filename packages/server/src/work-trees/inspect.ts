/** One look at a work tree: where its branch is, what is in it, and how that differs from the last commit. */
import { realpathSync, statSync } from "node:fs";
import { Fault } from "../fault.ts";
import { type BytePath, fromText, isWithin, joined, shown } from "./byte-path.ts";
import {
  type GitFolder,
  type Head,
  openGitFolder,
  readExcludes,
  readHead,
  readLeftovers,
  readRemoteTips,
} from "./git-folder.ts";
import { readHeadCommit } from "./head-commit.ts";
import { parseIgnoreRules } from "./ignore-rules.ts";
import { type Keep, openKeep } from "./keep.ts";
import { type Known, type KnownHead, readKnown, writeKnown } from "./known.ts";
import { foreignMounts } from "./mounts.ts";
import { type OpenFolder, openFolder, Unreadable } from "./open-folder.ts";
import { type Scan, type ScanLimits, scanLimits, scanTree, type Tracking } from "./scan.ts";
import { foldersOf, type TreeFile, type TreeFiles } from "./tree-files.ts";

/** A work tree that is looked at: where it really is, and our own repository for it. */
export interface WorkTree {
  readonly path: string;
  readonly keep: Keep;
  readonly limits: ScanLimits;
  /** How long git may take to hand over a commit. */
  readonly fetchMsMax: number;
  /** What the looks before found out; each look brings it up to date. */
  known: Known;
}

export interface OpenOptions {
  /** Where Lastgood keeps what it owns on this machine. */
  readonly home: string;
  readonly limits?: Partial<ScanLimits>;
  /** How long git may take to hand over a last commit that was not seen before. Default 30,000. */
  readonly fetchMsMax?: number;
}

/** `not_found` where there is no folder. */
export async function openWorkTree(
  path: string,
  { home, limits = {}, fetchMsMax = 30_000 }: OpenOptions,
): Promise<WorkTree> {
  const real = realFolder(path);
  using root = openRoot(real);
  using git = gitFolderOf(root, real).git;
  const keep = await openKeep(home, real, git?.format ?? "sha1");
  const known = await readKnown(keep.knownFile);
  return { path: real, keep, limits: { ...scanLimits, ...limits }, fetchMsMax, known };
}

function realFolder(path: string): string {
  try {
    const real = realpathSync(path);
    if (statSync(real).isDirectory()) return real;
  } catch (cause) {
    const { code = "" } = cause as NodeJS.ErrnoException;
    throw new Fault(
      "not_found",
      `There is no work tree at ${path} (${code}): name another folder.`,
      {
        cause,
      },
    );
  }
  throw new Fault("not_found", `${path} is no folder: name the root of a work tree.`);
}

function openRoot(path: string): OpenFolder {
  try {
    return openFolder(path);
  } catch (cause) {
    if (!(cause instanceof Unreadable)) throw cause;
    throw new Fault(
      "not_found",
      `The work tree at ${path} cannot be read (${cause.message}): run this as the account that works in it.`,
      { cause },
    );
  }
}

/** What one look found. Files of nested repositories are among the others, under their paths. */
export interface Inspection {
  readonly at: Date;
  readonly head: Head;
  /** Newest first. */
  readonly commits: KnownHead["commits"];
  /** What the last commits have. */
  readonly base: TreeFiles;
  readonly scan: Scan;
  readonly isSparse: boolean;
  readonly leftovers: readonly string[];
  /** Of the branch's commits, those that a remote has. */
  readonly remoteTips: ReadonlySet<string>;
  readonly unread: readonly string[];
}

interface RootRepository {
  readonly git: GitFolder | null;
  readonly because: string | null;
}

function gitFolderOf(root: OpenFolder, path: string): RootRepository {
  try {
    return { git: openGitFolder(root, path), because: null };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return { git: null, because: error.message };
  }
}

const nestedMax = 50;

export async function inspectWorkTree(tree: WorkTree, signal: AbortSignal): Promise<Inspection> {
  const at = new Date();
  using root = openRoot(tree.path);
  const { git: opened, because } = gitFolderOf(root, tree.path);
  using git = opened;
  const unread: string[] = because === null ? [] : [`the repository: ${because}`];
  const heads = new Map<BytePath, KnownHead>();
  const readRepository = async (from: GitFolder, folder: BytePath): Promise<Head> => {
    let head: Head = { branch: null, id: null };
    try {
      head = readHead(from);
      if (head.id !== null) {
        const known = tree.known.heads.get(folder);
        const isKnown = known?.id === head.id;
        heads.set(
          folder,
          isKnown ? known : await readHeadCommit(tree, from, folder, head.id, signal),
        );
      }
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      unread.push(`${folder === "" ? "the repository" : shown(folder)}: ${error.message}`);
    }
    return head;
  };
  const rootFolder = fromText("");
  const head = git === null ? { branch: null, id: null } : await readRepository(git, rootFolder);
  let nested = 0;
  const scan = await scanTree({
    root,
    format: tree.keep.format,
    tracking: trackingOf(heads, rootFolder, git),
    async nested(path, folder) {
      nested += 1;
      if (nested > nestedMax) return null;
      const inner = gitFolderOf(folder, `${tree.path}/${shown(path)}`);
      if (inner.because !== null) unread.push(`${shown(path)}: ${inner.because}`);
      using own = inner.git;
      if (own === null) return null;
      await readRepository(own, path);
      return trackingOf(heads, path, own);
    },
    seen: tree.known.seen,
    limits: tree.limits,
    mounts: foreignMounts(tree.path),
    signal,
  });
  tree.known = { ...tree.known, heads, seen: mergedSeen(tree.known.seen, scan) };
  return {
    ...{ at, head, scan, commits: heads.get(rootFolder)?.commits ?? [] },
    base: baseOf(heads),
    isSparse: git?.isSparse ?? false,
    leftovers: git === null ? [] : readLeftovers(git, head.branch),
    remoteTips: git === null ? new Set() : readRemoteTips(git),
    unread: [...unread, ...scan.unread],
  };
}

/** What was not reached this time is still known. */
function mergedSeen(before: Known["seen"], { seen, unknown }: Scan): Known["seen"] {
  if (unknown.length === 0) return seen;
  const kept = [...before].filter(([path]) => unknown.some((each) => isWithin(path, each)));
  return new Map([...kept, ...seen]);
}

function trackingOf(
  heads: ReadonlyMap<BytePath, KnownHead>,
  folder: BytePath,
  git: GitFolder | null,
): Tracking {
  const files: TreeFiles = heads.get(folder)?.files ?? new Map<BytePath, TreeFile>();
  const folders = foldersOf(files.keys());
  const below = (path: BytePath) =>
    folder === "" ? path : (path.slice(folder.length + 1) as BytePath);
  const excludes = git === null ? null : readExcludes(git);
  const rules = excludes === null ? null : parseIgnoreRules(folder, excludes);
  return {
    has: (path) => files.has(below(path)),
    hasBelow: (path) => folders.has(below(path)),
    excludes: rules === null ? [] : [rules],
  };
}

/** Files of all repositories of the tree, under their paths; a nested one's commit stands for itself. */
function baseOf(heads: ReadonlyMap<BytePath, KnownHead>): TreeFiles {
  const root = heads.get(fromText(""));
  if (root !== undefined && heads.size === 1) return root.files;
  const files = new Map<BytePath, TreeFile>();
  for (const [folder, head] of heads) {
    for (const [path, file] of head.files) files.set(joined(folder, path), file);
  }
  return files;
}

/** Keeps what was found out for the next one who looks; another one may do so at the same time. */
export async function rememberWorkTree({ keep, known }: WorkTree): Promise<void> {
  await writeKnown(keep.knownFile, known);
}
