/** What was rolled back is refused until its incident is closed or an operator lifts the bar. */
import type { IncidentId, RepositoryName } from "../../ids.ts";

export interface Bar {
  readonly id: string;
  readonly repository: RepositoryName;
  /** What was rolled back, and the commit that did it. */
  readonly commit: string;
  readonly revertCommit: string;
  /** Null for a commit whose patch has no id: it is barred by its own id alone. */
  readonly patchId: string | null;
  readonly subject: string;
  readonly incident: IncidentId | null;
  readonly because: string;
  readonly barredBy: string;
  readonly barredAt: Date;
  readonly lifted: { readonly at: Date; readonly by: string; readonly because: string } | null;
}

/** A commit as it is held against the bars. */
export interface Candidate {
  readonly id: string;
  readonly patchId: string | null;
  readonly inversePatchId: string | null;
  /** For a revert of ours: what it takes back. */
  readonly reverted: readonly string[];
}

export interface BarredCommit {
  readonly commit: string;
  readonly bar: Bar;
}

/**
 * Those of the commits, oldest first, that bring back what is barred and that no later one of them takes
 * back again. Only a patch that truly turns round, or a revert of ours, counts as taking back: a message
 * that says so does not.
 */
export function barredOf(
  commits: readonly Candidate[],
  bars: readonly Bar[],
): readonly BarredCommit[] {
  let barred: (BarredCommit & { readonly patchId: string | null })[] = [];
  for (const commit of commits) {
    const { id, patchId, inversePatchId, reverted } = commit;
    barred = barred.filter(
      (each) =>
        !reverted.includes(each.commit) &&
        (inversePatchId === null || each.patchId !== inversePatchId),
    );
    const bar = bars.find((each) => holds(each, commit));
    if (bar !== undefined) barred.push({ commit: id, bar, patchId });
  }
  return barred.map(({ commit, bar }) => ({ commit, bar }));
}

/** The bar of a revert turned round names the revert itself, which is not what is barred. */
function holds(bar: Bar, { id, patchId }: Candidate): boolean {
  if (bar.lifted !== null) return false;
  if (bar.commit === id && bar.commit !== bar.revertCommit) return true;
  return bar.patchId !== null && bar.patchId === patchId;
}

/** One line for people: what is refused, and why. */
export function saysBarred({ commit, bar }: BarredCommit): string {
  const where = bar.incident === null ? "" : ` in ${bar.incident}`;
  return `${commit.slice(0, 12)} brings back what was rolled back${where} ("${bar.subject}"): ${bar.because}`;
}
