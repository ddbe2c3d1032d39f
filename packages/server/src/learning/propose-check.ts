/** What check the failures under a release ask for. Pure. */
import type { Evaluator } from "@lastgood/sdk";
import type { BankCheck, CheckCase, CheckResult } from "../checks/check.ts";
import type { Json } from "../json/canonical.ts";

/** Work that was done under a release, with the answer that turned out to be right. */
export interface Done {
  /** Empty: it is not to be told. */
  readonly key: string;
  readonly input: Json;
  /** Null: nobody has told it. */
  readonly expected: Json;
  readonly dimensions: Readonly<Record<string, string>> | null;
}

/** A release that was taken back, and the one that serves instead. */
export interface ReleasePair {
  readonly environment: string;
  readonly artifact: string;
  readonly bad: string;
  readonly good: string;
}

/** As many failures are tried; of those that tell the two releases apart, so many are kept. */
export const triedMax = 120;
const keptMax = 40;
/** From so many cases on, a release may fail some: a good one errs now and then. */
const manyCases = 5;
const enoughOfMany = 0.8;
/** A segment stands out when it holds so much more of the failures than of the work. */
const standsOutBy = 0.3;

/**
 * The segment (`language=de`) in which the failures lie: the one that is named, or the one that holds most more
 * of them than of all work. Null: they lie everywhere, as far as can be seen.
 */
export function segmentOf(
  failing: readonly Done[],
  all: readonly Done[],
  named: string | null,
): string | null {
  const isIn = (segment: string) => (done: Done) => segmentsOf(done).includes(segment);
  if (named !== null && failing.some(isIn(named))) return named;
  const share = (of: readonly Done[], segment: string) =>
    of.length === 0 ? 0 : of.filter(isIn(segment)).length / of.length;
  const ranked = [...new Set(failing.flatMap(segmentsOf))]
    .map((segment) => ({ segment, over: share(failing, segment) - share(all, segment) }))
    .toSorted((one, other) => other.over - one.over);
  const [first] = ranked;
  return first !== undefined && first.over >= standsOutBy ? first.segment : null;
}

function segmentsOf({ dimensions }: Done): readonly string[] {
  return Object.entries(dimensions ?? {}).map(([name, value]) => `${name}=${value}`);
}

/** A case per failure of the segment whose right answer is known, each input once; newest first. */
export function casesOf(
  failing: readonly Done[],
  segment: string | null,
  evaluator: Evaluator,
): readonly CheckCase[] {
  const seen = new Set<string>();
  return failing
    .filter((done) => done.expected !== null)
    .filter((done) => segment === null || segmentsOf(done).includes(segment))
    .flatMap(({ key, input, expected }): readonly CheckCase[] => {
      const text = JSON.stringify(input);
      if (seen.has(text)) return [];
      seen.add(text);
      const name = key === "" ? `case-${seen.size}` : `${seen.size}: ${key}`.slice(0, 200);
      return [{ name, input, expected, evaluator }];
    })
    .slice(0, triedMax);
}

/** Those that the good release passes and the bad one fails, and with them how many must pass. */
export function tellingApart(
  cases: readonly CheckCase[],
  good: CheckResult,
  bad: CheckResult,
): Pick<BankCheck, "cases" | "atLeast"> {
  const outcomes = (result: CheckResult) =>
    new Map(result.results.map((each) => [each.case, each.outcome]));
  const [onGood, onBad] = [outcomes(good), outcomes(bad)];
  const kept = cases
    .filter(({ name }) => onGood.get(name) === "pass" && onBad.get(name) === "fail")
    .slice(0, keptMax);
  return { cases: kept, atLeast: kept.length >= manyCases ? enoughOfMany : 1 };
}

/** `support-router/style-capitals-inc_1mf3k9`: where it lies in the bank. */
export function checkNameFor(artifact: string, segment: string | null, after: string): string {
  const plain = (text: string) =>
    text.replaceAll(/[^\w.-]+/g, "-").replaceAll(/^[^A-Za-z0-9]+/g, "");
  const folder = artifact
    .split("/")
    .map((part) => plain(part) || "x")
    .slice(0, 4)
    .join("/");
  const what = plain(segment ?? "failures").slice(0, 40) || "failures";
  return `${folder}/${what}-${plain(after)}`;
}
