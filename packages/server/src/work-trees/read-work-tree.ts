/**
 * What an agent has not committed, read where it is. Nothing that the tree or its repository asks for is run,
 * and nothing outside of it is read.
 */
import { parseCheckpoint, type UncommittedFile, type WorkTreeReport } from "@lastgood/sdk";
import { ownHost } from "../own-host.ts";
import { type BytePath, folderOf, nameOf, shown } from "./byte-path.ts";
import type { HeadCommit } from "./head-commit.ts";
import {
  type Inspection,
  inspectWorkTree,
  type OpenOptions,
  openWorkTree,
  rememberWorkTree,
  type WorkTree,
} from "./inspect.ts";
import { type OpenFolder, openFolder, Unreadable, within } from "./open-folder.ts";
import { readObjects } from "./read-objects.ts";
import { type Difference, differencesBetween } from "./tree-files.ts";
import { asText, endOf, excerptCharactersMax, type News, whatIsNew } from "./what-is-new.ts";

export interface ReadOptions extends OpenOptions {
  readonly signal?: AbortSignal;
}

const filesMax = 500;
const unreadMax = 100;
/** A file with more is not read as text. */
const textBytesMax = 4_194_304;
/** Of all files together that one report counts the words of. */
const countedBytesMax = 67_108_864;
/** What a report may weigh as JSON, whatever the names and the texts are. */
const reportBytesMax = 900_000;

/**
 * Reads the work tree at `path`. `home`: where Lastgood keeps what it owns on this machine. Faults: only
 * `not_found` for a path that is no folder; whatever else cannot be read is named in `unread`.
 */
export async function readWorkTree(path: string, options: ReadOptions): Promise<WorkTreeReport> {
  const signal = options.signal ?? AbortSignal.timeout(60_000);
  const tree = await openWorkTree(path, options);
  const before = tree.known;
  const inspection = await inspectWorkTree(tree, signal);
  const report = await reportOn(tree, inspection, signal);
  if (isMoreKnown(before, tree.known)) await rememberWorkTree(tree);
  return report;
}

function isMoreKnown(before: WorkTree["known"], after: WorkTree["known"]): boolean {
  const same =
    before.seen.size === after.seen.size &&
    before.news.size === after.news.size &&
    before.heads.size === after.heads.size &&
    [...after.seen].every(([path, seen]) => before.seen.get(path) === seen) &&
    [...after.heads].every(([folder, head]) => before.heads.get(folder) === head) &&
    [...after.news].every(([key, news]) => before.news.get(key) === news);
  return !same;
}

/** The report on what was found. The words of a file are counted once for each content. */
export async function reportOn(
  tree: WorkTree,
  inspection: Inspection,
  signal: AbortSignal,
): Promise<WorkTreeReport> {
  const found = uncommitted(inspection);
  const listed = found.slice(0, filesMax);
  const news = await newsOf(tree, listed, signal);
  tree.known = { ...tree.known, news };
  const files = withinBytes(listed.map((each) => fileOf(each, news)));
  const { head, scan, commits, leftovers, unread } = inspection;
  return {
    path: tree.path,
    host: ownHost(),
    readAt: inspection.at.toISOString(),
    source: "disk",
    branch: head.branch,
    head: head.id,
    commits: commits.map(checkpointOf),
    files,
    more: found.length - files.length,
    leftovers,
    unread: [
      ...unread.slice(0, unreadMax).map((each) => each.slice(0, 500)),
      ...(unread.length > unreadMax ? [`and ${unread.length - unreadMax} more`] : []),
      ...(inspection.isSparse
        ? ["deleted files: the checkout is sparse, so files are missing on purpose"]
        : []),
      ...(scan.unknown.includes("" as BytePath)
        ? ["what was deleted: not all of the tree was read"]
        : []),
    ],
  };
}

function checkpointOf({ id, at, author, message }: HeadCommit) {
  return { commit: id, at, author, ...parseCheckpoint(message) };
}

interface Uncommitted extends Difference {
  readonly kind: UncommittedFile["kind"];
  readonly bytes: number;
}

/** By path. */
function uncommitted({ base, scan, isSparse }: Inspection): readonly Uncommitted[] {
  const found: Uncommitted[] = [];
  for (const difference of differencesBetween(base, scan.files, scan.unknown)) {
    const { path, before, after } = difference;
    const isMissing = after === undefined;
    // A commit of another repository is no file: its folder may well be empty.
    if (isMissing && (before?.mode === "160000" || isSparse || scan.others.has(path))) continue;
    const isLink = (after ?? before)?.mode === "120000";
    const bytes = scan.files.get(path)?.bytes ?? 0;
    found.push({ ...difference, kind: isLink ? "link" : "file", bytes });
  }
  for (const [path, { size }] of scan.others) {
    found.push({ path, before: base.get(path), after: undefined, kind: "other", bytes: size });
  }
  for (const [path, bytes] of scan.tooLarge) {
    found.push({ path, before: base.get(path), after: undefined, kind: "file", bytes });
  }
  return found.sort((one, other) => (one.path < other.path ? -1 : 1));
}

/** The id that is there, and the one that the last commit has. */
function newsKey({ before, after }: Difference): string {
  return `${after?.id ?? ""} ${before?.id ?? ""}`;
}

async function newsOf(
  tree: WorkTree,
  files: readonly Uncommitted[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, News>> {
  const news = new Map<string, News>();
  const wanted: Uncommitted[] = [];
  let bytes = 0;
  for (const file of files) {
    const known = tree.known.news.get(newsKey(file));
    if (known !== undefined) news.set(newsKey(file), known);
    else if (file.kind === "file" && file.after !== undefined && file.bytes <= textBytesMax) {
      bytes += file.bytes;
      if (bytes <= countedBytesMax) wanted.push(file);
    }
  }
  if (wanted.length === 0) return news;
  const ids = wanted.flatMap(({ before }) => (before === undefined ? [] : [before.id]));
  const blobs = await readObjects(tree.keep, "blob", ids, textBytesMax, signal);
  using root = openFolder(tree.path);
  for (const file of wanted) {
    const now = textAt(root, file.path);
    const before = file.before === undefined ? null : blobs.get(file.before.id);
    // Without what the last commit has there is no telling what is new.
    if (now === null || before === undefined) continue;
    news.set(newsKey(file), whatIsNew(before === null ? null : asText(before), now));
  }
  return news;
}

function textAt(root: OpenFolder, path: BytePath): string | null {
  try {
    const read = within(root, folderOf(path), (folder) => folder.read(nameOf(path), textBytesMax));
    return read === null ? null : asText(read.content);
  } catch (error) {
    if (error instanceof Unreadable) return null;
    throw error;
  }
}

function fileOf(file: Uncommitted, news: ReadonlyMap<string, News>): UncommittedFile {
  const { path, before, after, kind, bytes } = file;
  const isThere = after !== undefined || kind === "other" || bytes > 0;
  const counted = kind === "file" && after !== undefined ? news.get(newsKey(file)) : undefined;
  return {
    path: shown(path),
    status: !isThere ? "deleted" : before === undefined ? "new" : "modified",
    kind,
    bytes,
    lines: counted?.lines ?? null,
    words: counted?.words ?? null,
    newLines: counted?.newLines ?? null,
    newWords: counted?.newWords ?? null,
    excerpt: counted?.excerpt ?? null,
  };
}

/** Excerpts are made shorter until all fit; names that are too long for that leave files out. */
function withinBytes(files: readonly UncommittedFile[]): readonly UncommittedFile[] {
  const weigh = (one: unknown) => Buffer.byteLength(JSON.stringify(one)) + 1;
  for (const length of [excerptCharactersMax, 400, 100, 0]) {
    const cut = files.map((file) => ({
      ...file,
      excerpt: file.excerpt === null ? null : endOf(file.excerpt, length),
    }));
    if (weigh(cut) <= reportBytesMax) return cut;
  }
  let bytes = 0;
  const fits = (file: UncommittedFile) => {
    bytes += weigh(file);
    return bytes <= reportBytesMax;
  };
  return files.map((file) => ({ ...file, excerpt: null })).filter(fits);
}
