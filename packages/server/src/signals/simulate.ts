/**
 * Plays worlds with a known truth against the judge of releases: how soon a bad release would be found, and how
 * often a good one would be rolled back. Pure: the same seed plays the same worlds.
 */
import { floorFrom } from "./baseline.ts";
import { chance } from "./chance.ts";
import { kindOf, newDetector, observe } from "./detector.ts";
import { fleetLevel } from "./fleet-evidence.ts";
import { addToPair, newPairing, pairScore } from "./paired.ts";
import { newLine, ownSettings, pairSettings } from "./release-line.ts";
import { strengthOf } from "./release-stance.ts";
import type { Guardrail } from "./release-verdict.ts";

/** What share of its answers each of two releases has right. */
export interface Arms {
  readonly control: number;
  readonly candidate: number;
}

/** The truth at the candidate's sample of that number. */
export type Truth = (index: number) => Arms;

export interface Play {
  /** Samples of the candidate. */
  readonly horizon: number;
  /** Between two samples of either. */
  readonly everyMs: number;
  /** The candidate's part of them, over 0; 1: nothing serves beside it. Default: .5 */
  readonly share?: number;
  readonly guardrail?: Guardrail;
  /** How many lines share alpha, which is .05 for all of them. Default: 1 */
  readonly sharers?: number;
  /** How many lines the whole fleet compares. Default: 1 */
  readonly compared?: number;
}

export const usualGuardrail: Guardrail = {
  ...{ signal: "simulated", delta: 0.02, objective: null, sustainMs: 2_000, minSamples: 20 },
  dimensions: [],
};

/** After how many of its samples the candidate would be rolled back; null: it never was. */
export function convictedAfter(truth: Truth, random: () => number, play: Play): number | null {
  const { share = 0.5 } = play;
  return share < 1 ? besideControl(truth, random, play, share) : alone(truth, random, play);
}

function besideControl(
  truth: Truth,
  random: () => number,
  play: Play,
  share: number,
): number | null {
  const { horizon, everyMs, guardrail = usualGuardrail, sharers = 1, compared = 1 } = play;
  const line = newLine(null);
  const pairing = newPairing();
  const enough = Math.log(compared / fleetLevel);
  let at = 1e12;
  for (let seen = 1; seen <= horizon; ) {
    at += everyMs;
    const { control, candidate } = truth(seen);
    const isCandidate = random() < share;
    const x = random() < (isCandidate ? candidate : control) ? 1 : 0;
    const pair = addToPair(pairing, isCandidate ? "candidate" : "control", x, null);
    if (pair !== null) {
      const settings = pairSettings(guardrail, line.pair);
      observe(line.pair, settings, { at, x: pairScore(pair.y), key: null }, sharers);
      const isWorse = kindOf(line.pair, settings) === "regression";
      if (isWorse && strengthOf(line, guardrail) >= enough) return seen;
    }
    if (isCandidate) seen += 1;
  }
  return null;
}

/** Held to a floor that 500 samples of the release before gave: below it a person is called. */
function alone(truth: Truth, random: () => number, play: Play): number | null {
  const { horizon, everyMs, guardrail = usualGuardrail, sharers = 1 } = play;
  const { control } = truth(1);
  let sum = 0;
  for (let index = 0; index < floorSamples; index++) if (random() < control) sum += 1;
  const m = guardrail.objective ?? floorFrom(floorSamples, sum, guardrail.delta);
  const line = newLine({ m, origin: { kind: "objective" }, of: null, at: 0 });
  const own = newDetector();
  for (let seen = 1; seen <= horizon; seen++) {
    const settings = ownSettings(line, guardrail, own);
    const x = random() < truth(seen).candidate ? 1 : 0;
    observe(own, settings, { at: 1e12 + seen * everyMs, x, key: null }, sharers);
    if (kindOf(own, settings) === "regression") return seen;
  }
  return null;
}

const floorSamples = 500;

export interface Simulated {
  /** Of `runs` bad releases: how many were found, and after how many of their samples. */
  readonly found: number;
  readonly medianSamples: number | null;
  readonly ninthDecileSamples: number | null;
  /** The median, in seconds of the traffic. */
  readonly medianSeconds: number | null;
  readonly ninthDecileSeconds: number | null;
  /** The share of equally good releases that would be rolled back within the horizon. */
  readonly falseRollbacks: number;
  /** The share that would be rolled back in an outage of 60 of their samples that their control shares. */
  readonly outageRollbacks: number;
}

/** One bad release, one equally good one and one shared outage, `runs` times each. */
export function simulate({
  level,
  to,
  runs,
  seed,
  ...play
}: Play & {
  readonly level: number;
  readonly to: number;
  readonly runs: number;
  readonly seed: number;
}): Simulated {
  const random = chance(seed);
  const times = (truth: Truth) =>
    Array.from({ length: runs }, () => convictedAfter(truth, random, play)).filter(
      (samples) => samples !== null,
    );
  const found = times(() => ({ control: level, candidate: to })).sort((a, b) => a - b);
  const good = { control: level, candidate: level };
  const at = (place: number) => found[Math.ceil(place * runs) - 1] ?? null;
  const seconds = (samples: number | null) =>
    samples === null ? null : (samples * play.everyMs) / 1_000 / (play.share ?? 0.5);
  return {
    ...{ found: found.length / runs, medianSamples: at(0.5), ninthDecileSamples: at(0.9) },
    ...{ medianSeconds: seconds(at(0.5)), ninthDecileSeconds: seconds(at(0.9)) },
    falseRollbacks: times(() => good).length / runs,
    outageRollbacks: times(sharedOutage(level, play.horizon)).length / runs,
  };
}

/** Both give 60 samples at .3, a quarter of the way. */
export function sharedOutage(level: number, horizon: number): Truth {
  const from = Math.floor(horizon / 4);
  return (index) =>
    index < from || index >= from + 60
      ? { control: level, candidate: level }
      : { control: 0.3, candidate: 0.3 };
}
