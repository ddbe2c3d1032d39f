/**
 * Takes back what a session edited and did not commit, on the machine where it did. The work tree is saved
 * before and after, so that what is taken back can be taken back as well.
 */
import { relative, resolve, sep } from "node:path";
import { Fault } from "../fault.ts";
import { type BytePath, fromText, shown } from "./byte-path.ts";
import { headFolder } from "./carry.ts";
import { type Inspection, inspectWorkTree, openWorkTree, type WorkTree } from "./inspect.ts";
import { findKeeps, foundRef, type Keep } from "./keep.ts";
import { openFolder } from "./open-folder.ts";
import { type PreparedPutting, prepareSteps } from "./prepare-steps.ts";
import { putFiles } from "./put-back.ts";
import { isOfSession, type Save } from "./save.ts";
import { createSaver } from "./save-work-tree.ts";
import { filesOf, findSave, listSaves } from "./saves.ts";
import type { TreeFiles } from "./tree-files.ts";
import { committedSince, planUndo, type UndoStep, undoTarget } from "./undo-plan.ts";

export interface UndoOptions {
  readonly home: string;
  readonly session: string;
  /** The work tree. Default: the one that was saved for the session on this machine. */
  readonly tree?: string | undefined;
  /** Only these files, and what is below these folders; as of `base`. Default: all. */
  readonly paths?: readonly string[];
  /** What `paths` are relative to. Default: the work tree. */
  readonly base?: string;
  /** A save (or the beginning of its id) to go back to, in place of what the session found. */
  readonly to?: string | undefined;
  /** Also what was edited after the session's last save. */
  readonly evenLater?: boolean;
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
}

export interface UndoneFile {
  readonly path: string;
  readonly what: "put back" | "removed" | "brought back" | "taken out of a later edit";
}

export interface Undone {
  readonly session: string;
  readonly tree: string;
  /** The save that the files went back to. */
  readonly to: string;
  /** When the session's last save was made: what came later is left. */
  readonly lastSavedAt: string;
  readonly files: readonly UndoneFile[];
  readonly left: readonly { readonly path: string; readonly because: string }[];
  /** The save from before it: go back to that to have it all again. Null for a dry run. */
  readonly before: string | null;
}

/** `not_found` for a session that was not saved here; `bad_input` for what is not in its work tree. */
export async function undoSession(options: UndoOptions): Promise<Undone> {
  const { session, home, dryRun = false, evenLater = false } = options;
  const signal = options.signal ?? AbortSignal.timeout(300_000);
  const path = await treeOf(options);
  const tree = await openWorkTree(path, { home });
  const saves = await savesOf(tree.keep, session, signal);
  const to = options.to === undefined ? null : findAmong(saves.all, options.to);
  const paths = (options.paths ?? []).map((each) => pathIn(tree.path, options.base, each));
  const saver = createSaver(tree, session);
  const before = dryRun ? null : (await saver.save("before-undo", signal)).save;
  const inspection = await inspectWorkTree(tree, signal);
  const steps = await plan(tree, inspection, { ...saves, to }, { paths, evenLater }, signal);
  const { puttings, left } = await prepareSteps(tree, [tree.keep], steps, signal);
  let notPut: readonly { path: BytePath; because: string }[] = [];
  if (!dryRun) {
    using root = openFolder(tree.path);
    notPut = putFiles(root, puttings, tree.keep.format);
    await saver.save("undone", signal);
  }
  const failed = new Set(notPut.map((each) => each.path));
  return {
    ...{ session, tree: tree.path },
    to: (to ?? saves.first).id,
    lastSavedAt: saves.last.at.toISOString(),
    files: puttings.filter((each) => !failed.has(each.path)).map(undoneFile),
    left: [...left, ...notPut].map((each) => ({ path: shown(each.path), because: each.because })),
    before: before?.id ?? null,
  };
}

async function treeOf({ home, session, tree }: UndoOptions): Promise<string> {
  if (tree !== undefined) return tree;
  const found = await findKeeps(home, session);
  const [only, another] = found;
  if (only === undefined) {
    throw new Fault(
      "not_found",
      `No work tree of ${session} was saved in ${home}: run this on the machine, and as the account, that the agent works with; or name the folder with --tree.`,
    );
  }
  if (another !== undefined) {
    throw new Fault(
      "bad_input",
      `${session} worked in ${found.map((each) => each.tree).join(" and in ")}: name one with --tree.`,
    );
  }
  return only.tree;
}

interface Saves {
  readonly all: readonly Save[];
  /** As the session found the tree. */
  readonly first: Save;
  /** As it left it. */
  readonly last: Save;
  readonly tip: Save;
}

async function savesOf(keep: Keep, session: string, signal: AbortSignal): Promise<Saves> {
  const all = await listSaves(keep, session, signal);
  const first = await findSave(keep, foundRef(session), signal);
  const [tip] = all;
  if (tip === undefined || first === null) {
    throw new Fault(
      "not_found",
      `Nothing of ${session} was saved of this work tree: name another.`,
    );
  }
  return { all, first, tip, last: all.find(isOfSession) ?? first };
}

function findAmong(saves: readonly Save[], beginning: string): Save {
  const found = saves.filter(({ id }) => id.startsWith(beginning));
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  throw new Fault(
    "not_found",
    `${found.length === 0 ? "No save" : "More than one save"} of the session begins with ${beginning.slice(0, 64)}: see \`lastgood work-tree saves\`.`,
  );
}

function pathIn(tree: string, base: string | undefined, path: string): BytePath {
  const whole = resolve(base ?? tree, path);
  const below = relative(tree, whole);
  if (below === ".." || below.startsWith(`..${sep}`)) {
    throw new Fault("bad_input", `${path} is not in the work tree ${tree}: name files of it.`, {
      context: { path },
    });
  }
  return fromText(below);
}

async function plan(
  { keep }: WorkTree,
  { scan, base }: Inspection,
  { first, last, tip, to }: Saves & { readonly to: Save | null },
  chosen: { readonly paths: readonly BytePath[]; readonly evenLater: boolean },
  signal: AbortSignal,
): Promise<readonly UndoStep[]> {
  const files = (save: Save) => filesOf(keep, save.tree, signal);
  const seen = { now: scan.files, unknown: scan.unknown };
  if (to !== null) {
    const trees = {
      ...seen,
      target: await files(to),
      left: await files(tip),
      committed: new Map(),
    };
    return planUndo(trees, chosen);
  }
  const head = async ({ carrier }: Save): Promise<TreeFiles | null> =>
    carrier === null ? null : await filesOf(keep, `${carrier}:${headFolder}`, signal);
  const headAfter = await head(last);
  const target =
    first.head === last.head
      ? await files(first)
      : undoTarget(await files(first), await head(first), headAfter);
  const committed = committedSince(base, headAfter);
  return planUndo({ ...seen, target, left: await files(last), committed }, chosen);
}

function undoneFile({ path, now, next, isMerge }: PreparedPutting): UndoneFile {
  const name = shown(path);
  if (isMerge) return { path: name, what: "taken out of a later edit" };
  if (next === undefined) return { path: name, what: "removed" };
  return { path: name, what: now === undefined ? "brought back" : "put back" };
}
