import type { CheckRun } from "../sandbox/sandbox.ts";

export type Acceptance = { readonly accepted: boolean; readonly because: string };

/**
 * A check earns its place by what it showed: red on the bad revision, green on the good one. A flaky
 * check may fall over once on the good one; where its runs do not agree, most of them decide.
 */
export function accept(bad: readonly CheckRun[], good: readonly CheckRun[]): Acceptance {
  const red = most(bad, "bad");
  const green = most(good, "good");
  const told = `${tally(bad, "bad")} red on the bad revision, ${tally(good, "good")} green on the good one`;
  return { accepted: red && green, because: told };
}

/** Whether one more run is needed before the runs of one revision decide. */
export function undecided(runs: readonly CheckRun[], wanted: CheckRun["outcome"]): boolean {
  return runs.length < runsMax && !most(runs, wanted);
}

const runsMax = 5;

function most(runs: readonly CheckRun[], outcome: CheckRun["outcome"]): boolean {
  const agreeing = runs.filter((run) => run.outcome === outcome).length;
  return agreeing > runs.length / 2;
}

function tally(runs: readonly CheckRun[], outcome: CheckRun["outcome"]): string {
  return `${runs.filter((run) => run.outcome === outcome).length} of ${runs.length}`;
}
