/**
 * Where a branch holds commits that must not go live yet, its revert goes in under them: what is served is
 * everything else, without what is taken back. They stay on the branch, and wait.
 *
 *     o ── o ── b ── x ── t           x is held back, and t stands on it
 *                \         \
 *                 revert ── merge     the revert is served, the merge is the new tip
 */

import { Fault } from "../../fault.ts";
import type { CodeMirror } from "../../git/bare-mirror.ts";

export interface HeldCommit {
  readonly commit: string;
  readonly because: string;
}

/** Of the commits, oldest first, those that must not go live yet. */
export type HeldBack = (
  repository: string,
  commits: readonly string[],
) => Promise<readonly HeldCommit[]>;

export type Base =
  | { readonly kind: "tip" }
  /** The revert stands on `commit`; `held` wait, and with them what stands on them. */
  | { readonly kind: "under"; readonly commit: string; readonly held: readonly HeldCommit[] }
  | { readonly kind: "none"; readonly because: string };

const commitsMax = 1_000;

/** On which commit a revert of `wanted` stands, so that nothing that is held back goes live with it. */
export async function baseOf(
  mirror: CodeMirror,
  heldBack: HeldBack,
  tip: string,
  wanted: readonly string[],
): Promise<Base> {
  const recent = await mirror.idsBetween(null, tip, commitsMax);
  const held = (await heldBack(mirror.repository, recent)).filter(
    ({ commit }) => !wanted.includes(commit),
  );
  const [oldest] = held;
  if (oldest === undefined) return { kind: "tip" };
  const none = (because: string): Base => ({
    kind: "none",
    because: `${oldest.because}. It cannot be left out of what is served: ${because}`,
  });
  const boundary = (await mirror.commit(oldest.commit)).parents[0];
  if (boundary === undefined) return none("there was nothing before it");
  const range = await mirror.commitsBetween(boundary, tip, commitsMax);
  const base = standsOn(range, boundary, new Set(held.map(({ commit }) => commit)));
  if (base === null) return none("no one commit has all the others");
  for (const commit of wanted) {
    if (await mirror.isAncestor(commit, base)) continue;
    return none(`${commit.slice(0, 12)}, which is to be taken back, was pushed on top of it`);
  }
  return { kind: "under", commit: base, held };
}

/**
 * The commit that has everything but the held ones and what was built on them; null where no single one
 * does. `commits` are those between `boundary` and the tip, oldest first.
 */
export function standsOn(
  commits: readonly { readonly id: string; readonly parents: readonly string[] }[],
  boundary: string,
  held: ReadonlySet<string>,
): string | null {
  const tainted = new Set<string>();
  const has = new Map<string, ReadonlySet<string>>([[boundary, new Set([boundary])]]);
  for (const { id, parents } of commits) {
    if (held.has(id) || parents.some((parent) => tainted.has(parent))) tainted.add(id);
    else has.set(id, new Set([id, ...parents.flatMap((parent) => [...(has.get(parent) ?? [])])]));
  }
  const whole = [...has].find(([, ancestors]) => ancestors.size === has.size);
  return whole?.[0] ?? null;
}

export type Joined =
  | { readonly kind: "joined"; readonly merge: string }
  | { readonly kind: "conflicts"; readonly commit: string; readonly files: readonly string[] };

/** The merge of a revert into the tip. The same question gives the same commit. */
export async function joinOnto(
  mirror: CodeMirror,
  { tip, revert, commits, at }: JoinWish,
  signal: AbortSignal,
): Promise<Joined> {
  const message = `Merge the revert ${revert.slice(0, 12)} under what waits\n\nAgent: lastgood\n`;
  const made = await mirror.computeRevert({ tip, commits, at, message: () => message }, signal);
  if (made.kind === "conflicts") return made;
  const tree = made.kind === "nothing" ? await mirror.treeOf(tip) : made.tree;
  const merge = await mirror.commitJoin({ tip, revert, tree, message, at }, signal);
  return { kind: "joined", merge };
}

export interface JoinWish {
  readonly tip: string;
  readonly revert: string;
  /** What the revert takes back, newest first. */
  readonly commits: readonly string[];
  readonly at: Date;
}

/** Makes the merge again where it is not here any more. `plan_stale` where it comes out as another. */
export async function restoreJoin(
  mirror: CodeMirror,
  merge: string,
  wish: JoinWish,
  signal: AbortSignal,
): Promise<void> {
  if (await mirror.has(merge)) return;
  const made = await joinOnto(mirror, wish, signal);
  if (made.kind === "joined" && made.merge === merge) return await mirror.keep("plans", merge);
  throw new Fault(
    "plan_stale",
    `The merge ${merge.slice(0, 12)} of the revert ${wish.revert.slice(0, 12)} cannot be made again: plan again.`,
  );
}
