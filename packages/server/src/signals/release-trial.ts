/**
 * A candidate under watch: a line for each guardrail, and for each segment of it. Pure; the state is plain JSON.
 *
 *   T1. Some segments of a guardrail are judged (P1); samples of further ones count for the whole, and are counted.
 *   T2. Alpha is shared by the guardrails, and by the segments that have at least 20 samples.
 *   T3. What cannot be scored, and what comes too late, is counted and judges nothing.
 */
import { passOver } from "./detector.ts";
import { type LeftOut, leftOutOf, noneLeftOut } from "./left-out.ts";
import { makeRoom, type SeenOf } from "./places.ts";
import { forgetControl, type LineState, newLine, observeLine } from "./release-line.ts";
import type { Guardrail, ReleaseFloor, Watched } from "./release-verdict.ts";
import { type Sample, scoreOf } from "./sample.ts";
import { windowSamplesMin } from "./sustain.ts";

export interface Watching {
  readonly whole: LineState;
  readonly segments: Record<string, LineState>;
  /** The candidate's samples whose segment found no place. */
  readonly leftOut: LeftOut;
}

export interface Trial {
  readonly watched: Watched;
  readonly since: number;
  /** What went on being watched before another release was turned beside it, and does again if that one goes. */
  readonly aside: SetAside | null;
  /** When the candidate lost the control that served beside it; null while it has one. */
  readonly aloneSince: number | null;
  /** By signal. */
  readonly lines: Record<string, Watching>;
  /** Copies of requests are asked for since then; null: they are not. */
  askedAt: number | null;
  /** Why nobody can be asked; null: somebody can, or was not needed yet. */
  cannotAsk: string | null;
  /** Since when it is tried to ask, in vain. */
  tryingSince: number | null;
  unscored: number;
  late: number;
  lastAt: number;
}

/** A trial that waits, since then, while another release is turned beside its own. */
export interface SetAside {
  readonly trial: Trial;
  readonly since: number;
}

const lateAfterMs = 300_000;

/** The floor that a guardrail's scores, or those of one segment, are held to; null: not known. */
export type FloorFor = (guardrail: Guardrail, dimension: string | null) => ReleaseFloor | null;

export function newTrial(watched: Watched, floorFor: FloorFor, now: number): Trial {
  return {
    ...{ watched, since: now, aside: null },
    aloneSince: watched.control === null ? now : null,
    lines: linesOf(watched.guardrails, floorFor),
    ...{ askedAt: null, cannotAsk: null, tryingSince: null, unscored: 0, late: 0, lastAt: 0 },
  };
}

function linesOf(guardrails: readonly Guardrail[], floorFor: FloorFor): Trial["lines"] {
  return Object.fromEntries(
    guardrails.map((each) => [
      each.signal,
      { whole: newLine(floorFor(each, null)), segments: {}, leftOut: noneLeftOut() },
    ]),
  );
}

/**
 * The control does not serve any more: the candidate is held to its floor from now on, which is taken anew from
 * what the control did at last. What was compared before is over.
 */
export function goOnAlone(trial: Trial, watched: Watched, floorFor: FloorFor, now: number): Trial {
  return {
    ...newTrial(watched, floorFor, now),
    ...{ since: trial.since, unscored: trial.unscored, late: trial.late, lastAt: trial.lastAt },
  };
}

/** Another release is turned beside what was watched on this dial: that waits, as it is. */
export function besideWhatServed(trial: Trial, before: Trial, now: number): Trial {
  const { watched, aside } = before;
  if (watched.candidate === trial.watched.candidate) return { ...trial, aside };
  if (watched.candidate !== trial.watched.control) return trial;
  const nobodyAsked = { askedAt: null, cannotAsk: null, tryingSince: null };
  return { ...trial, aside: { trial: { ...before, ...nobodyAsked, aside: null }, since: now } };
}

/** It goes on from where it was set aside, as if no time had passed. */
export function resumed({ trial, since }: SetAside, now: number): Trial {
  for (const { whole, segments } of Object.values(trial.lines)) {
    for (const { pair, own, other } of [whole, ...Object.values(segments)]) {
      for (const detector of [pair, own, other]) passOver(detector, now - since);
    }
  }
  return trial;
}

/** Copies of requests are asked for. Where nothing served beside it, only what is compared from now on counts. */
export function beginAsking(trial: Trial, now: number): void {
  trial.askedAt = now;
  trial.cannotAsk = null;
  trial.tryingSince = null;
  if (trial.watched.control !== null) return;
  for (const { line } of linesIn(trial)) forgetControl(line);
}

/** Nobody needs to be asked any more. */
export function stopAsking(trial: Trial): void {
  trial.askedAt = null;
  trial.cannotAsk = null;
  trial.tryingSince = null;
}

/** The version is one of those that are compared. */
export function armOf({ watched }: Trial, version: string): "candidate" | "control" | null {
  if (version === watched.candidate) return "candidate";
  return version === watched.prior ? "control" : null;
}

export type Took = "judged" | "late" | "unjudged";

/** Takes in a sample of one of the two releases. */
export function takeInto(
  trial: Trial,
  arm: "candidate" | "control",
  sample: Sample,
  floorFor: FloorFor,
): Took {
  const guardrail = trial.watched.guardrails.find(({ signal }) => signal === sample.signal);
  const watching = trial.lines[sample.signal];
  if (guardrail === undefined || watching === undefined || sample.hard !== null) return "unjudged";
  const x = scoreOf(sample, guardrail.good ?? null);
  if (x === null) {
    trial.unscored += 1;
    return "unjudged";
  }
  if (sample.at < trial.lastAt - lateAfterMs) {
    trial.late += 1;
    return "late";
  }
  trial.lastAt = Math.max(trial.lastAt, sample.at);
  const observation = { arm, at: sample.at, x, key: sample.key };
  const feeding = { sharers: sharersOf(trial), isAsked: trial.askedAt !== null };
  observeLine(watching.whole, guardrail, observation, feeding);
  if (sample.dimensions === null) return "judged";
  for (const name of guardrail.dimensions) {
    const value = sample.dimensions[name];
    if (value === undefined) continue;
    const dimension = `${name}=${value}`;
    const segment = segmentOf(watching, guardrail, dimension, sample.at, floorFor);
    if (segment !== null) observeLine(segment, guardrail, observation, feeding);
    else if (arm === "candidate") leftOutOf(watching.leftOut, dimension);
  }
  return "judged";
}

/** T1. */
function segmentOf(
  { whole, segments }: Watching,
  guardrail: Guardrail,
  dimension: string,
  at: number,
  floorFor: FloorFor,
): LineState | null {
  const known = segments[dimension];
  if (known !== undefined) return known;
  if (!makeRoom(segments, whole.own.rate, at, seenOfLine)) return null;
  const segment = newLine(floorFor(guardrail, dimension));
  segments[dimension] = segment;
  return segment;
}

const seenOfLine: SeenOf<LineState> = {
  samples: ({ candidate }) => candidate.n,
  lastAt: ({ own, other }) => Math.max(own.lastAt, other.lastAt),
};

/** T2. */
export function sharersOf({ watched, lines }: Trial): number {
  let sharers = watched.guardrails.length;
  for (const signal in lines) {
    const segments = lines[signal]?.segments;
    for (const key in segments) {
      if ((segments[key]?.candidate.n ?? 0) >= windowSamplesMin) sharers += 1;
    }
  }
  return sharers;
}

/** A line with its place: the whole of each guardrail, and the segments that have at least 20 samples. */
export interface Placed {
  readonly guardrail: Guardrail;
  readonly dimension: string | null;
  readonly line: LineState;
}

export function linesIn({ watched, lines }: Trial): readonly Placed[] {
  return watched.guardrails.flatMap((guardrail) => {
    const watching = lines[guardrail.signal];
    if (watching === undefined) return [];
    const segments = Object.entries(watching.segments)
      .filter(([, { candidate }]) => candidate.n >= windowSamplesMin)
      .map(([dimension, line]) => ({ guardrail, dimension, line }));
    return [{ guardrail, dimension: null, line: watching.whole }, ...segments];
  });
}
