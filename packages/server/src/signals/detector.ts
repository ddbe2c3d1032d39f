/**
 * One detector watches one signal of one service (or one segment of it) and says whether it got worse.
 *
 *     insufficient ──> hold ──> regression ──> hold
 *                        ^  (evidence and sustain and keys, past the grace)   (well again for long enough)
 *
 *   D1. Streaming: the state is bounded whatever the rate, and is plain JSON.
 *   D2. Deterministic: the same observations in the same order give the same states and judgements.
 *   D3. A regression needs evidence, *and* a sustained window below the floor, *and* failures of three
 *       executions, *and* `minSamples`, and begins with a bad sample, never a good one. Missing data can
 *       only take away from these.
 *   D4. The regression ends when as many samples as it took to find it (20 to 200) lie at the floor or
 *       above; the evidence then starts anew, so that old damage never adds to new.
 */
import {
  type BaselineState,
  type FloorOrigin,
  learn,
  newBaseline,
  originOf,
  setAside,
} from "./baseline.ts";
import { countFailure, type FailingKeys, failingSince, newFailingKeys } from "./failing-keys.ts";
import {
  type FloorState,
  floorMax,
  logFloorEvidence,
  newFloor,
  observeFloor,
  reaches,
} from "./floor.ts";
import {
  type LateOnsetState,
  logLateOnsetEvidence,
  logRun,
  newLateOnset,
  observeLateOnset,
  onsetOf,
} from "./late-onset.ts";
import { countSample, leaveOut, type MeasuredRate, newRate, perDay } from "./measured-rate.ts";
import {
  levelSince,
  newSustain,
  observeSustain,
  recentLevel,
  type SustainState,
  sustained,
  windowSamplesMin,
} from "./sustain.ts";

export interface DetectorSettings {
  readonly kind: "floor" | "late-onset";
  /** The user's m; null: it is measured. */
  readonly objective: number | null;
  readonly delta: number;
  readonly alpha: number;
  readonly sustainMs: number;
  readonly minSamples: number;
  readonly fixWithinMs: number;
  /** One false alarm per this many days. */
  readonly falseAlarmDays: number;
  /** The stakes of the bets; the eight of floor.ts where others are not named. */
  readonly fractions?: readonly number[];
  /** An alarm stays until the evidence is started anew: what it says of does not change (D4). */
  readonly lasts?: boolean;
  /** Most observations say nothing: damage that lasts may take a wider window to be seen all over it. */
  readonly widens?: boolean;
}

export interface Observation {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** In [0,1], higher is better. */
  readonly x: number;
  readonly key: string | null;
}

/** D1. What a detector remembers. */
export interface DetectorState {
  baseline: BaselineState;
  rate: MeasuredRate;
  floor: FloorState;
  lateOnset: LateOnsetState;
  sustain: SustainState;
  keys: FailingKeys;
  /** Observations since the evidence last started anew. */
  samples: number;
  lastAt: number;
  /** All conditions but the grace hold since then; 0 when they do not. */
  confirmedAt: number;
  alarm: { at: number; onset: number; clearAfter: number } | null;
}

/** Nobody looked for so long: that is neither silence nor a slower signal. */
export function passOver(state: DetectorState, ms: number): void {
  if (state.lastAt === 0) return;
  state.lastAt += ms;
  leaveOut(state.rate, ms);
}

export type DetectorKind = "insufficient" | "hold" | "regression";

/** What a detector says, with the figures that it says it from. */
export interface Judgement {
  readonly kind: DetectorKind;
  readonly at: number;
  readonly onset: number | null;
  readonly logEvidence: number;
  readonly logThreshold: number;
  readonly floor: number | null;
  readonly origin: FloorOrigin;
  /** The mean since the onset; without one, of the latest window. */
  readonly level: number | null;
  readonly samples: number;
  readonly failingKeys: number;
  /** Set while a confirmed regression waits for its grace to pass. */
  readonly graceUntil: number | null;
}

export const failingKeysMin = 3;
export const falseAlarmSamplesMin = 1_000;
const clearAfterMax = 200;
/** A run this strong may be damage: the baseline waits for its end (B1). */
const logSuspicious = Math.log(20);

export function newDetector(): DetectorState {
  return {
    baseline: newBaseline(),
    rate: newRate(),
    floor: newFloor(),
    lateOnset: newLateOnset(),
    sustain: newSustain(),
    keys: newFailingKeys(),
    samples: 0,
    lastAt: 0,
    confirmedAt: 0,
    alarm: null,
  };
}

/** m as it stands; null while there are too few samples to measure it. */
export function floorOf(state: DetectorState, settings: DetectorSettings): number | null {
  return settings.objective === null
    ? state.baseline.floor
    : Math.min(settings.objective, floorMax);
}

/**
 * Takes in one observation and says what the signal is now. `sharers` is how many detectors share the
 * budget of false alarms: guardrails of one service and segments of one rule.
 */
export function observe(
  state: DetectorState,
  settings: DetectorSettings,
  { at: given, x, key }: Observation,
  sharers: number,
): DetectorKind {
  const at = Math.max(given, state.lastAt);
  state.lastAt = at;
  countSample(state.rate, at);
  const m = floorOf(state, settings);
  if (m === null) {
    learn(state.baseline, x, at, true, settings.delta);
    observeSustain(state.sustain, x, at, settings.sustainMs);
    state.samples += 1;
    return "insufficient";
  }
  if (x < m && !countFailure(state.keys, key, given)) return kindOf(state, settings);
  state.samples += 1;
  observeFloor(state.floor, m, x, settings.fractions);
  observeLateOnset(state.lateOnset, m, x, given, settings.fractions);
  observeSustain(state.sustain, x, at, settings.sustainMs);
  learn(state.baseline, x, at, logRun(state.lateOnset) < logSuspicious, settings.delta);
  if (state.alarm === null) raise(state, settings, { m, x, sharers });
  else if (settings.lasts !== true) clear(state, settings, m);
  return kindOf(state, settings);
}

/** What the detector says now. Reads only. */
export function kindOf(state: DetectorState, settings: DetectorSettings): DetectorKind {
  if (state.alarm !== null) return "regression";
  if (floorOf(state, settings) === null || state.samples < settings.minSamples)
    return "insufficient";
  return "hold";
}

function raise(
  state: DetectorState,
  settings: DetectorSettings,
  { m, x, sharers }: { m: number; x: number; sharers: number },
): void {
  const at = state.lastAt;
  if (!isConfirmed(state, settings, m, sharers)) {
    state.confirmedAt = 0;
    return;
  }
  if (state.confirmedAt === 0) state.confirmedAt = at;
  if (x >= m || at - state.confirmedAt < settings.fixWithinMs) return;
  const onset = onsetOf(state.lateOnset) ?? at;
  const { n } = levelSince(state.sustain, onset);
  state.alarm = {
    at,
    onset,
    clearAfter: Math.min(clearAfterMax, Math.max(windowSamplesMin, n)),
  };
}

/** D3, but for the grace. */
function isConfirmed(
  state: DetectorState,
  settings: DetectorSettings,
  m: number,
  sharers: number,
): boolean {
  if (state.samples < settings.minSamples) return false;
  const bets = settings.kind === "floor" ? state.floor.logK : state.lateOnset.logR;
  if (!reaches(bets, logThresholdOf(state, settings, sharers))) return false;
  const onset = onsetOf(state.lateOnset);
  if (onset === null || failingSince(state.keys, onset) < failingKeysMin) return false;
  return sustained(state.sustain, m, settings.sustainMs, settings.widens) === "below";
}

/** D4. */
function clear(state: DetectorState, settings: DetectorSettings, m: number): void {
  if (state.alarm === null) return;
  const level = recentLevel(state.sustain, state.alarm.clearAfter, settings.sustainMs);
  if (level === null || level.mean < m) return;
  const { samples } = state;
  startAnew(state);
  state.samples = Math.max(samples, settings.minSamples);
}

/**
 * Forgets the evidence gathered so far but not the level that the signal is held to: what comes now is
 * judged by itself.
 */
export function startAnew(state: DetectorState): void {
  setAside(state.baseline);
  state.floor = newFloor();
  state.lateOnset = newLateOnset();
  state.sustain = newSustain();
  state.keys = newFailingKeys();
  state.samples = 0;
  state.confirmedAt = 0;
  state.alarm = null;
}

/** The floor is measured anew from the samples that come now; an operator asks for this. */
export function measureAnew(state: DetectorState): void {
  startAnew(state);
  state.baseline = newBaseline();
}

function logEvidenceOf(state: DetectorState, { kind }: DetectorSettings): number {
  return kind === "floor" ? logFloorEvidence(state.floor) : logLateOnsetEvidence(state.lateOnset);
}

/** B, for one detector alone: at most one false alarm per so many samples on average. */
export function falseAlarmSamples(state: DetectorState, falseAlarmDays: number): number {
  return Math.max(falseAlarmSamplesMin, falseAlarmDays * perDay(state.rate));
}

function logThresholdOf(
  state: DetectorState,
  { kind, alpha, falseAlarmDays }: DetectorSettings,
  sharers: number,
): number {
  const alone = kind === "floor" ? 1 / alpha : falseAlarmSamples(state, falseAlarmDays);
  return Math.log(alone * sharers);
}

export function judgementOf(
  state: DetectorState,
  settings: DetectorSettings,
  sharers: number,
): Judgement {
  const kind = kindOf(state, settings);
  const onset = state.alarm?.onset ?? null;
  const level =
    onset === null
      ? recentLevel(state.sustain, 1, settings.sustainMs)
      : levelSince(state.sustain, onset);
  return {
    kind,
    at: state.lastAt,
    onset,
    logEvidence: logEvidenceOf(state, settings),
    logThreshold: logThresholdOf(state, settings, sharers),
    floor: floorOf(state, settings),
    origin: originOf(state.baseline, settings.objective),
    level: level === null || level.n === 0 ? null : level.mean,
    samples: state.samples,
    failingKeys: failingSince(state.keys, onset ?? onsetOf(state.lateOnset) ?? state.lastAt),
    graceUntil:
      state.confirmedAt === 0 || kind === "regression"
        ? null
        : state.confirmedAt + settings.fixWithinMs,
  };
}
