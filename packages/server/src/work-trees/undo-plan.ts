/** What taking a session's edits back means for each file: pure decisions on trees of file ids. */
import { type BytePath, isWithin } from "./byte-path.ts";
import { isSameFile, type TreeFile, type TreeFiles } from "./tree-files.ts";

export interface UndoTrees {
  /** What the files go back to. */
  readonly target: TreeFiles;
  /** As the session left them. */
  readonly left: TreeFiles;
  /** As they are now. */
  readonly now: TreeFiles;
  /** What was committed since the session: an edit that is among it is none that is uncommitted. */
  readonly committed: TreeFiles;
  /** At or below these it is not known what there is now. */
  readonly unknown: readonly BytePath[];
}

export type UndoStep = {
  readonly path: BytePath;
  readonly target: TreeFile | undefined;
  readonly left: TreeFile | undefined;
  readonly now: TreeFile | undefined;
} & (
  | { readonly kind: "put" }
  /** It was edited after the session's last save: of the later edit is kept what does not contradict. */
  | { readonly kind: "merge" }
  | { readonly kind: "leave"; readonly because: string }
);

/** By path. Files that the session did not alter are not among them, nor those that are as they shall be. */
export function planUndo(
  trees: UndoTrees,
  { paths, evenLater }: { readonly paths: readonly BytePath[]; readonly evenLater: boolean },
): readonly UndoStep[] {
  const { target, left, now, committed, unknown } = trees;
  const wanted = (path: BytePath) =>
    paths.length === 0 || paths.some((each) => isWithin(path, each));
  const steps: UndoStep[] = [];
  for (const path of new Set([...left.keys(), ...target.keys()])) {
    const file = { path, target: target.get(path), left: left.get(path), now: now.get(path) };
    if (!wanted(path) || isSameFile(file.target, file.left)) continue;
    if (isSameFile(file.now, file.target)) continue;
    const last = committed.get(path);
    if (last !== undefined && isSameFile(file.now, last)) continue;
    if (unknown.some((each) => isWithin(path, each))) {
      steps.push({ ...file, kind: "leave", because: "what is there now could not be read" });
    } else if (evenLater || isSameFile(file.now, file.left)) steps.push({ ...file, kind: "put" });
    else if (canMerge(file)) steps.push({ ...file, kind: "merge" });
    else steps.push({ ...file, kind: "leave", because: laterEdit });
  }
  return steps.sort((one, other) => (one.path < other.path ? -1 : 1));
}

export const laterEdit = "it was edited after the session's last save";

/** Only of three texts can be said what the later edit added. */
function canMerge({ target, left, now }: Pick<UndoStep, "target" | "left" | "now">): boolean {
  return [target, left, now].every((each) => each?.mode.startsWith("100") === true);
}

/**
 * Where a session's edits go back to: what it found, but for the files that it committed something of. Those
 * go back to what is committed.
 */
export function undoTarget(
  found: TreeFiles,
  headBefore: TreeFiles | null,
  headAfter: TreeFiles | null,
): TreeFiles {
  if (headBefore === null || headAfter === null) return found;
  const target = new Map(found);
  for (const path of new Set([...headBefore.keys(), ...headAfter.keys()])) {
    const after = headAfter.get(path);
    if (isSameFile(headBefore.get(path), after)) continue;
    if (after === undefined) target.delete(path);
    else target.set(path, after);
  }
  return target;
}

/** Of what the last commits have, that which the session's last commit did not have. */
export function committedSince(base: TreeFiles, headAfter: TreeFiles | null): TreeFiles {
  if (headAfter === null) return base;
  return new Map([...base].filter(([path, file]) => !isSameFile(file, headAfter.get(path))));
}
