/**
 * Names of files as they are: bytes. A path is a text each of whose characters is one byte, so that names that
 * are no UTF-8 survive, and the order of paths is git's.
 */
import { isUtf8 } from "node:buffer";

declare const bytes: unique symbol;

/** Relative, with `/` between its parts. Never shown as it is: see `shown`. */
export type BytePath = string & { readonly [bytes]: true };

export function fromBytes(name: Buffer): BytePath {
  return name.toString("latin1") as BytePath;
}

export function fromText(text: string): BytePath {
  return fromBytes(Buffer.from(text, "utf8"));
}

export function toBytes(path: string): Buffer {
  return Buffer.from(path, "latin1");
}

/** The root's own path is the empty one. */
export function joined(folder: BytePath, name: BytePath): BytePath {
  return (folder === "" ? name : `${folder}/${name}`) as BytePath;
}

export function folderOf(path: BytePath): BytePath {
  return path.slice(0, Math.max(0, path.lastIndexOf("/"))) as BytePath;
}

export function nameOf(path: BytePath): BytePath {
  return path.slice(path.lastIndexOf("/") + 1) as BytePath;
}

export function partsOf(path: BytePath): readonly BytePath[] {
  return (path === "" ? [] : path.split("/")) as BytePath[];
}

/** Whether `path` is `folder` or lies below it. */
export function isWithin(path: string, folder: string): boolean {
  return folder === "" || path === folder || path.startsWith(`${folder}/`);
}

/** For people and JSON: as UTF-8, or, where it is none, with `\xNN` for each byte that is not ASCII. */
export function shown(path: BytePath): string {
  const raw = toBytes(path);
  if (isUtf8(raw)) return raw.toString("utf8");
  return path.replace(
    /[\x80-\xff]/g,
    (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/** As git's stream of commands takes a path: in quotes, whatever bytes it holds. */
export function quoted(path: BytePath): string {
  const escaped = path.replace(/["\\]|[^\x20-\x7e]/g, (byte) =>
    byte === '"' || byte === "\\"
      ? `\\${byte}`
      : `\\${byte.charCodeAt(0).toString(8).padStart(3, "0")}`,
  );
  return `"${escaped}"`;
}

const nameBytesMax = 4_000;

/**
 * Whether a git repository can hold the name. One that some file system takes for `.git` cannot: it would be
 * refused by every repository that checks what it is sent.
 */
export function isHoldable(name: BytePath): boolean {
  if (name.length > nameBytesMax) return false;
  return !name.split("\\").some((part) => looksLikeDotGit(part));
}

function looksLikeDotGit(part: string): boolean {
  // HFS+ leaves some code points out, NTFS trailing dots, spaces and what follows a colon.
  const bare = part
    .replace(ignoredOnHfs, "")
    .replace(/:.*$/s, "")
    .replace(/[ .]+$/, "");
  return /^(\.git|git~1)$/i.test(bare);
}

/** U+200C to U+200F, U+202A to U+202E, U+206A to U+206F and U+FEFF, as bytes of UTF-8. */
const ignoredOnHfs = /\xe2\x80[\x8c-\x8f\xaa-\xae]|\xe2\x81[\xaa-\xaf]|\xef\xbb\xbf/g;
