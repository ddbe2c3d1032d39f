/**
 * Puts files of a work tree to another content, while somebody may be working in it.
 *
 *   P1. Nothing is written through a link: folders are reached by their handles, a file is written aside and
 *       takes its place whole, and a link in that place is replaced and not followed.
 *   P2. What is put away must be what was looked at: a file that changed since is left alone.
 *   P3. A folder goes when nothing is left in it. Whatever else stands in the way stays, and is said.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { type BytePath, folderOf, fromText, nameOf, partsOf } from "./byte-path.ts";
import { contentAt } from "./content-at.ts";
import { attempt, type OpenFolder, Unreadable, within } from "./open-folder.ts";
import { type Format, isSameFile, type Mode, type TreeFile } from "./tree-files.ts";

export interface Putting {
  readonly path: BytePath;
  /** What must be there now; undefined for nothing. */
  readonly now: TreeFile | undefined;
  /** Undefined to take it away. */
  readonly next: { readonly mode: Mode; readonly content: Buffer } | undefined;
}

export interface NotPut {
  readonly path: BytePath;
  readonly because: string;
}

/** A file with more is none that was looked at. */
export const contentBytesMax = 67_108_864;

/** What was not put, and why. Files that go make room for those that come. */
export function putFiles(
  root: OpenFolder,
  puttings: readonly Putting[],
  format: Format,
): readonly NotPut[] {
  const failed: NotPut[] = [];
  const each = (chosen: readonly Putting[], act: (putting: Putting) => void) => {
    for (const putting of chosen) {
      try {
        requireUnchanged(root, putting, format);
        act(putting);
      } catch (error) {
        if (!(error instanceof Unreadable)) throw error;
        failed.push({ path: putting.path, because: error.message });
      }
    }
  };
  each(
    puttings.filter(({ next }) => next === undefined),
    ({ path }) => remove(root, path),
  );
  each(
    puttings.filter(({ next }) => next !== undefined),
    ({ path, next }) => next !== undefined && put(root, path, next),
  );
  return failed;
}

function requireUnchanged(root: OpenFolder, { path, now }: Putting, format: Format): void {
  const found = contentAt(root, path, format, contentBytesMax) ?? undefined;
  if (!isSameFile(found, now)) throw new Unreadable("it changed meanwhile");
  if (now === undefined && standsThere(root, path)) throw new Unreadable("something stands there");
}

function standsThere(root: OpenFolder, path: BytePath): boolean {
  try {
    const found = within(root, folderOf(path), (folder) => folder.look(nameOf(path)));
    return found !== null && !found.isDirectory();
  } catch (error) {
    if (error instanceof Unreadable) return false;
    throw error;
  }
}

function remove(root: OpenFolder, path: BytePath): void {
  within(root, folderOf(path), (folder) => attempt(() => unlinkSync(folder.at(nameOf(path)))));
  for (let above = folderOf(path); above !== ""; above = folderOf(above)) {
    try {
      within(root, folderOf(above), (folder) => attempt(() => rmdirSync(folder.at(nameOf(above)))));
    } catch (error) {
      // It still holds something: so do all above it.
      if (error instanceof Unreadable) return;
      throw error;
    }
  }
}

function put(root: OpenFolder, path: BytePath, next: NonNullable<Putting["next"]>): void {
  makeFolders(root, folderOf(path));
  within(root, folderOf(path), (folder) => {
    const aside = fromText(`.lastgood-${randomBytes(6).toString("hex")}`);
    const name = nameOf(path);
    try {
      if (next.mode === "120000") attempt(() => symlinkSync(next.content, folder.at(aside)));
      else writeWhole(folder, aside, next.content, next.mode === "100755" ? 0o777 : 0o666);
      // An empty folder may stand there: what it held has just gone.
      if (folder.look(name)?.isDirectory()) attempt(() => rmdirSync(folder.at(name)));
      attempt(() => renameSync(folder.at(aside), folder.at(name)));
    } catch (error) {
      if (folder.look(aside) !== null) unlinkSync(folder.at(aside));
      throw error;
    }
  });
}

function makeFolders(root: OpenFolder, path: BytePath): void {
  let above = fromText("");
  for (const part of partsOf(path)) {
    within(root, above, (folder) => {
      const found = folder.look(part);
      if (found === null) attempt(() => mkdirSync(folder.at(part)));
      else if (!found.isDirectory())
        throw new Unreadable("a link or a file stands where its folder was");
    });
    above = (above === "" ? part : `${above}/${part}`) as BytePath;
  }
}

const anew = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** `mode` as far as the account's mask lets it. */
function writeWhole(folder: OpenFolder, name: BytePath, content: Buffer, mode: number): void {
  const file = attempt(() => openSync(folder.at(name), anew, mode));
  try {
    for (let at = 0; at < content.length; ) {
      at += attempt(() => writeSync(file, content, at, content.length - at));
    }
  } finally {
    closeSync(file);
  }
}
