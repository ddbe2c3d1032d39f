/**
 * Where m comes from: the level that a signal is held to.
 *
 * The user's objective where there is one. Otherwise it is measured: the mean of 500 samples minus
 * max(delta, 2 standard errors), fixed from then on. Never the bare mean: an equally good service would
 * fall below it by chance alone.
 *
 * A young service is not left unguarded until its 500th sample. From the 20th on it has a provisional
 * floor, looked at again at 40, 80, 160 and 320 samples: the mean is first drawn towards 1/2 by two
 * imagined successes and two failures (so that 20 out of 20 does not claim perfection), and the margin
 * is max(delta, 3 standard errors). It is wider, because five looks each get a chance to be wrong.
 *
 *   B1. What belongs to a run that may be damage is set aside, and counts only if the run turns out to be
 *       chance; a confirmed regression never lowers the floor that it is measured against.
 *   B2. Failures before the first success are a service that has not come up yet, and are not its level.
 *   B3. Once fixed, a floor changes only when an operator asks to measure it again.
 */
import { floorMax } from "./floor.ts";

export const establishedSamples = 500;
const looks = [20, 40, 80, 160, 320, establishedSamples] as const;

export interface BaselineState {
  n: number;
  sum: number;
  /** B1. Samples set aside while a run is under way. */
  pendingN: number;
  pendingSum: number;
  /** m; null before the 20th sample. */
  floor: number | null;
  fixed: boolean;
  /** Samples and mean that the floor was taken from, and when. */
  fromN: number;
  fromMean: number;
  at: number;
}

/** How m came about: a sentence's worth for people. */
export type FloorOrigin =
  | { readonly kind: "objective" }
  | { readonly kind: "measured" | "provisional"; readonly samples: number; readonly mean: number }
  | { readonly kind: "none"; readonly samples: number };

export function newBaseline(): BaselineState {
  return {
    n: 0,
    sum: 0,
    pendingN: 0,
    pendingSum: 0,
    floor: null,
    fixed: false,
    fromN: 0,
    fromMean: 0,
    at: 0,
  };
}

/** m from a mean of `n` samples: 0 to .999. */
export function floorFrom(n: number, sum: number, delta: number): number {
  const young = n < establishedSamples;
  const mean = young ? (sum + 2) / (n + 4) : sum / n;
  const error = Math.sqrt((mean * (1 - mean)) / (young ? n + 4 : n));
  const margin = Math.max(delta, (young ? 3 : 2) * error);
  return Math.min(floorMax, Math.max(0, mean - margin));
}

/** Takes in one observation. `quiet`: no run that may be damage is under way (B1). */
export function learn(
  state: BaselineState,
  x: number,
  at: number,
  quiet: boolean,
  delta: number,
): void {
  if (state.fixed) return;
  if (state.n === 0 && state.pendingN === 0 && x === 0) return;
  state.pendingN += 1;
  state.pendingSum += x;
  if (!quiet) return;
  const looked = looks.filter((look) => look <= state.n).length;
  state.n += state.pendingN;
  state.sum += state.pendingSum;
  setAside(state);
  if (looks.filter((look) => look <= state.n).length === looked) return;
  state.floor = floorFrom(state.n, state.sum, delta);
  state.fromN = state.n;
  state.fromMean = state.sum / state.n;
  state.at = at;
  state.fixed = state.n >= establishedSamples;
}

/** B1. The run was damage: what was set aside is dropped. */
export function setAside(state: BaselineState): void {
  state.pendingN = 0;
  state.pendingSum = 0;
}

export function originOf(state: BaselineState, objective: number | null): FloorOrigin {
  if (objective !== null) return { kind: "objective" };
  if (state.floor === null) return { kind: "none", samples: state.n };
  return {
    kind: state.fixed ? "measured" : "provisional",
    samples: state.fromN,
    mean: state.fromMean,
  };
}
