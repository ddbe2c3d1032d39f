/**
 * What the bank says of the release that serves. Pure.
 *
 *   L1. Only what passed before can fail now, and only when what a rollback goes to still passes it: otherwise it
 *       is not this release's doing. What cannot be told is no failure, and is not called well either.
 */
import type { BankCheck, CheckResult } from "../checks/check.ts";

/** The name under which it is a sample of the release. */
export const liveSignal = "checks";

export interface Looked {
  /** Null: it could not be told. */
  readonly ok: boolean | null;
  readonly passed: number;
  readonly checks: number;
  readonly says: string;
  readonly failing: readonly { readonly check: string; readonly why: string }[];
  /** The checks that some live release passed. */
  readonly known: readonly string[];
}

/** As many checks as have no more cases than that together, in the bank's order. */
export function withinCases(bank: readonly BankCheck[], casesMax: number): readonly BankCheck[] {
  let cases = 0;
  return bank.filter((check) => {
    if (cases + check.cases.length > casesMax) return false;
    cases += check.cases.length;
    return true;
  });
}

/** The checks that are asked of the release before: those that fail, and passed before. */
export function suspicious(
  results: readonly CheckResult[],
  known: readonly string[],
): readonly string[] {
  return results
    .filter(({ check, outcome }) => outcome === "failed" && known.includes(check))
    .map(({ check }) => check);
}

/** L1. `prior`: what the release before makes of what is suspicious; null where there is none to ask. */
export function lookedAt(
  results: readonly CheckResult[],
  known: readonly string[],
  prior: readonly CheckResult[] | null,
  { leftOut, faulty }: { readonly leftOut: number; readonly faulty: number },
): Looked {
  const is = (wanted: CheckResult["outcome"]) =>
    results.filter(({ outcome }) => outcome === wanted);
  const [passed, failed, unknown] = [is("passed"), is("failed"), is("cannot-tell")];
  const doubted = suspicious(results, known);
  const before = new Map((prior ?? []).map(({ check, outcome }) => [check, outcome]));
  const worse = doubted.filter((check) => before.get(check) === "passed");
  const open = doubted.filter((check) => (before.get(check) ?? "cannot-tell") === "cannot-tell");
  const ok = worse.length > 0 ? false : open.length + unknown.length + faulty > 0 ? null : true;
  const why = (check: string) => {
    if (worse.includes(check)) return "it passed before, and the release before passes it still";
    if (open.includes(check))
      return "it passed before; whether the release before does is not known";
    if (doubted.includes(check)) return "it passed before, and the release before fails it as well";
    return "it was never seen to pass";
  };
  const says = [
    `${passed.length} of ${results.length} checks passed`,
    ...(worse.length > 0
      ? [`${worse.join(", ")} passed before, and what a rollback goes to passes`]
      : []),
    ...(unknown.length > 0 ? [`${unknown.length} could not be told`] : []),
    ...(faulty > 0 ? [`what may be about it and is no check: ${faulty} of the files`] : []),
    ...(leftOut > 0 ? [`${leftOut} left out: together they have too many cases`] : []),
  ].join("; ");
  const passing = [...new Set([...known, ...passed.map(({ check }) => check)])];
  return {
    ...{ ok, passed: passed.length, checks: results.length, says },
    failing: failed.map(({ check, says: how }) => ({ check, why: `${why(check)}: ${how}` })),
    known: passing,
  };
}
