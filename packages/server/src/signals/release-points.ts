/** The trajectory of a candidate: the evidence for what is said of it, point by point. */
import { floorOfLine } from "./release-line.ts";
import type { Stance } from "./release-stance.ts";
import { linesIn, type Trial } from "./release-trial.ts";
import type { ReleaseVerdictKind, Watched } from "./release-verdict.ts";
import { shownEvidence } from "./saying.ts";
import type { Point } from "./signals-store.ts";

/** Where the last point stands. */
export interface PointAt {
  readonly samples: number;
  readonly at: number;
}

const everySamples = 20;
const everyMs = 1_000;

/** The place of the next point, where one is due. */
export function nextPoint(trial: Trial, last: PointAt): PointAt | null {
  let samples = 0;
  for (const { line } of linesIn(trial)) samples += line.candidate.n;
  const isDue = samples - last.samples >= everySamples && trial.lastAt - last.at >= everyMs;
  return isDue || samples < last.samples ? { samples, at: trial.lastAt } : null;
}

export function pointsOf(
  trial: Trial,
  stances: readonly Stance[],
): readonly Point<ReleaseVerdictKind>[] {
  return stances.map(({ placed, kind, logEvidence, logThreshold, level }) => ({
    ...{ rule: trajectoryOf(trial.watched, placed.guardrail.signal), kind, level },
    ...{ dimension: placed.dimension, at: new Date(trial.lastAt) },
    ...{ samples: placed.line.candidate.n, floor: floorOfLine(placed.line, placed.guardrail) },
    evidence: shownEvidence(logEvidence),
    threshold: shownEvidence(logThreshold),
  }));
}

/** Under this name a candidate's trajectories stand: no rule has a `/` in its name. */
export function trajectoryOf(
  { environment, artifact, candidate }: Pick<Watched, "environment" | "artifact" | "candidate">,
  signal: string,
): string {
  return `${environment}/${artifact}:${candidate}/${signal}`;
}
