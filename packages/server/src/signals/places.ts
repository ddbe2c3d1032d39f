/**
 * The places in which segments are judged by themselves. Pure.
 *
 *   P1. There are `segmentsMax`. One that was never judged, and fell silent, gives its place to the next that comes:
 *       no alpha was spent on it, and which one goes depends on when samples came and never on what they were.
 */

import type { MeasuredRate } from "./measured-rate.ts";
import { spacingMs } from "./measured-rate.ts";
import { windowSamplesMin } from "./sustain.ts";

export const segmentsMax = 32;

/** How many samples a segment ever had, and when it had the last. */
export interface SeenOf<Line> {
  samples(line: Line): number;
  lastAt(line: Line): number;
}

/** Whoever had its share of the samples would not be silent for so many of them. */
const silentSamples = 20 * segmentsMax;
const silentMsMin = 60_000;

/** P1. Whether one more may be judged, after another gave way where that was needed. `whole`: how often samples come. */
export function makeRoom<Line>(
  segments: Record<string, Line>,
  whole: MeasuredRate,
  at: number,
  seen: SeenOf<Line>,
): boolean {
  let places = 0;
  let silent: string | null = null;
  let last = at - Math.max(silentMsMin, silentSamples * (spacingMs(whole) ?? 0));
  for (const dimension in segments) {
    places += 1;
    const line = segments[dimension];
    if (line === undefined || seen.samples(line) >= windowSamplesMin) continue;
    const lastAt = seen.lastAt(line);
    if (lastAt < last) [silent, last] = [dimension, lastAt];
  }
  if (places < segmentsMax) return true;
  if (silent === null) return false;
  delete segments[silent];
  return true;
}
