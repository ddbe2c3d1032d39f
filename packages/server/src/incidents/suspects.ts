/**
 * Which change did it: every change that could reach what fails and was live before it failed, weighed
 * by its evidence, with "none of them" as a hypothesis of its own.
 *
 *     score(c)    = prior × contrast × scope × time × rerun
 *     score(none) = .3 × common cause
 *
 *   S1. Posteriors are the scores over their sum: they add up to 1, `none` included.
 *   S2. What has no path to the failing service, or went live after the onset, scores nothing.
 *   S3. No factor but time and scope is unbounded by evidence: contrast and rerun lie in [1/99, 99], so
 *       one kind of evidence alone never outweighs two of the other side.
 *   S4. Time is never a witness.
 */
import type { NoneOfThem, SuspectFactors, Witness } from "@lastgood/sdk";
import type { ChangeId } from "../ids.ts";

export const priorOfAll = 0.7;
export const priorOfNone = 0.3;
export const factorMax = 99;
export const witnessAt = 20;
export const reportersNeeded = 3;
/** Under a shared cause a non-carrier shows the signature this many times likelier than by coincidence. */
const commonCausePerPeer = 20;
const peersCounted = 3;
const timePerBin = 0.9;
const binsMinutes = [1, 2, 4, 8, 16, 32] as const;

/** What is known of one suspect. A null factor says that nothing could be observed: it counts as 1. */
export interface Evidence {
  readonly change: ChangeId;
  readonly exposedAt: Date;
  /** Edges from what was changed to what fails; null without a path. */
  readonly distance: number | null;
  readonly contrast: Observed | null;
  readonly rerun: Observed | null;
  /** Distinct people who reported the failing service since the exposure. */
  readonly reporters: number;
}

export interface Observed {
  /** How many times likelier what was seen is if this change did it than if it did not. */
  readonly factor: number;
  readonly says: string;
}

export interface Case {
  readonly onset: Date;
  /** One probe interval: a sample is dated when it was taken, up to that long after the damage began. */
  readonly slackMs: number;
  readonly evidence: readonly Evidence[];
  /** Services that carry none of the suspects and show the same signature, and how many could have. */
  readonly peersShowing: readonly string[];
  readonly peers: number;
}

export interface Weighed {
  readonly change: ChangeId;
  readonly excluded: string | null;
  readonly factors: SuspectFactors;
  readonly posterior: number;
  readonly witnesses: readonly Witness[];
  readonly observations: readonly string[];
}

export interface Assessment {
  /** Most likely first; the excluded ones last. */
  readonly suspects: readonly Weighed[];
  readonly none: NoneOfThem;
}

export function assess(given: Case): Assessment {
  const excluded = new Map(given.evidence.map((each) => [each.change, exclusion(each, given)]));
  const candidates = given.evidence.filter((each) => excluded.get(each.change) === null);
  const prior = candidates.length === 0 ? 0 : priorOfAll / candidates.length;
  const weighed = given.evidence.map((each) => {
    const because = excluded.get(each.change) ?? null;
    const factors = factorsOf(each, given, because === null ? prior : 0);
    return { each, because, factors, score: because === null ? product(factors) : 0 };
  });
  const commonCause = commonCauseFactor(given.peersShowing.length);
  const scoreOfNone = priorOfNone * commonCause;
  const total = weighed.reduce((sum, { score }) => sum + score, scoreOfNone);
  return {
    suspects: weighed
      .map(({ each, because, factors, score }) => ({
        change: each.change,
        excluded: because,
        factors,
        posterior: score / total,
        witnesses: because === null ? witnessesOf(each) : [],
        observations: observationsOf(each, given),
      }))
      .sort((one, other) => other.posterior - one.posterior),
    none: {
      prior: priorOfNone,
      commonCause,
      posterior: scoreOfNone / total,
      observations: [peersSay(given)],
    },
  };
}

/** 1 where no peer shows it; otherwise 20 for each that does, of which at most three count. */
export function commonCauseFactor(peersShowing: number): number {
  return commonCausePerPeer ** Math.min(Math.max(peersShowing, 0), peersCounted);
}

/** .9 for each of the bounds 1, 2, 4, 8, 16 and 32 minutes that lie between exposure and onset. */
export function timeFactor(exposedAt: Date, onset: Date): number {
  const minutes = (onset.getTime() - exposedAt.getTime()) / 60_000;
  return timePerBin ** binsMinutes.filter((bound) => minutes > bound).length;
}

/**
 * How the suspects' .7 is shared among them by everything but reruns; the rest is none's. What a bisection
 * starts from: contrast may tell it where to look, never that somebody must be guilty.
 */
export function weightsBeforeReruns({ suspects }: Assessment): ReadonlyMap<ChangeId, number> {
  const scores = suspects.map(({ excluded, factors }) =>
    excluded === null ? factors.prior * factors.contrast * factors.scope * factors.time : 0,
  );
  const total = scores.reduce((sum, each) => sum + each, 0);
  return new Map(
    suspects.map(({ change }, index) => [
      change,
      total === 0 ? 0 : (priorOfAll * (scores[index] ?? 0)) / total,
    ]),
  );
}

/** Into [1/99, 99]. */
export function clampFactor(factor: number): number {
  if (Number.isNaN(factor)) return 1;
  return Math.min(factorMax, Math.max(1 / factorMax, factor));
}

/** The kinds of evidence that each speak against the change by themselves. */
export function witnessesOf({
  contrast,
  rerun,
  reporters,
}: Pick<Evidence, "contrast" | "rerun" | "reporters">): readonly Witness[] {
  const witnesses: Witness[] = [];
  if (contrast !== null && contrast.factor >= witnessAt) witnesses.push("contrast");
  if (rerun !== null && rerun.factor >= witnessAt) witnesses.push("rerun");
  if (reporters >= reportersNeeded) witnesses.push("reports");
  return witnesses;
}

function exclusion({ distance, exposedAt }: Evidence, { onset, slackMs }: Case): string | null {
  if (distance === null) return "no declared path leads from it to what fails";
  if (exposedAt.getTime() > onset.getTime() + slackMs) {
    return "went live after it had begun";
  }
  return null;
}

function factorsOf(each: Evidence, { onset }: Case, prior: number): SuspectFactors {
  return {
    prior,
    contrast: clampFactor(each.contrast?.factor ?? 1),
    scope: each.distance === null ? 0 : 2 / (2 + each.distance),
    time: timeFactor(each.exposedAt, onset),
    rerun: clampFactor(each.rerun?.factor ?? 1),
  };
}

function product({ prior, contrast, scope, time, rerun }: SuspectFactors): number {
  return prior * contrast * scope * time * rerun;
}

function observationsOf(each: Evidence, { onset }: Case): readonly string[] {
  const ageMs = onset.getTime() - each.exposedAt.getTime();
  const lines = [
    ageMs >= 0
      ? `live ${seconds(ageMs)} before it began`
      : `live ${seconds(-ageMs)} after it began, within one probe interval or later`,
  ];
  if (each.distance !== null) {
    lines.push(
      each.distance === 0
        ? "changed the failing service itself"
        : `${each.distance} step${each.distance === 1 ? "" : "s"} away in the declared graph`,
    );
  }
  if (each.contrast !== null) lines.push(each.contrast.says);
  if (each.rerun !== null) lines.push(each.rerun.says);
  if (each.reporters > 0) lines.push(`${each.reporters} people reported the service since`);
  return lines;
}

function peersSay({ peers, peersShowing }: Case): string {
  if (peersShowing.length > 0) {
    return `${peersShowing.join(", ")} carr${peersShowing.length === 1 ? "ies" : "y"} none of the suspects and show${peersShowing.length === 1 ? "s" : ""} the same`;
  }
  return peers === 0
    ? "no service without the suspects to compare with"
    : `${peers} service${peers === 1 ? "" : "s"} without the suspects: none shows it`;
}

function seconds(milliseconds: number): string {
  return milliseconds < 120_000
    ? `${(milliseconds / 1_000).toFixed(1)} s`
    : `${Math.round(milliseconds / 60_000)} min`;
}
