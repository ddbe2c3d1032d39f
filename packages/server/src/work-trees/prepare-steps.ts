/** Finds the contents that the steps of a plan put, and merges where both sides edited. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BytePath } from "./byte-path.ts";
import { contentAt } from "./content-at.ts";
import { isConverted } from "./converted.ts";
import type { WorkTree } from "./inspect.ts";
import type { Keep } from "./keep.ts";
import { openFolder } from "./open-folder.ts";
import { contentBytesMax, type Putting } from "./put-back.ts";
import { readObjects } from "./read-objects.ts";
import { laterEdit, type UndoStep } from "./undo-plan.ts";

export interface PreparedPutting extends Putting {
  readonly isMerge: boolean;
}

export interface Prepared {
  readonly puttings: readonly PreparedPutting[];
  readonly left: readonly { readonly path: BytePath; readonly because: string }[];
}

export type Repository = Pick<Keep, "git" | "directory">;

/** Contents are looked for in each of `repositories`. */
export async function prepareSteps(
  tree: WorkTree,
  repositories: readonly Repository[],
  steps: readonly UndoStep[],
  signal: AbortSignal,
): Promise<Prepared> {
  const left: { path: BytePath; because: string }[] = [];
  const puttings: PreparedPutting[] = [];
  const blobs = await contentsFor(steps, repositories, signal);
  for (const step of steps) {
    const { path, target, now } = step;
    if (step.kind === "leave") left.push({ path, because: step.because });
    else if (step.kind === "put") {
      const content = target === undefined ? undefined : blobs.get(target.id);
      if (target !== undefined && content === undefined) {
        left.push({ path, because: "its content is not kept" });
        continue;
      }
      const had = step.left === undefined ? undefined : blobs.get(step.left.id);
      // Only git writes it otherwise than it keeps it: it is what it shall be.
      if (had !== undefined && content !== undefined && isConverted(had, content)) continue;
      const next = target && content && { mode: target.mode, content };
      puttings.push({ path, now, next, isMerge: false });
    } else {
      const merged = await merge(tree, step, blobs, signal);
      if (merged === null) left.push({ path, because: laterEdit });
      else puttings.push({ path, now, next: merged, isMerge: true });
    }
  }
  return { puttings, left };
}

async function contentsFor(
  steps: readonly UndoStep[],
  repositories: readonly Repository[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Buffer>> {
  const wanted = new Set<string>();
  for (const { kind, target, left } of steps) {
    if (kind !== "leave" && target !== undefined) wanted.add(target.id);
    if (kind !== "leave" && target !== undefined && left !== undefined) wanted.add(left.id);
  }
  const contents = new Map<string, Buffer>();
  for (const repository of repositories) {
    const missing = [...wanted].filter((id) => !contents.has(id));
    const found = await readObjects(repository, "blob", missing, contentBytesMax, signal);
    for (const [id, content] of found) contents.set(id, content);
  }
  return contents;
}

/** The later edit without the one that is taken back; null where the two touch the same lines. */
async function merge(
  { keep, path: root }: WorkTree,
  { path, target, left, now }: UndoStep,
  blobs: ReadonlyMap<string, Buffer>,
  signal: AbortSignal,
): Promise<Putting["next"] | null> {
  const [theirs, base] = [blobs.get(target?.id ?? ""), blobs.get(left?.id ?? "")];
  using folder = openFolder(root);
  const ours = contentAt(folder, path, keep.format, contentBytesMax);
  if (theirs === undefined || base === undefined || ours === null || ours.id !== now?.id)
    return null;
  const aside = await mkdtemp(join(keep.directory, "lastgood/merge-"));
  try {
    const names = ["ours", "base", "theirs"].map((each) => join(aside, each));
    const contents = [ours.content, base, theirs];
    await Promise.all(names.map((name, index) => writeFile(name, contents[index] ?? "")));
    const args = ["merge-file", "-p", "-q", ...names];
    // The number of conflicts, or 255 for what is no text.
    const answers = Array.from({ length: 256 }, (_, code) => code);
    const answer = await keep.git.run(args, { directory: keep.directory, signal, answers });
    return answer.code === 0 ? { mode: ours.mode, content: answer.stdout } : null;
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}
