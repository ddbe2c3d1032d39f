/**
 * Contrast: how strongly a signal contradicts, after a moment, what it was before it.
 *
 * The level before gives a floor, with the same margin as any measured floor; the evidence is the
 * e-value of what came after against that floor. A moment long before the damage has good samples after
 * it too, which speak against it.
 */
import { floorFrom } from "./baseline.ts";
import { logFloorEvidenceOf } from "./floor.ts";

export interface Level {
  readonly mean: number;
  readonly n: number;
}

export interface Contrast {
  /** An e-value, at most 1e6; 1 says nothing either way. */
  readonly evidence: number;
  readonly before: Level;
  readonly after: Level;
  /** Customer-facing rules of other services that hold: a shared cause would show there too. */
  readonly unaffectedPeers: readonly string[];
  /** Rules of other services that regressed as well. */
  readonly affectedPeers: readonly string[];
}

export const contrastEvidenceMax = 1e6;
const beforeSamplesMin = 20;

interface Sum {
  readonly n: number;
  readonly sum: number;
}

/** The e-value of what came after against the floor that what came before gives. */
export function contrastEvidence(before: Sum, after: Sum, delta: number): number {
  if (before.n < beforeSamplesMin || after.n === 0) return 1;
  const m = floorFrom(before.n, before.sum, delta);
  const log = logFloorEvidenceOf(m, after.sum, after.n - after.sum);
  return Math.min(contrastEvidenceMax, Math.exp(log));
}

export function levelOfSum({ n, sum }: Sum): Level {
  return { n, mean: n === 0 ? 0 : sum / n };
}
