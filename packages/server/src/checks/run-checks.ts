/** Runs checks against a release: every case is answered by it, and the answer judged. */
import type { Json } from "../json/canonical.ts";
import {
  type BankCheck,
  type CaseResult,
  type CheckCase,
  type CheckResult,
  cannotTell,
  fails,
  isForeign,
  type Judged,
  resultOf,
} from "./check.ts";
import type { Evaluators } from "./evaluators.ts";
import { inParallel } from "./in-parallel.ts";

/**
 * What a release makes of an input. `failed`: it gave no answer, and that is its fault; `unavailable`: it could
 * not be asked.
 */
export type Answer =
  | { readonly kind: "answered"; readonly output: Json }
  | { readonly kind: "failed"; readonly says: string }
  | { readonly kind: "unavailable"; readonly says: string };

export type Answers = (input: Json, signal: AbortSignal) => Promise<Answer>;

export interface RunOptions {
  readonly evaluators: Evaluators;
  /** How many cases run at once. */
  readonly parallel: number;
  /** Called after each case. */
  readonly progress: (says: string) => void;
  readonly signal: AbortSignal;
}

const answerLettersKept = 1_000;

export async function runChecks(
  checks: readonly BankCheck[],
  answers: Answers,
  options: RunOptions,
): Promise<readonly CheckResult[]> {
  const { evaluators, parallel, progress, signal } = options;
  const liars = await inParallel(checks, parallel, (check) =>
    whyNotBelieved(check, evaluators, signal),
  );
  const cases = checks.flatMap((check) => check.cases.map((each) => ({ check, each })));
  const results = await inParallel(cases, parallel, async ({ check, each }) => {
    const result = await runCase(each, answers, evaluators, signal);
    progress(`${check.name}: ${each.name}`);
    return { check: check.name, result };
  });
  const byCheck = Map.groupBy(results, ({ check }) => check);
  return checks.map((check, index) => {
    const own = byCheck.get(check.name)?.map(({ result }) => result) ?? [];
    return resultOf(check, own, liars[index] ?? null);
  });
}

/** A foreign evaluator is tried once on what must fail; one per check, the first of its kind. */
async function whyNotBelieved(
  { cases, wrong }: BankCheck,
  evaluators: Evaluators,
  signal: AbortSignal,
): Promise<string | null> {
  const foreign = new Map(
    cases
      .filter(({ evaluator }) => isForeign(evaluator))
      .map((each) => [JSON.stringify(each.evaluator), each]),
  );
  for (const { evaluator, input, expected } of foreign.values()) {
    const why = await evaluators.whyNotBelieved(evaluator, { input, expected }, wrong, signal);
    if (why !== null) return why;
  }
  return null;
}

async function runCase(
  { name, input, expected, evaluator }: CheckCase,
  answers: Answers,
  evaluators: Evaluators,
  signal: AbortSignal,
): Promise<CaseResult> {
  const began = performance.now();
  const answer = await answers(input, signal);
  const judged = await judgedOf(answer);
  const { outcome, score, says } = judged;
  return {
    ...{ case: name, outcome, score, says },
    answer:
      answer.kind === "answered" ? JSON.stringify(answer.output).slice(0, answerLettersKept) : "",
    tookMs: Math.round(performance.now() - began),
  };

  async function judgedOf(given: Answer): Promise<Judged> {
    if (given.kind === "failed") return fails(`no answer: ${given.says}`);
    if (given.kind === "unavailable") return cannotTell(`it could not be asked: ${given.says}`);
    const { output } = given;
    return await evaluators.judge(evaluator, { input, expected, output }, signal);
  }
}
