/** Judged releases as the API shows them. */
import type { JudgedLine, JudgementDetails, Judgement as Shown } from "@lastgood/sdk";
import type { Query } from "../store/database.ts";
import { busiestOf, busiestShown } from "./left-out.ts";
import type { Judged } from "./release-judge.ts";
import { floorOfLine } from "./release-line.ts";
import { trajectoryOf } from "./release-points.ts";
import type { Stance } from "./release-stance.ts";
import { type FixedFloor, readReleaseFloors, readReleaseVerdicts } from "./release-store.ts";
import type { Trial } from "./release-trial.ts";
import type { ReleaseFloor, ReleaseVerdictKind } from "./release-verdict.ts";
import { shownEvidence } from "./saying.ts";
import { readTrajectory } from "./signals-store.ts";

export function judgementToApi({ trial, verdict, stances }: Judged): Shown | null {
  if (verdict === null) return null;
  const { environment, artifact, candidate, control } = trial.watched;
  return {
    ...{ environment, artifact, candidate, control, prior: trial.watched.prior },
    ...{ since: new Date(trial.since).toISOString(), verdict: verdict.kind, says: verdict.says },
    onset: verdict.onset?.toISOString() ?? null,
    ...{ controlIsWell: verdict.controlIsWell, needsControl: verdict.needsControl },
    ...{ failing: verdict.failing, lines: stances.map(lineToApi) },
    ...{ unscored: trial.unscored, late: trial.late, leftOut: leftOutToApi(trial) },
  };
}

function leftOutToApi({ watched, lines }: Trial): Shown["leftOut"] {
  return watched.guardrails.flatMap(({ signal }) => {
    const left = lines[signal]?.leftOut;
    if (left === undefined || left.samples === 0) return [];
    return [{ signal, samples: left.samples, busiest: busiestOf(left, busiestShown) }];
  });
}

function lineToApi(stance: Stance): JudgedLine {
  const { placed, kind, method, logEvidence, logThreshold, level, against } = stance;
  const { line, guardrail, dimension } = placed;
  return {
    ...{ signal: guardrail.signal, dimension, verdict: kind, method, level, against },
    ...{ evidence: shownEvidence(logEvidence), threshold: shownEvidence(logThreshold) },
    ...{ samples: line.candidate.n, controlSamples: line.control.n, pairs: line.pair.samples },
    floor: floorOfLine(line, guardrail),
    floorFrom: sayReleaseFloor(line.floor),
  };
}

export function sayReleaseFloor(floor: ReleaseFloor | null): string {
  if (floor === null) return "not known when it went live: taken from what it does itself";
  const { origin, of } = floor;
  switch (origin.kind) {
    case "objective":
      return "the objective of the guardrail";
    case "measured":
      return `measured: mean ${share(origin.mean)} of the last ${origin.samples} samples of ${of}, less its margin`;
    case "provisional":
      return `provisional: mean ${share(origin.mean)} of only ${origin.samples} samples of ${of}, less a wide margin`;
    case "none":
      return "not measured";
  }
}

function share(value: number): string {
  return `${(value * 100).toFixed(1)} %`;
}

/** What is recorded of an artifact's candidates, beside what is said of the one that is watched. */
export async function detailsOf(
  db: Query,
  environment: string,
  artifact: string,
  judged: Judged | null,
): Promise<JudgementDetails> {
  // A floor is written with the verdict that it is for, or before: read in this order, none is missing.
  const verdicts = await readReleaseVerdicts(db, environment, artifact);
  const floors = await readReleaseFloors(db, environment, artifact);
  const candidate = judged?.trial.watched.candidate ?? verdicts[0]?.version ?? null;
  const signals = new Set(judged?.trial.watched.guardrails.map(({ signal }) => signal));
  for (const { version, signal } of floors) if (version === candidate) signals.add(signal);
  const trajectory = await Promise.all(
    [...signals].map(async (signal) => {
      if (candidate === null) return [];
      const rule = trajectoryOf({ environment, artifact, candidate }, signal);
      const points = await readTrajectory<ReleaseVerdictKind>(db, rule);
      return points.map(({ rule: _, kind, at, ...point }) => ({
        ...{ ...point, signal, at: at.toISOString(), verdict: kind },
      }));
    }),
  );
  return {
    judgement: judged === null ? null : judgementToApi(judged),
    floors: floors.map(floorToApi),
    verdicts: verdicts.map(({ version, at, kind, says }) => ({
      ...{ version, at: at.toISOString(), verdict: kind, says },
    })),
    trajectory: trajectory.flat(),
  };
}

function floorToApi({ version, signal, dimension, floor }: FixedFloor) {
  return {
    ...{ version, signal, dimension, m: floor.m, from: sayReleaseFloor(floor) },
    at: new Date(floor.at).toISOString(),
  };
}
