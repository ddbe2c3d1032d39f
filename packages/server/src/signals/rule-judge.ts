/**
 * One rule at work: its detector over everything, and one per segment.
 *
 *   J1. Some segments are judged (P1); samples of further ones count for the whole alone, and are counted.
 *   J2. The budget of false alarms is shared by the guardrails of the service and by the segments that
 *       have at least 20 samples.
 *   J3. The state is plain JSON, and judging the same samples again gives the same state.
 */
import {
  type DetectorKind,
  type DetectorState,
  type Judgement,
  judgementOf,
  kindOf,
  measureAnew,
  newDetector,
  observe,
  startAnew,
} from "./detector.ts";
import { type HardState, newHard, observeHard } from "./hard.ts";
import { type LeftOut, leftOutOf, noneLeftOut } from "./left-out.ts";
import { countSample } from "./measured-rate.ts";
import { makeRoom, type SeenOf } from "./places.ts";
import type { Rule } from "./rule.ts";
import { type Sample, scoreOf } from "./sample.ts";
import { windowSamplesMin } from "./sustain.ts";

export interface RuleState {
  readonly whole: DetectorState;
  readonly segments: Record<string, DetectorState>;
  /** Samples whose segment found no place. */
  readonly leftOut: LeftOut;
  readonly hard: HardState;
  lastAt: number;
  /** Samples taken in since the run last started anew. */
  fresh: number;
}

const hardEvidence = 1e12;

export function newRuleState(): RuleState {
  return {
    ...{ whole: newDetector(), segments: {}, leftOut: noneLeftOut(), hard: newHard() },
    ...{ lastAt: 0, fresh: 0 },
  };
}

/** Whether `rule` judges this sample, and by which score. Null: it does not. */
export function judgedScore(rule: Rule, sample: Sample): number | null {
  if (rule.judge.kind === "hard") {
    if (sample.hard !== null) return sample.ok === true ? 1 : 0;
    return scoreOf(sample, rule.good);
  }
  // Hard failures are not averaged.
  return sample.hard === null ? scoreOf(sample, rule.good) : null;
}

/** Takes in a sample with its score. */
export function judge(state: RuleState, rule: Rule, sample: Sample, score: number): void {
  state.lastAt = Math.max(state.lastAt, sample.at);
  state.fresh += 1;
  if (rule.judge.kind === "hard") {
    countSample(state.whole.rate, state.lastAt);
    observeHard(state.hard, score >= 1, sample.at, sample.hard !== null);
    return;
  }
  const observation = { at: sample.at, x: score, key: sample.key };
  observe(state.whole, rule.judge.settings, observation, sharersOf(state, rule));
  for (const name of rule.dimensions) {
    const value = sample.dimensions?.[name];
    if (value === undefined) continue;
    const segment = segmentOf(state, `${name}=${value}`);
    if (segment === null) {
      leftOutOf(state.leftOut, `${name}=${value}`);
      continue;
    }
    // A segment's level is its own: the objective is for the whole.
    const settings = { ...rule.judge.settings, objective: null };
    observe(segment, settings, observation, sharersOf(state, rule));
  }
}

function segmentOf(state: RuleState, dimension: string): DetectorState | null {
  const known = state.segments[dimension];
  if (known !== undefined) return known;
  if (!makeRoom(state.segments, state.whole.rate, state.lastAt, seenOfDetector)) return null;
  const segment = newDetector();
  state.segments[dimension] = segment;
  return segment;
}

/** Its samples since the evidence started anew do not tell whether it was ever judged. */
const seenOfDetector: SeenOf<DetectorState> = {
  samples: ({ rate }) => rate.n,
  lastAt: ({ lastAt }) => lastAt,
};

/** J2. */
export function sharersOf({ segments }: RuleState, { guardrails }: Rule): number {
  let active = 1;
  for (const key in segments) {
    if ((segments[key]?.samples ?? 0) >= windowSamplesMin) active += 1;
  }
  return guardrails * active;
}

/** The whole (`dimension` null) and each segment with at least 20 samples. */
export interface DimensionJudgement extends Judgement {
  readonly dimension: string | null;
}

/** The kind alone, for the whole and each segment: cheap enough for every sample. */
export function kindsOf(state: RuleState, rule: Rule): readonly [string | null, DetectorKind][] {
  if (rule.judge.kind === "hard") return [[null, hardKind(state, rule.judge.inARow)]];
  const { settings } = rule.judge;
  const kinds: [string | null, DetectorKind][] = [[null, kindOf(state.whole, settings)]];
  for (const dimension in state.segments) {
    const segment = state.segments[dimension];
    if (segment === undefined || segment.samples < windowSamplesMin) continue;
    kinds.push([dimension, kindOf(segment, { ...settings, objective: null })]);
  }
  return kinds;
}

/** All figures, for the whole and each segment. */
export function judgementsOf(state: RuleState, rule: Rule): readonly DimensionJudgement[] {
  if (rule.judge.kind === "hard") return [hardJudgement(state, rule.judge.inARow)];
  const { settings } = rule.judge;
  const sharers = sharersOf(state, rule);
  return [
    { dimension: null, ...judgementOf(state.whole, settings, sharers) },
    ...Object.entries(state.segments)
      .filter(([, segment]) => segment.samples >= windowSamplesMin)
      .map(([dimension, segment]) => ({
        dimension,
        ...judgementOf(segment, { ...settings, objective: null }, sharers),
      })),
  ];
}

function hardKind({ hard }: RuleState, inARow: number): DetectorKind {
  if (hard.inARow >= inARow) return "regression";
  return hard.wasOk ? "hold" : "insufficient";
}

function hardJudgement(state: RuleState, inARow: number): DimensionJudgement {
  const { hard } = state;
  const kind = hardKind(state, inARow);
  return {
    dimension: null,
    kind,
    at: state.lastAt,
    onset: kind === "regression" ? hard.firstAt : null,
    logEvidence: Math.log(kind === "regression" ? hardEvidence : 1),
    logThreshold: Math.log(hardEvidence),
    floor: 1,
    origin: { kind: "objective" },
    level: hard.inARow > 0 ? 0 : hard.wasOk ? 1 : null,
    samples: hard.samples,
    failingKeys: hard.inARow,
    graceUntil: null,
  };
}

/** Forgets the evidence so far: what comes now is judged by itself, against the same floor. */
export function restart(state: RuleState): void {
  startAnew(state.whole);
  for (const segment of Object.values(state.segments)) startAnew(segment);
  state.hard.inARow = 0;
  state.hard.firstAt = 0;
  state.hard.goodInARow = 0;
  state.fresh = 0;
}

/** The floors too are measured anew. */
export function remeasure(state: RuleState): void {
  measureAnew(state.whole);
  for (const key of Object.keys(state.segments)) delete state.segments[key];
  restart(state);
}
