/**
 * Saves a work tree as it is: its whole state as a commit in our own repository, written as what differs from
 * the latest save there. What git ignores is left out; so is what could not be read, which stays as it was
 * last saved.
 */
import type { SaveKind, WorkTreeReport } from "@lastgood/sdk";
import { type BytePath, fromText } from "./byte-path.ts";
import { carryCommits, notElsewhere } from "./carry.ts";
import { isFull, isHeavy, nextLink } from "./chain.ts";
import { contentAt } from "./content-at.ts";
import { type FileCommand, importCommit } from "./import-stream.ts";
import {
  type Inspection,
  inspectWorkTree,
  type OpenOptions,
  openWorkTree,
  rememberWorkTree,
  type WorkTree,
} from "./inspect.ts";
import { foundRef, type Keep, latestRef, saveRef, whileAlone } from "./keep.ts";
import { openFolder } from "./open-folder.ts";
import { reportOn } from "./read-work-tree.ts";
import { isOfSession, messageOf, type NewSave, type Save } from "./save.ts";
import { closeChain, collect, filesOf, findSave, forgetSessions } from "./saves.ts";
import type { ScannedFile } from "./scan.ts";
import {
  type Difference,
  differencesBetween,
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
  const { keep } = tree;
  /** What our repository has: the files of its latest save. */
  let written: Written | null = null;

  async function writtenNow(signal: AbortSignal): Promise<Written> {
    const latest = await findSave(keep, latestRef, signal);
    if (latest === null) return { id: null, tree: null, files: new Map() };
    if (written?.id === latest.id) return written;
    return { ...latest, files: await filesOf(keep, latest.tree, signal) };
  }

  async function saveAlone(kind: SaveKind, signal: AbortSignal): Promise<Look> {
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
    const before = tip === null || isFull(tip.link) ? null : tip.id;
    if (tip !== null && before === null) await closeChain(keep, tip, signal);
    const about: NewSave = {
      ...{ session, at, head: head.id, branch: head.branch },
      kind: kind === "start" && tip !== null ? "change" : kind,
      carrier: await carrierFor(tree, session, inspection, tip, signal),
      link: nextLink(tip?.link ?? null, bytesIn(changes, scan.files)),
    };
    const files = new Map(had.files);
    const commit = {
      ref: saveRef(session),
      parents: [before, about.carrier].filter((each) => each !== null),
      message: messageOf(about),
      at,
      files: commandsFor(tree, had.tree, changes, files),
    };
    const also = tip === null ? [latestRef, foundRef(session)] : [latestRef];
    const imported = await importCommit(keep, commit, also, signal);
    written = { ...imported, files };
    if (tip === null) await forgetSessions(keep, session, at, signal);
    if (before === null) await collect(keep, { heavy: tip !== null && isHeavy(tip.link) }, signal);
    await rememberWorkTree(tree);
    return { save: { ...about, ...imported }, isNew: true, report };
  }

  return {
    tree,
    session,
    save: (kind, signal) => whileAlone(keep, signal, () => saveAlone(kind, signal)),
  };
}

/** As long as the head stays they are what they were. */
async function carrierFor(
  { keep }: WorkTree,
  session: string,
  { head, commits, remoteTips, at }: Inspection,
  tip: Save | null,
  signal: AbortSignal,
): Promise<string | null> {
  if (head.id === null) return null;
  if (tip?.head === head.id && tip.carrier !== null) return tip.carrier;
  const [last] = commits;
  if (last === undefined) return null;
  const carried = { head: last, commits: notElsewhere(commits, remoteTips) };
  return await carryCommits(keep, session, carried, at, signal);
}

/** `had`: the tree that is there, and `files` its files; they become what the new commit's tree holds. */
function* commandsFor(
  { path: folder, keep, limits }: WorkTree,
  had: string | null,
  changes: readonly Difference[],
  files: Map<BytePath, TreeFile>,
): Generator<FileCommand> {
  const folders = foldersOf(files.keys());
  if (had !== null) yield { kind: "place", path: fromText(""), mode: "040000", id: had };
  for (const { path, after } of changes) {
    if (after !== undefined) continue;
    files.delete(path);
    yield { kind: "delete", path };
  }
  using root = openFolder(folder);
  for (const { path, after } of changes) {
    if (after === undefined) continue;
    const found = contentAt(root, path, keep.format, limits.fileBytesMax);
    if (found === null) continue;
    const { mode, id, content } = found;
    placeFile(files, folders, path, { mode, id });
    yield { kind: "write", path, mode, content };
  }
}

function bounded(
  changes: readonly Difference[],
  files: ReadonlyMap<BytePath, ScannedFile>,
): readonly Difference[] {
  let bytes = 0;
  return changes.filter(({ path }) => {
    bytes += files.get(path)?.bytes ?? 0;
    return bytes <= savedBytesMax;
  });
}

function bytesIn(
  changes: readonly Difference[],
  files: ReadonlyMap<BytePath, ScannedFile>,
): number {
  return changes.reduce((sum, { path }) => sum + (files.get(path)?.bytes ?? 0), 0);
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
