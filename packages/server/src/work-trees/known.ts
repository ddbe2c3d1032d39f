/**
 * What was found out of a work tree before, so that a file that did not change is not read again, and a last
 * commit not listed again. It lies beside our own repository, whole or not at all; without it everything is
 * found out anew.
 */
import type { Stats } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { BytePath } from "./byte-path.ts";
import type { Mode, TreeFile, TreeFiles } from "./tree-files.ts";
import type { FileNews } from "./what-is-new.ts";

/** When a file was last written and altered, its size and inode: the same, and it is the same file. */
type Signature = readonly [mtimeMs: number, ctimeMs: number, size: number, inode: number];
/** With the id of its content. */
export type Seen = readonly [...Signature, id: string];

/** A commit of an agent's, as it is shown. */
export interface HeadCommit {
  readonly id: string;
  readonly parents: readonly string[];
  readonly author: string;
  readonly at: string;
  readonly message: string;
}

/** The last commit of a repository. */
export interface KnownHead {
  readonly id: string;
  readonly files: TreeFiles;
  /** Newest first. */
  readonly commits: readonly HeadCommit[];
}

export interface Known {
  seen: ReadonlyMap<BytePath, Seen>;
  /** By the folder of the repository; the root's is the empty path. */
  heads: ReadonlyMap<BytePath, KnownHead>;
  /** By `newsKey`. */
  news: ReadonlyMap<string, FileNews>;
}

export const nothingKnown = (): Known => ({ seen: new Map(), heads: new Map(), news: new Map() });

/** A change within the same tick of the file system's clock would not be seen. */
const tickMs = 50;

/** Undefined when the file was altered so shortly before `now` that it may be altered again unseen. */
export function seenAs(stats: Stats, id: string, now: number): Seen | undefined {
  const { mtimeMs, ctimeMs, size, ino } = stats;
  return Math.max(mtimeMs, ctimeMs) > now - tickMs ? undefined : [mtimeMs, ctimeMs, size, ino, id];
}

/** The id of its content, if it is as it was when that was found out. */
export function knownId(seen: Seen | undefined, stats: Stats): string | undefined {
  if (seen === undefined) return undefined;
  const [mtimeMs, ctimeMs, size, inode, id] = seen;
  const same =
    mtimeMs === stats.mtimeMs &&
    ctimeMs === stats.ctimeMs &&
    size === stats.size &&
    inode === stats.ino;
  return same ? id : undefined;
}

const version = 1;

interface Written {
  readonly version: number;
  readonly seen: readonly (readonly [BytePath, ...Seen])[];
  readonly heads: readonly {
    readonly folder: BytePath;
    readonly id: string;
    readonly files: readonly (readonly [BytePath, Mode, string])[];
    readonly commits: readonly HeadCommit[];
  }[];
  readonly news: readonly (readonly [string, FileNews])[];
}

export async function readKnown(file: string): Promise<Known> {
  try {
    const written = JSON.parse(await readFile(file, "utf8")) as Written;
    if (written.version !== version) return nothingKnown();
    return {
      seen: new Map(written.seen.map(([path, ...seen]) => [path, seen])),
      heads: new Map(
        written.heads.map(({ folder, id, files, commits }) => [
          folder,
          {
            id,
            commits,
            files: new Map(files.map(([path, mode, blob]) => [path, { mode, id: blob }])),
          },
        ]),
      ),
      news: new Map(written.news),
    };
  } catch {
    // Never written, or by another version of ours.
    return nothingKnown();
  }
}

export async function writeKnown(file: string, known: Known): Promise<void> {
  const written: Written = {
    version,
    seen: [...known.seen].map(([path, seen]) => [path, ...seen]),
    heads: [...known.heads].map(([folder, { id, files, commits }]) => ({
      ...{ folder, id, commits },
      files: [...files].map(([path, { mode, id: blob }]: [BytePath, TreeFile]) => [
        path,
        mode,
        blob,
      ]),
    })),
    news: [...known.news],
  };
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const aside = `${file}.${process.pid}.${Date.now()}.new`;
  try {
    await writeFile(aside, JSON.stringify(written), { mode: 0o600 });
    await rename(aside, file);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}
