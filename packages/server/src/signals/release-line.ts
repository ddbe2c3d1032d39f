/**
 * One signal of a candidate (or of one segment) held against what serves beside it, and against its floor.
 *
 *     candidate ──┬──> own: below its floor?        ┐
 *                 ├──> pair: worse than the other?  ├──> stance
 *     control   ──┴──> other: below the same floor? ┘
 *
 *   N1. A pair says who is to blame; the two floors only say whether all is well.
 *   N2. The first 2,000 observations are the trial, judged by one bet from its beginning (alpha), which lasts for
 *       as long after as that bet is winning. What comes later is judged by the detector of late onset (a number
 *       of samples per false alarm).
 *   N3. Pure, streaming, and the state is plain JSON: the same samples in the same order give the same state.
 */
import { controlSamplesMin } from "./control-gate.ts";
import {
  type DetectorSettings,
  type DetectorState,
  floorOf,
  type Judgement,
  judgementOf,
  newDetector,
  observe,
} from "./detector.ts";
import { floorMax, reaches } from "./floor.ts";
import { type Compared, letGo, type Matching, match, newMatching } from "./matched.ts";
import {
  type Arm,
  addToPair,
  newPairing,
  type Pair,
  type Pairing,
  pairFloor,
  pairFractions,
  pairScore,
} from "./paired.ts";
import type { Guardrail, ReleaseFloor } from "./release-verdict.ts";
import { levelSince } from "./sustain.ts";

export interface Tally {
  n: number;
  sum: number;
}

export interface LineState {
  readonly candidate: Tally;
  readonly control: Tally;
  readonly pairing: Pairing;
  readonly matching: Matching;
  pair: DetectorState;
  own: DetectorState;
  other: DetectorState;
  /** Null: the floor is measured from the candidate itself. */
  floor: ReleaseFloor | null;
  /** When it was proved to be worse; null: it was not. A release does not change: it stays proved. */
  convictedAt: number | null;
}

/** N2. */
export const trialObservations = 2_000;
const usual = { alpha: 0.05, fixWithinMs: 0, falseAlarmDays: 90 } as const;

export function newLine(floor: ReleaseFloor | null): LineState {
  return {
    ...{ candidate: { n: 0, sum: 0 }, control: { n: 0, sum: 0 }, pairing: newPairing() },
    matching: newMatching(),
    ...{ pair: newDetector(), own: newDetector(), other: newDetector(), floor },
    convictedAt: null,
  };
}

/** What was compared so far does not count any more. */
export function forgetControl(line: LineState): void {
  Object.assign(line.pairing, newPairing());
  Object.assign(line.matching, newMatching());
  Object.assign(line.control, { n: 0, sum: 0 });
  line.pair = newDetector();
  line.other = newDetector();
  line.convictedAt = null;
}

/** Whom else a line shares its alpha with, and how it is fed. */
export interface Feeding {
  /** How many lines of the candidate share its alpha. */
  readonly sharers: number;
  /** Copies of the candidate's requests are asked of the control. */
  readonly isAsked: boolean;
}

/** Takes in one observation. */
export function observeLine(
  line: LineState,
  guardrail: Guardrail,
  observation: Compared,
  { sharers, isAsked }: Feeding,
): void {
  const { arm, at, x, key } = observation;
  const tally = arm === "candidate" ? line.candidate : line.control;
  tally.n += 1;
  tally.sum += x;
  const detector = arm === "candidate" ? line.own : line.other;
  observe(detector, ownSettings(line, guardrail, detector), { at, x, key }, sharers);
  for (const pair of pairsWith(line, observation, isAsked)) {
    const difference = { at, x: pairScore(pair.y), key: pair.key };
    const settings = pairSettings(guardrail, line.pair);
    observe(line.pair, isAsked ? { ...settings, widens: true } : settings, difference, sharers);
  }
}

/** The pairs that an observation completes. */
function pairsWith(
  { pairing, matching }: LineState,
  observation: Compared,
  isAsked: boolean,
): readonly Pair[] {
  const { pair, loose } = isAsked
    ? match(matching, observation)
    : { pair: null, loose: [...letGo(matching), observation] };
  const pooled = loose.flatMap(({ arm, x, key }) => addToPair(pairing, arm, x, key) ?? []);
  return pair === null ? pooled : [...pooled, pair];
}

/** What the differences are held to. */
export function pairSettings(guardrail: Guardrail, state: DetectorState): DetectorSettings {
  const known =
    forPairs.get(guardrail) ??
    remember(forPairs, guardrail, guardrail, {
      objective: pairFloor(guardrail.delta),
      ...{ fractions: pairFractions, lasts: true },
    });
  return isInTrial(state) ? known.trial : known.later;
}

/** What the scores of one arm are held to. */
export function ownSettings(
  { floor }: LineState,
  guardrail: Guardrail,
  state: DetectorState,
): DetectorSettings {
  const key = floor ?? guardrail;
  const objective = floor === null ? null : Math.min(floor.m, floorMax);
  const known = forArms.get(key) ?? remember(forArms, key, guardrail, { objective });
  return isInTrial(state) ? known.trial : known.later;
}

/** N2: the settings of one line. They are made once, not for every sample. */
interface TwoSettings {
  readonly trial: DetectorSettings;
  readonly later: DetectorSettings;
}

const forPairs = new WeakMap<object, TwoSettings>();
const forArms = new WeakMap<object, TwoSettings>();

function remember(
  kept: WeakMap<object, TwoSettings>,
  key: object,
  { delta, sustainMs, minSamples }: Guardrail,
  own: Pick<DetectorSettings, "objective" | "fractions" | "lasts">,
): TwoSettings {
  const common = { ...usual, delta, sustainMs, minSamples, ...own };
  const both: TwoSettings = {
    trial: { ...common, kind: "floor" },
    later: { ...common, kind: "late-onset" },
  };
  kept.set(key, both);
  return both;
}

/** N2. */
export function isInTrial({ samples, floor }: DetectorState): boolean {
  return samples < trialObservations || reaches(floor.logK, 0);
}

/** The scores of the arm, as the line sees them now. */
export function judgedArm(
  line: LineState,
  guardrail: Guardrail,
  arm: Arm,
  sharers: number,
): Judgement {
  const state = arm === "candidate" ? line.own : line.other;
  return judgementOf(state, ownSettings(line, guardrail, state), sharers);
}

export function judgedPair(line: LineState, guardrail: Guardrail, sharers: number): Judgement {
  return judgementOf(line.pair, pairSettings(guardrail, line.pair), sharers);
}

/** m as it stands for both arms; null: not known yet. */
export function floorOfLine(line: LineState, guardrail: Guardrail): number | null {
  return floorOf(line.own, ownSettings(line, guardrail, line.own));
}

/**
 * Whether the control holds its floor since a moment; null while fewer than 20 of its samples tell. It does not
 * when it lies below by more than two standard errors: so few samples are below a little by chance alone.
 */
export function isOtherWell(line: LineState, guardrail: Guardrail, since: number): boolean | null {
  const m = floorOfLine(line, guardrail);
  const { n, mean } = levelSince(line.other.sustain, since);
  if (m === null || n < controlSamplesMin) return null;
  return mean >= m - 2 * Math.sqrt((m * (1 - m)) / n);
}

export function meanOf({ n, sum }: Tally): number {
  return n === 0 ? 0 : sum / n;
}
