import type { Commit } from "../git/mirror.ts";

/** What a repository gained while it went bad: revision 0 is the parent, revision i holds `suspects[i - 1]`. */
export interface CommitLine {
  /** Null where the first suspect is a root commit: there is nothing before it to run. */
  readonly base: string | null;
  readonly revisions: readonly string[];
  /** Per revision after the base, the suspected commits that it brought: several for a merge. */
  readonly suspects: readonly (readonly string[])[];
}

/**
 * Lays the suspected commits out along the first parents of the newest of them. What came in by a merge
 * stands at the merge. `history` is oldest first and holds everything from the base on; null when none
 * of the suspects is in it.
 */
export function lineOf(
  history: readonly Commit[],
  suspected: ReadonlySet<string>,
): CommitLine | null {
  const byId = new Map(history.map((commit) => [commit.id, commit]));
  const newest = history.findLast((commit) => suspected.has(commit.id));
  if (newest === undefined) return null;
  const chain: Commit[] = [];
  for (let at: Commit | undefined = newest; at !== undefined; at = byId.get(at.parents[0] ?? "")) {
    chain.unshift(at);
  }
  const brought = broughtBy(chain, byId);
  const held = chain
    .map((commit) => ({
      revision: commit.id,
      suspects: (brought.get(commit.id) ?? []).filter((id) => suspected.has(id)),
    }))
    .filter(({ suspects }) => suspects.length > 0);
  const first = chain.find((commit) => commit.id === held[0]?.revision);
  return {
    base: first?.parents[0] ?? null,
    revisions: held.map(({ revision }) => revision),
    suspects: held.map(({ suspects }) => suspects),
  };
}

/** For each commit of the chain, oldest first: itself and what only it and not its forerunners reach. */
function broughtBy(
  chain: readonly Commit[],
  byId: ReadonlyMap<string, Commit>,
): ReadonlyMap<string, readonly string[]> {
  const seen = new Set<string>();
  const brought = new Map<string, readonly string[]>();
  for (const tip of chain) {
    const mine: string[] = [];
    const queue = [tip.id];
    for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
      const commit = byId.get(id);
      if (commit === undefined || seen.has(id)) continue;
      seen.add(id);
      mine.push(id);
      queue.push(...commit.parents);
    }
    brought.set(tip.id, mine);
  }
  return brought;
}
