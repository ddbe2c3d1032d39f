/**
 * What the bank says of the release that serves. Pure.
 *
 *   L1. Only what passed before can fail now, and only when what a rollback goes to still passes it: otherwise it
 *       is not this release's doing. What cannot be told is no failure, and is not called well either.
 *   L2. A look asks no more cases than it may. Where the bank has more, its checks take turns by their names, and
 *       every look asks at least the next; those that failed last, though once passed, are asked again each time,
 *       as far as half of the cases and the next check leave room.
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

export interface Turn {
  readonly asked: readonly BankCheck[];
  /** The last whose turn it was; null: all were asked. */
  readonly after: string | null;
  /** Have more cases than any look may ask. */
  readonly tooLarge: readonly BankCheck[];
}

/** L2. `after`: whose turn it was last; `failing`: what failed last. */
export function turnOf(
  bank: readonly BankCheck[],
  casesMax: number,
  { after, failing }: { readonly after: string | null; readonly failing: readonly string[] },
): Turn {
  const tooLarge = bank.filter((check) => check.cases.length > casesMax);
  const fitting = bank
    .filter((check) => check.cases.length <= casesMax)
    .toSorted((one, other) => (one.name < other.name ? -1 : 1));
  if (casesOf(fitting) <= casesMax) return { asked: fitting, after: null, tooLarge };
  const at = fitting.findIndex(({ name }) => after === null || name > after);
  const queue = [...fitting.slice(Math.max(at, 0)), ...fitting.slice(0, Math.max(at, 0))];
  const next = queue.slice(0, 1);
  const room = Math.min(casesMax / 2, casesMax - casesOf(next));
  const again = firstWithin(
    queue.filter((check) => failing.includes(check.name) && !next.includes(check)),
    room,
  );
  const waiting = queue.filter((check) => !again.includes(check));
  const turn = firstWithin(waiting, casesMax - casesOf(again));
  return { asked: [...again, ...turn], after: turn.at(-1)?.name ?? after, tooLarge };
}

/** As many from the first on as have no more cases than that together. */
function firstWithin(checks: readonly BankCheck[], casesMax: number): readonly BankCheck[] {
  let cases = 0;
  const end = checks.findIndex((check) => {
    cases += check.cases.length;
    return cases > casesMax;
  });
  return end === -1 ? checks : checks.slice(0, end);
}

function casesOf(checks: readonly BankCheck[]): number {
  return checks.reduce((sum, { cases }) => sum + cases.length, 0);
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

export interface Unasked {
  /** Checks whose turn is another time. */
  readonly waiting: number;
  readonly tooLarge: readonly string[];
  readonly faulty: number;
}

/** L1. `prior`: what the release before makes of what is suspicious; null where there is none to ask. */
export function lookedAt(
  results: readonly CheckResult[],
  known: readonly string[],
  prior: readonly CheckResult[] | null,
  { waiting, tooLarge, faulty }: Unasked,
): Looked {
  const is = (wanted: CheckResult["outcome"]) =>
    results.filter(({ outcome }) => outcome === wanted);
  const [passed, failed, unknown] = [is("passed"), is("failed"), is("cannot-tell")];
  const doubted = suspicious(results, known);
  const before = new Map((prior ?? []).map(({ check, outcome }) => [check, outcome]));
  const worse = doubted.filter((check) => before.get(check) === "passed");
  const open = doubted.filter((check) => (before.get(check) ?? "cannot-tell") === "cannot-tell");
  const isOpen = open.length + unknown.length + faulty > 0 || results.length === 0;
  const ok = worse.length > 0 ? false : isOpen ? null : true;
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
    ...(waiting > 0
      ? [`${waiting} others have their turn next: together they have too many cases`]
      : []),
    ...(tooLarge.length > 0
      ? [
          `${tooLarge.slice(0, 5).join(", ")}: more cases than \`live.cases\`, so never asked (${tooLarge.length})`,
        ]
      : []),
  ].join("; ");
  const passing = [...new Set([...known, ...passed.map(({ check }) => check)])];
  return {
    ...{ ok, passed: passed.length, checks: results.length, says },
    failing: failed.map(({ check, says: how }) => ({ check, why: `${why(check)}: ${how}` })),
    known: passing,
  };
}
