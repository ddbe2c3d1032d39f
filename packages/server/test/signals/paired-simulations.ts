/** Worlds with two releases and a known truth: shared by the tests and the longer table. */
import { logFloorEvidence, newFloor, observeFloor } from "../../src/signals/floor.ts";
import {
  addToPair,
  newPairing,
  pairFloor,
  pairFractions,
  pairScore,
} from "../../src/signals/paired.ts";
import { type Arms, convictedAfter, type Play, type Truth } from "../../src/signals/simulate.ts";

export interface Trials {
  readonly runs: number;
  /** Samples of the candidate. */
  readonly horizon: number;
}

/**
 * The evidence alone, of a control sample for each of the candidate's, with delta 0: at which sample of the
 * candidate it first reached 20; null where it never did.
 */
export function pairedCrossing(
  { control, candidate }: Arms,
  random: () => number,
  horizon: number,
  limit = Math.log(20),
): number | null {
  const pairing = newPairing();
  const state = newFloor();
  const m = pairFloor(0);
  for (let index = 1; index <= horizon; index++) {
    addToPair(pairing, "control", random() < control ? 1 : 0, null);
    const pair = addToPair(pairing, "candidate", random() < candidate ? 1 : 0, null);
    if (pair === null) continue;
    observeFloor(state, m, pairScore(pair.y), pairFractions);
    if (logFloorEvidence(state) >= limit) return index;
  }
  return null;
}

/** The share of runs in which the evidence alone ever reached 20. */
export function pairedCrossings(
  arms: Arms,
  random: () => number,
  { runs, horizon }: Trials,
): number {
  let crossed = 0;
  for (let run = 0; run < runs; run++) {
    if (pairedCrossing(arms, random, horizon) !== null) crossed += 1;
  }
  return crossed / runs;
}

/** The median number of the candidate's samples until the evidence alone reached 20. */
export function pairedMedian(arms: Arms, random: () => number, { runs, horizon }: Trials): number {
  const found = Array.from(
    { length: runs },
    () => pairedCrossing(arms, random, horizon) ?? Number.POSITIVE_INFINITY,
  ).sort((a, b) => a - b);
  return found[runs >> 1] ?? Number.POSITIVE_INFINITY;
}

/** What a naive rule does: a two-sided test at p < .05 after every pair. */
export function peekingFalseAlarms(
  p: number,
  random: () => number,
  { runs, horizon }: Trials,
): number {
  let alarms = 0;
  for (let run = 0; run < runs; run++) {
    let a = 0;
    let b = 0;
    for (let n = 1; n <= horizon; n++) {
      if (random() < p) a += 1;
      if (random() < p) b += 1;
      const pooled = (a + b) / (2 * n);
      const error = Math.sqrt((2 * pooled * (1 - pooled)) / n);
      if (n < 20 || error === 0 || Math.abs(a - b) / n / error < 1.96) continue;
      alarms += 1;
      break;
    }
  }
  return alarms / runs;
}

/** The share of runs in which the candidate would be rolled back. */
export function convictions(
  truth: Truth,
  random: () => number,
  { runs, ...how }: { readonly runs: number } & Play,
): number {
  let convicted = 0;
  for (let run = 0; run < runs; run++) {
    if (convictedAfter(truth, random, how) !== null) convicted += 1;
  }
  return convicted / runs;
}

/** The median number of the candidate's samples until it is rolled back. */
export function convictionMedian(
  truth: Truth,
  random: () => number,
  { runs, ...how }: { readonly runs: number } & Play,
): number {
  const found = Array.from(
    { length: runs },
    () => convictedAfter(truth, random, how) ?? Number.POSITIVE_INFINITY,
  ).sort((a, b) => a - b);
  return found[runs >> 1] ?? Number.POSITIVE_INFINITY;
}
