/**
 * Late onset: did the mean fall below m at some unknown moment, long after all was well?
 *
 * The e-Shiryaev-Roberts statistic starts a new bet at every observation and adds them up:
 * `R <- (R + 1)(1 + lam (m - x))`. While the mean stays at m or above, the number of observations
 * until mean_j R_j >= B is at least B on average: one false alarm per B samples. The e-CUSUM
 * `C <- max(C, 1)(1 + lam (m - x))` forgets what came before the run under way, and so dates it.
 * Source: Shin, Ramdas and Rinaldo, E-detectors, 2023.
 */
import { betFractions, gain, logMeanExp } from "./floor.ts";

/** Mutated in place. Plain numbers only, so that JSON gives it back exactly. */
export interface LateOnsetState {
  /** log R of each stake; far below zero stands for R = 0. */
  readonly logR: number[];
  readonly logC: number[];
  /** When the run of each stake's C began: the time of its first observation, in milliseconds. */
  readonly since: number[];
}

/** Stands for log 0: JSON has no infinity, and exp of it is 0 all the same. */
const logZero = -1e300;

export function newLateOnset(): LateOnsetState {
  return {
    logR: betFractions.map(() => logZero),
    logC: betFractions.map(() => 0),
    since: betFractions.map(() => 0),
  };
}

/** Takes in one observation `x` in [0,1] made at `at`, held to the floor `m` <= .999. */
export function observeLateOnset(
  state: LateOnsetState,
  m: number,
  x: number,
  at: number,
  fractions: readonly number[] = betFractions,
): void {
  const { logR, logC, since } = state;
  for (let j = 0; j < fractions.length; j++) {
    const step = Math.log1p(gain(fractions[j] ?? 0, m, x));
    logR[j] = logOnePlusExp(logR[j] ?? logZero) + step;
    const before = logC[j] ?? 0;
    if (before <= 0) since[j] = at;
    logC[j] = Math.max(before, 0) + step;
  }
}

/** log of mean_j R_j: the alarm is at log B. */
export function logLateOnsetEvidence({ logR }: LateOnsetState): number {
  return logMeanExp(logR);
}

/** The greatest log C: how far the run under way stands out; at most 0 when there is none. */
export function logRun({ logC }: LateOnsetState): number {
  return Math.max(...logC);
}

/**
 * When the run under way began, in milliseconds: the time of its first bad observation, by the stake
 * that gained most. Null when no run is under way.
 */
export function onsetOf({ logC, since }: LateOnsetState): number | null {
  let best = 0;
  let onset: number | null = null;
  for (const [j, value] of logC.entries()) {
    if (value <= best) continue;
    best = value;
    onset = since[j] ?? null;
  }
  return onset;
}

/** log(1 + exp(value)), exact at both ends. */
function logOnePlusExp(value: number): number {
  return value > 0 ? value + Math.log1p(Math.exp(-value)) : Math.log1p(Math.exp(value));
}
