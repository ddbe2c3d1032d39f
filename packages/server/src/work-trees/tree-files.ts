/** What a tree is made of, and how two of them differ: plain data and pure decisions. */
import { createHash } from "node:crypto";
import { type BytePath, folderOf, isWithin } from "./byte-path.ts";

/** As git writes it: a file, one that may be executed, a link, another repository's commit. */
export type Mode = "100644" | "100755" | "120000" | "160000";
export type Format = "sha1" | "sha256";

export interface TreeFile {
  readonly mode: Mode;
  /** Of its content, as git names it. */
  readonly id: string;
}

/** Every file of a tree by its path. */
export type TreeFiles = ReadonlyMap<BytePath, TreeFile>;

export function blobId(format: Format, content: Buffer): string {
  return createHash(format).update(`blob ${content.length}\0`).update(content).digest("hex");
}

export function isSameFile(one: TreeFile | undefined, other: TreeFile | undefined): boolean {
  return one?.mode === other?.mode && one?.id === other?.id;
}

/** Every folder that holds a file of the tree, however deep; the root among them. */
export function foldersOf(files: Iterable<BytePath>): ReadonlySet<BytePath> {
  const folders = new Set<BytePath>(["" as BytePath]);
  for (const path of files) {
    for (let at = folderOf(path); !folders.has(at); at = folderOf(at)) folders.add(at);
  }
  return folders;
}

export interface Difference {
  readonly path: BytePath;
  /** Undefined: it is not there. */
  readonly before: TreeFile | undefined;
  readonly after: TreeFile | undefined;
}

/**
 * In the order of paths. What lies at or below an `unknown` path of `after` was not read: that it is missing
 * says nothing.
 */
export function differencesBetween(
  before: TreeFiles,
  after: TreeFiles,
  unknown: readonly BytePath[] = [],
): readonly Difference[] {
  const found: Difference[] = [];
  for (const [path, file] of after) {
    if (!isSameFile(before.get(path), file)) {
      found.push({ path, before: before.get(path), after: file });
    }
  }
  for (const [path, file] of before) {
    if (after.has(path) || unknown.some((each) => isWithin(path, each))) continue;
    found.push({ path, before: file, after: undefined });
  }
  return found.sort((one, other) => (one.path < other.path ? -1 : 1));
}

/**
 * As a tree takes it: where a file is there is no folder, and where a folder is there is no file. `folders`:
 * those of `files` before anything was placed.
 */
export function placeFile(
  files: Map<BytePath, TreeFile>,
  folders: ReadonlySet<BytePath>,
  path: BytePath,
  file: TreeFile,
): void {
  for (let at = folderOf(path); at !== ""; at = folderOf(at)) files.delete(at);
  if (folders.has(path)) {
    for (const each of files.keys()) if (each.startsWith(`${path}/`)) files.delete(each);
  }
  files.set(path, file);
}
