/**
 * A check and what its cases add up to. Pure.
 *
 *   C1. What cannot be told is neither passed nor failed: a check is failed only where no answer to the open
 *       cases could save it, and passed only where none could spoil it.
 *   C2. An evaluator that lets pass what must fail has told nothing.
 */
import type { Bank, BankCheck, CaseResult, CheckCase, CheckResult, Evaluator } from "@lastgood/sdk";

export type { Bank, BankCheck, CaseResult, CheckCase, CheckResult, Evaluator };

export const casesMax = 2_000;
export const checkBytesMax = 4_194_304;
const resultsKept = 200;

/** What an evaluator says of one answer. */
export interface Judged {
  readonly outcome: CaseResult["outcome"];
  /** From 0 to 1. */
  readonly score: number;
  readonly says: string;
}

export function passes(says = "as expected"): Judged {
  return { outcome: "pass", score: 1, says };
}

export function fails(says: string): Judged {
  return { outcome: "fail", score: 0, says };
}

export function cannotTell(says: string): Judged {
  return { outcome: "cannot-tell", score: 0, says };
}

/** Evaluators that are somebody's program: they are tried on what must fail before they are believed. */
export function isForeign({ kind }: Evaluator): boolean {
  return kind === "command" || kind === "http";
}

/** Evaluators that judge an answer by what it should have been. */
export function needsExpected({ kind }: Evaluator): boolean {
  return kind === "exact" || kind === "numeric";
}

/** With every case, those that did not pass first. `liar`: why its evaluator is not believed; null where it is. */
export function resultOf(
  { name, bank, atLeast, cases }: Pick<BankCheck, "name" | "bank" | "atLeast" | "cases">,
  results: readonly CaseResult[],
  liar: string | null,
): CheckResult {
  const passed = count(results, "pass");
  const open = cases.length - passed - count(results, "fail");
  const outcome = liar === null ? outcomeOf(passed, open, cases.length, atLeast) : "cannot-tell";
  return {
    ...{ check: name, bank, outcome, passed, cases: cases.length },
    says: liar ?? sayResults(passed, open, cases.length, atLeast, results),
    results: worstFirst(results),
  };
}

/** As it is kept and shown: whoever compares two releases case by case needs them whole. */
export function kept(result: CheckResult): CheckResult {
  return { ...result, results: result.results.slice(0, resultsKept) };
}

/** C1. */
function outcomeOf(
  passed: number,
  open: number,
  all: number,
  atLeast: number,
): CheckResult["outcome"] {
  // Shares such as 0.8 of 5 are not exact in binary.
  const wanted = atLeast * all - 1e-9;
  if (passed >= wanted) return "passed";
  return passed + open < wanted ? "failed" : "cannot-tell";
}

function sayResults(
  passed: number,
  open: number,
  all: number,
  atLeast: number,
  results: readonly CaseResult[],
): string {
  const wanted = atLeast < 1 ? ` (${atLeast} of them are enough)` : "";
  const unknown = open > 0 ? `, ${open} could not be told` : "";
  const [first] = worstFirst(results).filter(({ outcome }) => outcome !== "pass");
  const example = first === undefined ? "" : `; ${first.case}: ${first.says}`;
  return `${passed} of ${all} cases passed${wanted}${unknown}${example}`;
}

const order: readonly CaseResult["outcome"][] = ["fail", "cannot-tell", "pass"];

function worstFirst(results: readonly CaseResult[]): readonly CaseResult[] {
  return results.toSorted(
    (one, other) => order.indexOf(one.outcome) - order.indexOf(other.outcome),
  );
}

function count(results: readonly CaseResult[], wanted: CaseResult["outcome"]): number {
  return results.filter(({ outcome }) => outcome === wanted).length;
}
