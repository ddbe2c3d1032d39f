import { type CheckHistory, chanceOfFault } from "../sandbox/flake.ts";
import type { CheckRun } from "../sandbox/sandbox.ts";

export type Acceptance = { readonly accepted: boolean; readonly because: string };
type Outcome = CheckRun["outcome"];

/** How sure it must be that the bad revision has the fault, and that the good one has not. */
const sureAt = 0.99;

/**
 * A check earns its place by what it showed: red on the bad revision, green on the good one. How much
 * one run says depends on how often the check fails on what is good (`known`): a flaky one is run more often.
 */
export function accept(
  bad: readonly Pick<CheckRun, "outcome">[],
  good: readonly Pick<CheckRun, "outcome">[],
  known: CheckHistory,
): Acceptance {
  const told = `${tally(bad, "bad")} red on the bad revision, ${tally(good, "good")} green on the good one`;
  return { accepted: shows(bad, "bad", known) && shows(good, "good", known), because: told };
}

/** Whether these runs of one revision show that it is `wanted`, beyond what a flaky check shows by chance. */
export function shows(
  runs: readonly Pick<CheckRun, "outcome">[],
  wanted: "bad" | "good",
  known: CheckHistory,
): boolean {
  const seen = { good: count(runs, "good"), bad: count(runs, "bad") };
  const fault = chanceOfFault(seen, known);
  return (wanted === "bad" ? fault : 1 - fault) >= sureAt;
}

function count(runs: readonly Pick<CheckRun, "outcome">[], outcome: Outcome): number {
  return runs.filter((run) => run.outcome === outcome).length;
}

function tally(runs: readonly Pick<CheckRun, "outcome">[], outcome: Outcome): string {
  return `${count(runs, outcome)} of ${runs.length}`;
}
