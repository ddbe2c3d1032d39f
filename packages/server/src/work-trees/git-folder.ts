/**
 * What the git folder of a work tree says, read from its files alone: git is not run in it, because its
 * configuration is not ours.
 *
 *   H1. A `.git` that is a link is not followed. One that names another folder (a linked work tree, a
 *       submodule) is, when that belongs to whom the work tree belongs to: nobody can have us read
 *       somebody else's repository by pointing at it.
 */
import { isUtf8 } from "node:buffer";
import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { type BytePath, folderOf, fromBytes, fromText, nameOf, toBytes } from "./byte-path.ts";
import { type OpenFolder, openFolder, Unreadable, within } from "./open-folder.ts";

/** The two are one but for linked work trees, which share all that is not theirs alone. */
export interface GitFolder extends Disposable {
  /** Where HEAD is, and what git leaves when it is killed. */
  readonly own: OpenFolder;
  /** Where refs and objects are. */
  readonly common: OpenFolder;
  /** Of the common folder. */
  readonly path: string;
  readonly owner: { readonly uid: number; readonly gid: number };
  readonly format: "sha1" | "sha256";
  /** Files of the last commit are missing on purpose. */
  readonly isSparse: boolean;
}

export interface Head {
  readonly branch: string | null;
  readonly id: string | null;
}

const name = (text: string) => fromText(text);
const linkBytesMax = 8_192;
const packedBytesMax = 33_554_432;

/** Null where there is none. `Unreadable` says why one is not read. */
export function openGitFolder(tree: OpenFolder, treePath: string): GitFolder | null {
  const found = tree.look(name(".git"));
  if (found === null) return null;
  if (found.isSymbolicLink()) throw new Unreadable("its .git is a link, which is not followed");
  if (!found.isDirectory() && !found.isFile()) throw new Unreadable("its .git is no folder");
  const opened: OpenFolder[] = [];
  const close = () => {
    for (const each of opened) each[Symbol.dispose]();
  };
  try {
    const keep = (folder: OpenFolder) => {
      opened.push(folder);
      return folder;
    };
    let path = resolve(treePath, ".git");
    let own: OpenFolder;
    if (found.isDirectory()) own = keep(tree.folder(name(".git")));
    else {
      const link = /^gitdir: (.+?)\n*$/s.exec(textOf(tree, name(".git"), linkBytesMax) ?? "")?.[1];
      if (link === undefined) throw new Unreadable("its .git names no folder");
      path = realPath(resolve(treePath, link));
      own = keep(openFolder(path));
      requireSameOwner(tree, own, path);
    }
    let common = own;
    const shared = textOf(own, name("commondir"), linkBytesMax)?.trim();
    if (shared !== undefined) {
      path = realPath(resolve(path, shared));
      common = keep(openFolder(path));
      requireSameOwner(tree, common, path);
    }
    requirePlain(common);
    const { uid, gid } = common.stats();
    return {
      ...{ own, common, path, owner: { uid, gid } },
      format: /^\s*objectformat\s*=\s*"?sha256/im.test(configOf(common)) ? "sha256" : "sha1",
      isSparse: lookBelow(own, "info/sparse-checkout") !== null,
      [Symbol.dispose]: close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (cause) {
    throw new Unreadable(`its .git leads to ${path.slice(0, 200)}, which is not there`, { cause });
  }
}

function requireSameOwner(tree: OpenFolder, folder: OpenFolder, path: string): void {
  if (folder.stats().uid === tree.stats().uid) return;
  throw new Unreadable(`its .git leads to ${path.slice(0, 200)}, which is another account's`);
}

/** What is reached through links, and what git would take for another repository, is left alone. */
function requirePlain(common: OpenFolder): void {
  for (const part of ["objects", "refs"]) {
    if (common.look(name(part))?.isDirectory() !== true) {
      throw new Unreadable(`its .git has no folder ${part} of its own`);
    }
  }
  if (common.look(name("reftable")) !== null) {
    throw new Unreadable("its refs are kept as a reftable, which is not read");
  }
  if (common.look(name(".git")) !== null) throw new Unreadable("its .git holds a .git");
  for (const file of [
    "config",
    "config.worktree",
    "packed-refs",
    "shallow",
    "objects/info/alternates",
  ]) {
    // Git opens these without looking, and would wait on a pipe.
    if (lookBelow(common, file)?.isFile() === false) throw new Unreadable(`its ${file} is no file`);
  }
}

const configOf = (common: OpenFolder) => textOf(common, name("config"), 262_144) ?? "";

/** A regular file of up to `max` bytes, one byte per character; null where there is none. */
export function textOf(folder: OpenFolder, file: BytePath, max: number): string | null {
  if (folder.look(file)?.isFile() !== true) return null;
  return folder.read(file, max)?.content.toString("latin1") ?? null;
}

function textBelow(folder: OpenFolder, path: BytePath, max: number): string | null {
  try {
    return within(folder, folderOf(path), (at) => textOf(at, nameOf(path), max));
  } catch (error) {
    if (error instanceof Unreadable) return null;
    throw error;
  }
}

function lookBelow(folder: OpenFolder, path: string) {
  const whole = name(path);
  try {
    return within(folder, folderOf(whole), (at) => at.look(nameOf(whole)));
  } catch (error) {
    if (error instanceof Unreadable) return null;
    throw error;
  }
}

const linksMax = 5;

/** `Unreadable` for a HEAD that is neither a branch nor a commit. */
export function readHead(git: GitFolder): Head {
  const text = textOf(git.own, name("HEAD"), linkBytesMax)?.trimEnd() ?? "";
  const target = refIn(text);
  if (target === null && !isId(text)) throw new Unreadable("its HEAD is neither branch nor commit");
  const branch = target?.startsWith("refs/heads/") ? shownRef(target.slice(11)) : null;
  let ref = target;
  for (let links = 0; ref !== null && links < linksMax; links++) {
    const value = valueAt(git.common, ref);
    if (value === null) return { branch, id: null };
    ref = refIn(value);
    if (ref === null && isId(value)) return { branch, id: value };
  }
  return { branch, id: isId(text) ? text : null };
}

const shownRef = (ref: string) => {
  const raw = Buffer.from(ref, "latin1");
  return isUtf8(raw) ? raw.toString("utf8") : ref;
};

function isId(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

function refIn(text: string): string | null {
  const ref = /^ref:\s*(refs\/\S.*)$/.exec(text)?.[1]?.trimEnd();
  if (ref === undefined || /[\0-\x20\x7f~^:?*\\[]|\.\.|\/\/|\/$|(^|\/)\.|\.lock(\/|$)/.test(ref)) {
    return null;
  }
  return ref;
}

function valueAt(common: OpenFolder, ref: string): string | null {
  const loose = textBelow(common, fromBytes(toBytes(ref)), linkBytesMax);
  if (loose !== null) return loose.trimEnd();
  const packed = textOf(common, name("packed-refs"), packedBytesMax) ?? "";
  const at = packed.indexOf(` ${ref}\n`);
  return at === -1 ? null : packed.slice(packed.lastIndexOf("\n", at) + 1, at);
}

const remoteRefsMax = 1_000;

/** What its branches were when they were last seen elsewhere: up to these, commits are not here alone. */
export function readRemoteTips(git: GitFolder): ReadonlySet<string> {
  const tips = new Set<string>();
  const packed = textOf(git.common, name("packed-refs"), packedBytesMax) ?? "";
  for (const [, id = ""] of packed.matchAll(/^([0-9a-f]{40,64}) refs\/remotes\//gm)) {
    if (tips.size < remoteRefsMax) tips.add(id);
  }
  const gather = (folder: OpenFolder, depth: number) => {
    for (const each of folder.names(remoteRefsMax) ?? []) {
      const found = folder.look(each);
      if (tips.size >= remoteRefsMax) return;
      if (found?.isDirectory() && depth < 6) {
        using below = folder.folder(each);
        gather(below, depth + 1);
      } else if (found?.isFile()) {
        const id = textOf(folder, each, linkBytesMax)?.trimEnd() ?? "";
        if (isId(id)) tips.add(id);
      }
    }
  };
  if (lookBelow(git.common, "refs/remotes")?.isDirectory()) {
    within(git.common, name("refs/remotes"), (folder) => gather(folder, 0));
  }
  return tips;
}

export const readExcludes = (git: GitFolder) =>
  textBelow(git.common, name("info/exclude"), 262_144);

const underWay: readonly (readonly [string, string])[] = [
  ["MERGE_HEAD", "a merge under way"],
  ["rebase-merge", "a rebase under way"],
  ["rebase-apply", "a rebase or am under way"],
  ["CHERRY_PICK_HEAD", "a cherry-pick under way"],
  ["REVERT_HEAD", "a revert under way"],
  ["BISECT_LOG", "a bisection under way"],
];

/** What whoever died left: locks, by their names, and what was begun and not ended. */
export function readLeftovers(git: GitFolder, branch: string | null): readonly string[] {
  const locks = ["index.lock", "HEAD.lock", "config.lock", "packed-refs.lock", "shallow.lock"];
  if (branch !== null) locks.push(`refs/heads/${branch}.lock`);
  const left = locks.filter(
    (each) => lookBelow(git.own, each) !== null || lookBelow(git.common, each) !== null,
  );
  for (const [file, says] of underWay) {
    if (lookBelow(git.own, file) !== null) left.push(`${says} (${file})`);
  }
  return left;
}
