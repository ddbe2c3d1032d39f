import type { Commit } from "../git/mirror.ts";

/** What a repository gained while it went bad: revision 0 is the parent, revision i holds `suspects[i - 1]`. */
export interface CommitLine {
  /** Null where the first suspect is a root commit: there is nothing before it to run. */
  readonly base: string | null;
  readonly revisions: readonly string[];
  /** Per revision after the base, the suspected commits that it brought: several for a merge. */
  readonly suspects: readonly (readonly string[])[];
}

/** A commit that takes an earlier one back. */
export interface Undone {
  readonly commit: string;
  readonly by: string;
}

/**
 * Lays the suspected commits out along the first parents of the newest of them. What came in by a merge
 * stands at the merge. `history` is oldest first and holds everything from the base on; null when none
 * of the suspects is in it.
 *
 * Revisions that hold what was taken back later are left out: they fail of that, and not of what they brought.
 * Their suspects stand at the revision that took it back.
 */
export function lineOf(
  history: readonly Commit[],
  suspected: ReadonlySet<string>,
  undone: readonly Undone[] = [],
): CommitLine | null {
  const byId = new Map(history.map((commit) => [commit.id, commit]));
  const backs = new Set(undone.map(({ by }) => by));
  if (!history.some(({ id }) => suspected.has(id))) return null;
  const newest = history.findLast(({ id }) => suspected.has(id) || backs.has(id));
  if (newest === undefined) return null;
  const chain: Commit[] = [];
  for (let at: Commit | undefined = newest; at !== undefined; at = byId.get(at.parents[0] ?? "")) {
    chain.unshift(at);
  }
  const brought = broughtBy(chain, byId);
  const broughtSuspects = chain.map(({ id }) =>
    (brought.get(id) ?? []).filter((each) => suspected.has(each)),
  );
  const spoilt = spoiltIn(chain, brought, undone);
  const held: { revision: string; suspects: readonly string[] }[] = [];
  let waiting: readonly string[] = [];
  for (const [index, { id }] of chain.entries()) {
    waiting = [...waiting, ...(broughtSuspects[index] ?? [])];
    if (spoilt(index) || waiting.length === 0) continue;
    held.push({ revision: id, suspects: waiting });
    waiting = [];
  }
  const first = broughtSuspects.findIndex((suspects) => suspects.length > 0);
  return {
    base: baseOf(chain, first, spoilt),
    revisions: held.map(({ revision }) => revision),
    suspects: held.map(({ suspects }) => suspects),
  };
}

type Spoilt = (index: number) => boolean;

/** Whether the revision at an index holds what a later one took back; -1 is what was before the chain. */
function spoiltIn(
  chain: readonly Commit[],
  brought: ReadonlyMap<string, readonly string[]>,
  undone: readonly Undone[],
): Spoilt {
  const placeOf = (commit: string) =>
    chain.findIndex(({ id }) => brought.get(id)?.includes(commit) === true);
  const spans = undone
    .map(({ commit, by }) => ({ from: placeOf(commit), until: placeOf(by) }))
    .filter(({ until }) => until >= 0);
  return (index) => spans.some(({ from, until }) => index >= from && index < until);
}

/** The newest revision before the first suspect that is not spoilt; null where there is none. */
function baseOf(chain: readonly Commit[], first: number, spoilt: Spoilt): string | null {
  for (let index = first - 1; index >= -1; index--) {
    if (!spoilt(index)) return chain[index + 1]?.parents[0] ?? null;
  }
  return null;
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
