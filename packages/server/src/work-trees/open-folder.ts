/**
 * Folders of a work tree that somebody else may be changing, by handles and not by paths.
 *
 *   F1. A folder is opened as a folder or not at all, and everything in it is reached through its handle:
 *       no link on the way is followed, whatever is put in a folder's place meanwhile. (Where the system
 *       has no /proc/self/fd, paths are used, and where they lead is looked at again afterwards.)
 *   F2. Only regular files are opened, without waiting, and read up to a bound. Links are read as links;
 *       pipes, sockets and devices are never opened.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  opendirSync,
  openSync,
  readlinkSync,
  readSync,
  realpathSync,
  type Stats,
} from "node:fs";
import { type BytePath, partsOf, toBytes } from "./byte-path.ts";

/** It is not there any more, or not what it was: a link, a pipe, closed to us. */
export class Unreadable extends Error {
  override readonly name = "Unreadable";
}

export interface OpenFolder extends Disposable {
  /** Its own handle, which a child process reaches under `/proc/<our pid>/fd/`; null where there is none. */
  readonly handle: number | null;
  /** In the order of their bytes; null when there are more than `max`. */
  names(max: number): readonly BytePath[] | null;
  /** Of the folder. */
  stats(): Stats;
  /** What the system reaches a name in it by: through the handle. */
  at(name: BytePath): Buffer;
  /** Of the thing itself, never of what it links to; null where there is none. */
  look(name: BytePath): Stats | null;
  /** `Unreadable` for anything but a true folder. */
  folder(name: BytePath): OpenFolder;
  /** The whole of a regular file; null when it has more than `max` bytes. `Unreadable`. */
  read(name: BytePath, max: number): FileRead | null;
  readLink(name: BytePath): Buffer;
}

export interface FileRead {
  readonly content: Buffer;
  /** As it was before and after the reading; null when it changed meanwhile. */
  readonly stats: Stats | null;
}

const hasHandles = existsSync("/proc/self/fd");
const asFolder = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const asFile = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** `path` itself may lead through links: it is whoever asks that names it. */
export function openFolder(path: string): OpenFolder {
  return open(attempt(() => realpathSync(path, "buffer")));
}

function open(path: Buffer): OpenFolder {
  const handle = attempt(() => openSync(path, asFolder));
  const base = hasHandles ? Buffer.from(`/proc/self/fd/${handle}/`) : withSlash(path);
  const at = (name: BytePath) => Buffer.concat([base, toBytes(name)]);
  /** Without handles: a folder above may have become a link. */
  const stillHere = () => {
    if (!hasHandles && !realpathSync(path, "buffer").equals(path)) throw new Unreadable("moved");
  };
  return {
    handle: hasHandles ? handle : null,
    names(max) {
      const names: BytePath[] = [];
      const listing = attempt(() => opendirSync(base, { encoding: "latin1", bufferSize: 512 }));
      try {
        for (let entry = listing.readSync(); entry !== null; entry = listing.readSync()) {
          if (names.length >= max) return null;
          names.push(entry.name as BytePath);
        }
      } finally {
        listing.closeSync();
      }
      stillHere();
      return names.sort();
    },
    stats: () => fstatSync(handle),
    at,
    look(name) {
      const found = attempt(() => lstatSync(at(name), { throwIfNoEntry: false }));
      return found ?? null;
    },
    folder(name) {
      const below = open(at(name));
      stillHere();
      return below;
    },
    read(name, max) {
      const file = attempt(() => openSync(at(name), asFile));
      try {
        stillHere();
        return readWhole(file, max);
      } finally {
        closeSync(file);
      }
    },
    readLink: (name) => attempt(() => readlinkSync(at(name), "buffer")),
    [Symbol.dispose]: () => closeSync(handle),
  };
}

function withSlash(path: Buffer): Buffer {
  return Buffer.concat([path, Buffer.from("/")]);
}

const chunkBytes = 1_048_576;

function readWhole(file: number, max: number): FileRead | null {
  const before = fstatSync(file);
  if (!before.isFile()) throw new Unreadable("it is no regular file");
  if (before.size > max) return null;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for (;;) {
    // One byte more than there should be: a file that grows is noticed.
    const room = Math.min(chunkBytes, Math.max(before.size - bytes, 0) + 1);
    const chunk = Buffer.allocUnsafe(room);
    const read = attempt(() => readSync(file, chunk, 0, room, null));
    if (read === 0) break;
    bytes += read;
    if (bytes > max) return null;
    chunks.push(chunk.subarray(0, read));
  }
  const content = chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks);
  const after = fstatSync(file);
  const same =
    after.mtimeMs === before.mtimeMs && after.ctimeMs === before.ctimeMs && bytes === after.size;
  return { content, stats: same ? after : null };
}

/** What the system refuses is a finding about the tree, not a failure of ours: `Unreadable`. */
export function attempt<T>(act: () => T): T {
  try {
    return act();
  } catch (cause) {
    const { code = "" } = cause as NodeJS.ErrnoException;
    throw new Unreadable(reasons[code] ?? code, { cause });
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "it is gone",
  ENOTDIR: "it is no folder",
  ELOOP: "it is a link",
  EACCES: "it is closed to this account",
  EPERM: "it is closed to this account",
  ENXIO: "it is no regular file",
  ENAMETOOLONG: "its name is too long",
  EIO: "its disk does not answer",
  ENOTEMPTY: "a folder that holds something stands there",
  EEXIST: "something stands there",
  EISDIR: "a folder stands there",
  ENOSPC: "its disk is full",
  EROFS: "its disk takes no writes",
};

/** The folder at `path` below `root`, handed to `act`, and closed again. */
export function within<T>(root: OpenFolder, path: BytePath, act: (folder: OpenFolder) => T): T {
  const opened: OpenFolder[] = [];
  try {
    let at = root;
    for (const part of partsOf(path)) {
      at = at.folder(part);
      opened.push(at);
    }
    return act(at);
  } finally {
    for (const each of opened.reverse()) each[Symbol.dispose]();
  }
}
