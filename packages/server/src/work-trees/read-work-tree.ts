/**
 * What an agent has not committed, read where it is. Nothing that the tree or its repository asks for is run,
 * and nothing outside of it is read.
 */
import { parseCheckpoint, type UncommittedFile, type WorkTreeReport } from "@lastgood/sdk";
import { ownHost } from "../own-host.ts";
import { type BytePath, shown } from "./byte-path.ts";
import {
  type Inspection,
  inspectWorkTree,
  type OpenOptions,
  openWorkTree,
  rememberWorkTree,
  type WorkTree,
} from "./inspect.ts";
import type { HeadCommit } from "./known.ts";
import { newsOf } from "./news-of-files.ts";
import { newsKey, type Uncommitted, uncommitted } from "./uncommitted.ts";
import { endOf, excerptCharactersMax, type FileNews } from "./what-is-new.ts";

export interface ReadOptions extends OpenOptions {
  readonly signal?: AbortSignal;
}

const filesMax = 500;
/** Beyond so many it is not found out whether git only writes them otherwise than it keeps them. */
const comparedMax = 1_000;
const unreadMax = 100;
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
  const all = uncommitted(inspection);
  const news = await newsOf(tree, all.slice(0, comparedMax), signal);
  tree.known = { ...tree.known, news };
  const found = all.filter((file) => news.get(newsKey(file)) !== "converted");
  const files = withinBytes(found.slice(0, filesMax).map((each) => fileOf(each, news)));
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

function fileOf(file: Uncommitted, news: ReadonlyMap<string, FileNews>): UncommittedFile {
  const { path, before, after, kind, bytes } = file;
  const isThere = after !== undefined || kind === "other" || bytes > 0;
  const said = kind === "file" && after !== undefined ? news.get(newsKey(file)) : undefined;
  const counted = said === "converted" ? undefined : said;
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
