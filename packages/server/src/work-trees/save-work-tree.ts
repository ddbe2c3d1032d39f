/**
 * Saves a work tree as it is: its whole state as a commit in our own repository, written as what differs from
 * the latest save there. What git ignores is left out; so is what could not be read, which stays as it was
 * last saved.
 */
import type { SaveKind, WorkTreeReport } from "@lastgood/sdk";
import { type BytePath, folderOf, fromText, nameOf } from "./byte-path.ts";
import { carryCommits, notElsewhere } from "./carry.ts";
import { type FileCommand, importCommit } from "./import-stream.ts";
import {
  type Inspection,
  inspectWorkTree,
  type OpenOptions,
  openWorkTree,
  rememberWorkTree,
  type WorkTree,
} from "./inspect.ts";
import { type Keep, latestRef, saveRef, whileAlone } from "./keep.ts";
import { type OpenFolder, openFolder, Unreadable, within } from "./open-folder.ts";
import { reportOn } from "./read-work-tree.ts";
import { isOfSession, messageOf, type NewSave, type Save } from "./save.ts";
import { filesOf, findSave, forgetOldSaves } from "./saves.ts";
import {
  blobId,
  type Difference,
  differencesBetween,
  type Format,
  foldersOf,
  placeFile,
  type TreeFile,
  type TreeFiles,
} from "./tree-files.ts";

export interface Saver {
  readonly tree: WorkTree;
  readonly session: string;
  /**
   * Looks, and saves if anything differs from the latest save of the session. A `start` is saved in any
   * case, once: what the session finds is what its edits are taken back to.
   */
  save(kind: SaveKind, signal: AbortSignal): Promise<Look>;
}

export interface Look {
  /** The session's latest save. */
  readonly save: Save;
  /** Whether this look made it. */
  readonly isNew: boolean;
  /** The report on what was found. */
  report(): Promise<WorkTreeReport>;
}

/** A commit of our repository, with the files of its tree. */
interface Written {
  readonly id: string | null;
  readonly tree: string | null;
  readonly files: TreeFiles;
}

/** More is left to the next save. */
const savedBytesMax = 536_870_912;

export function createSaver(tree: WorkTree, session: string): Saver {
  /** What our repository has: the files of its latest save. */
  let written: Written | null = null;

  async function writtenNow(signal: AbortSignal): Promise<Written> {
    const latest = await findSave(tree.keep, latestRef, signal);
    if (latest === null) return { id: null, tree: null, files: new Map() };
    if (written?.id === latest.id) return written;
    return { ...latest, files: await filesOf(tree.keep, latest.tree, signal) };
  }

  async function saveAlone(kind: SaveKind, signal: AbortSignal): Promise<Look> {
    const { keep } = tree;
    const inspection = await inspectWorkTree(tree, signal);
    const report = async () => {
      const found = await reportOn(tree, inspection, signal);
      await rememberWorkTree(tree);
      return found;
    };
    const had = await writtenNow(signal);
    const tip = await findSave(keep, saveRef(session), signal);
    const { at, head, scan } = inspection;
    const changes = bounded(differencesBetween(had.files, scan.files, scan.unknown), scan.files);
    const isSame = tip !== null && tip.head === head.id && tip.id === had.id;
    if (isSame && changes.length === 0 && isOfSession({ kind })) {
      return { save: tip, isNew: false, report };
    }
    const about: NewSave = {
      ...{ session, at, head: head.id, branch: head.branch },
      kind: kind === "start" && tip !== null ? "change" : kind,
      carrier: await carrierFor(inspection, tip, signal),
    };
    const files = new Map(had.files);
    const imported = await importCommit(
      keep,
      {
        ref: saveRef(session),
        parents: [tip?.id, about.carrier].filter((each) => typeof each === "string"),
        message: messageOf(about),
        at,
        files: commands(had.tree, changes, files),
      },
      [latestRef],
      signal,
    );
    written = { ...imported, files };
    if (tip === null) await forgetOldSaves(keep, session, at, signal);
    await rememberWorkTree(tree);
    return { save: { ...about, ...imported }, isNew: true, report };
  }

  /** As long as the head stays they are what they were. */
  async function carrierFor(
    { head, commits, remoteTips, at }: Inspection,
    tip: Save | null,
    signal: AbortSignal,
  ): Promise<string | null> {
    if (head.id === null) return null;
    if (tip?.head === head.id && tip.carrier !== null) return tip.carrier;
    const [last] = commits;
    if (last === undefined) return null;
    const carried = { head: last, commits: notElsewhere(commits, remoteTips) };
    return await carryCommits(tree.keep, session, carried, at, signal);
  }

  /** `files` becomes what the commit's tree holds. */
  function* commands(
    had: string | null,
    changes: readonly Difference[],
    files: Map<BytePath, TreeFile>,
  ): Generator<FileCommand> {
    const { keep, limits } = tree;
    const folders = foldersOf(files.keys());
    if (had !== null) yield { kind: "place", path: fromText(""), mode: "040000", id: had };
    for (const { path, after } of changes) {
      if (after !== undefined) continue;
      files.delete(path);
      yield { kind: "delete", path };
    }
    using root = openFolder(tree.path);
    for (const { path, after } of changes) {
      if (after === undefined) continue;
      const found = contentAt(root, path, keep.format, limits.fileBytesMax);
      if (found === null) continue;
      const { mode, id, content } = found;
      placeFile(files, folders, path, { mode, id });
      yield { kind: "write", path, mode, content };
    }
  }

  return {
    tree,
    session,
    save: (kind, signal) => whileAlone(tree.keep, signal, () => saveAlone(kind, signal)),
  };
}

function bounded(
  changes: readonly Difference[],
  files: ReadonlyMap<BytePath, { readonly bytes: number }>,
): readonly Difference[] {
  let bytes = 0;
  return changes.filter(({ path }) => {
    bytes += files.get(path)?.bytes ?? 0;
    return bytes <= savedBytesMax;
  });
}

export interface Content extends TreeFile {
  readonly content: Buffer;
}

/** What is there now; null when it is gone, or is no file and no link any more. */
export function contentAt(
  root: OpenFolder,
  path: BytePath,
  format: Format,
  bytesMax: number,
): Content | null {
  try {
    return within(root, folderOf(path), (folder) => {
      const name = nameOf(path);
      const stats = folder.look(name);
      if (stats?.isSymbolicLink()) {
        const content = folder.readLink(name);
        return { mode: "120000", id: blobId(format, content), content };
      }
      const content = stats?.isFile() ? folder.read(name, bytesMax)?.content : undefined;
      if (stats === null || content === undefined) return null;
      const mode = (stats.mode & 0o100) === 0 ? "100644" : "100755";
      return { mode, id: blobId(format, content), content };
    });
  } catch (error) {
    if (error instanceof Unreadable) return null;
    throw error;
  }
}

export interface SaveOptions extends OpenOptions {
  readonly session: string;
  /** Default `change`. */
  readonly kind?: SaveKind;
  readonly signal?: AbortSignal;
}

/** One save of the work tree at `path`, for those who do not stay. `not_found` for a path that is no folder. */
export async function saveWorkTree(
  path: string,
  options: SaveOptions,
): Promise<Look & { readonly keep: Keep }> {
  const { session, kind = "change", signal = AbortSignal.timeout(150_000) } = options;
  const tree = await openWorkTree(path, options);
  return { ...(await createSaver(tree, session).save(kind, signal)), keep: tree.keep };
}
