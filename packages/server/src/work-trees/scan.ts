/**
 * Walks a work tree and says what is in it, without running or following anything that it holds.
 *
 *   W1. Everything is reached through handles of true folders (`open-folder.ts`). Pipes, sockets and devices
 *       are named and never opened; links are kept as links.
 *   W2. What git would ignore is not looked at, unless the last commit has it. No `.git` is walked.
 *   W3. Files, depth, bytes and time are bounded. What was left out is said, and is `unknown`: that it is
 *       missing from `files` says nothing.
 *   W4. It works in slices of a few milliseconds, so that a server goes on answering meanwhile.
 */
import type { Stats } from "node:fs";
import { setImmediate as rest } from "node:timers/promises";
import { type BytePath, fromText, isHoldable, joined, shown } from "./byte-path.ts";
import { type IgnoreRules, isIgnored, parseIgnoreRules } from "./ignore-rules.ts";
import { knownId, type Seen, seenAs } from "./known.ts";
import { type OpenFolder, Unreadable } from "./open-folder.ts";
import { blobId, type Format, type Mode, type TreeFile } from "./tree-files.ts";
import type { Budget } from "./wildcard.ts";

export interface ScanLimits {
  /** Files and folders looked at. */
  readonly entriesMax: number;
  readonly depthMax: number;
  /** Of a file that is read and saved. */
  readonly fileBytesMax: number;
  readonly milliseconds: number;
}

export const scanLimits: ScanLimits = {
  entriesMax: 200_000,
  depthMax: 100,
  fileBytesMax: 33_554_432,
  milliseconds: 30_000,
};

/** What the last commit of a repository has, and what it ignores beside `.gitignore`. */
export interface Tracking {
  has(path: BytePath): boolean;
  hasBelow(folder: BytePath): boolean;
  readonly excludes: readonly IgnoreRules[];
}

export interface ScanOptions {
  readonly root: OpenFolder;
  readonly format: Format;
  readonly tracking: Tracking;
  /** A folder with a `.git` of its own: what its last commit has, or null where that is not known. */
  nested(path: BytePath, folder: OpenFolder): Promise<Tracking | null>;
  readonly seen: ReadonlyMap<BytePath, Seen>;
  readonly limits: ScanLimits;
  /** Folders that other file systems are mounted on which need not answer. */
  readonly mounts: ReadonlySet<BytePath>;
  readonly signal: AbortSignal;
}

export interface Scan {
  readonly files: ReadonlyMap<BytePath, ScannedFile>;
  /** Pipes, sockets, devices. */
  readonly others: ReadonlyMap<BytePath, Stats>;
  /** Files that are not read, by their bytes. */
  readonly tooLarge: ReadonlyMap<BytePath, number>;
  readonly unknown: readonly BytePath[];
  readonly seen: ReadonlyMap<BytePath, Seen>;
  readonly unread: readonly string[];
}

export interface ScannedFile extends TreeFile {
  readonly bytes: number;
}

/** A limit was met: all that was not seen by then is unknown. */
class Enough extends Error {}

const sliceMs = 8;
const ignoreBytesMax = 262_144;
const matchingStepsMax = 200_000_000;
const gitName = fromText(".git");
const ignoreName = fromText(".gitignore");

interface At {
  readonly path: BytePath;
  readonly depth: number;
  readonly tracking: Tracking;
  /** Innermost first. */
  readonly rules: readonly IgnoreRules[];
  /** Only what the last commit has is looked at. */
  readonly ignored: boolean;
}

/** What a walk has found so far, and what it may still spend. */
interface Walk {
  readonly options: ScanOptions;
  readonly files: Map<BytePath, ScannedFile>;
  readonly others: Map<BytePath, Stats>;
  readonly tooLarge: Map<BytePath, number>;
  readonly seen: Map<BytePath, Seen>;
  readonly unknown: BytePath[];
  readonly unread: string[];
  readonly matching: Budget;
  readonly began: number;
  sliceBegan: number;
  entries: number;
}

export async function scanTree(options: ScanOptions): Promise<Scan> {
  const { root, tracking, signal } = options;
  const now = performance.now();
  const walk: Walk = {
    options,
    ...{ files: new Map(), others: new Map(), tooLarge: new Map(), seen: new Map() },
    ...{ unknown: [], unread: [], matching: { left: matchingStepsMax } },
    ...{ began: now, sliceBegan: now, entries: 0 },
  };
  try {
    const begin = { path: fromText(""), depth: 0, rules: tracking.excludes, ignored: false };
    await walkFolder(walk, root, { ...begin, tracking });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof Enough)) throw error;
    leave(walk, fromText(""), error.message);
  }
  return walk;
}

function leave({ unknown, unread }: Walk, path: BytePath, because: string): void {
  unknown.push(path);
  unread.push(`${path === "" ? "the work tree" : shown(path)}: ${because}`);
}

async function breathe(walk: Walk): Promise<void> {
  const { limits, signal } = walk.options;
  const now = performance.now();
  if (now - walk.began > limits.milliseconds) {
    throw new Enough(`only what was read within ${limits.milliseconds / 1_000} s`);
  }
  if (now - walk.sliceBegan < sliceMs) return;
  await rest();
  signal.throwIfAborted();
  walk.sliceBegan = performance.now();
}

async function walkFolder(walk: Walk, opened: OpenFolder, at: At): Promise<void> {
  const { entriesMax } = walk.options.limits;
  const names = opened.names(entriesMax - walk.entries);
  if (names === null) throw new Enough(`only the first ${entriesMax} files and folders`);
  walk.entries += names.length;
  const here = { ...at, rules: at.ignored ? at.rules : rulesIn(walk, opened, at) };
  for (const name of names) {
    const path = joined(at.path, name);
    try {
      if (name !== gitName) await walkEntry(walk, opened, name, path, here);
    } catch (error) {
      // What is unreadable is left out and said; the walk goes on.
      if (!(error instanceof Unreadable)) throw error;
      leave(walk, path, error.message);
    }
    await breathe(walk);
  }
}

function rulesIn({ unread }: Walk, folder: OpenFolder, at: At): readonly IgnoreRules[] {
  if (folder.look(ignoreName)?.isFile() !== true) return at.rules;
  const text = folder.read(ignoreName, ignoreBytesMax)?.content.toString("latin1");
  const rules = text === undefined ? null : parseIgnoreRules(at.path, text);
  if (rules !== null) return [rules, ...at.rules];
  unread.push(`${shown(joined(at.path, ignoreName))}: it is too long, and was not followed`);
  return at.rules;
}

function ignores({ matching }: Walk, path: BytePath, isFolder: boolean, at: At): boolean {
  if (at.ignored) return true;
  const ignored = isIgnored(path, isFolder, at.rules, matching);
  if (matching.left < 0) throw new Enough("its rules of what to ignore cost too much to follow");
  return ignored;
}

async function walkEntry(
  walk: Walk,
  opened: OpenFolder,
  name: BytePath,
  path: BytePath,
  at: At,
): Promise<void> {
  const stats = opened.look(name);
  if (stats === null) return;
  if (stats.isDirectory()) {
    const ignored = ignores(walk, path, true, at);
    if (ignored && !at.tracking.hasBelow(path)) return;
    await walkBelow(walk, opened, name, path, { ...at, ignored });
    return;
  }
  if (!at.tracking.has(path) && ignores(walk, path, false, at)) return;
  if (!isHoldable(name)) throw new Unreadable("git cannot hold a file of that name");
  if (stats.isFile()) addFile(walk, opened, name, path, stats);
  else if (stats.isSymbolicLink()) {
    const target = opened.readLink(name);
    const id = blobId(walk.options.format, target);
    walk.files.set(path, { mode: "120000", id, bytes: target.length });
  } else walk.others.set(path, stats);
}

async function walkBelow(
  walk: Walk,
  opened: OpenFolder,
  name: BytePath,
  path: BytePath,
  at: At,
): Promise<void> {
  const { mounts, limits, nested } = walk.options;
  if (mounts.has(path)) throw new Unreadable("it is a file system of another machine");
  if (!isHoldable(name)) throw new Unreadable("git cannot hold a folder of that name");
  if (at.depth >= limits.depthMax) throw new Unreadable(`it lies deeper than ${limits.depthMax}`);
  using inner = opened.folder(name);
  const within = { ...at, path, depth: at.depth + 1 };
  const isNested = inner.look(gitName) !== null && !at.tracking.hasBelow(path);
  const own = isNested ? await nested(path, inner) : null;
  // What is outside a repository ignores nothing inside it.
  const inside = own === null ? within : { ...within, tracking: own, rules: own.excludes };
  await walkFolder(walk, inner, inside);
}

function addFile(
  walk: Walk,
  opened: OpenFolder,
  name: BytePath,
  path: BytePath,
  stats: Stats,
): void {
  const { files, seen, tooLarge, options } = walk;
  const { fileBytesMax } = options.limits;
  if (stats.size > fileBytesMax) {
    tooLarge.set(path, stats.size);
    leave(walk, path, `it has ${stats.size} bytes, and at most ${fileBytesMax} are read`);
    return;
  }
  const mode: Mode = (stats.mode & 0o100) === 0 ? "100644" : "100755";
  const before = options.seen.get(path);
  const id = knownId(before, stats);
  if (id !== undefined && before !== undefined) {
    seen.set(path, before);
    files.set(path, { mode, id, bytes: stats.size });
    return;
  }
  const now = Date.now();
  const read = opened.read(name, fileBytesMax);
  if (read === null) throw new Unreadable("it grew while it was read");
  const found = blobId(options.format, read.content);
  files.set(path, { mode, id: found, bytes: read.content.length });
  const kept = read.stats === null ? undefined : seenAs(read.stats, found, now);
  if (kept !== undefined) seen.set(path, kept);
}
