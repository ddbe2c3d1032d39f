/**
 * The past again: what was recorded of each signal, through the detectors of the rules in force now.
 *
 * The record is coarse (counts of ten seconds for a day, of a minute for 90 days), so a bucket's good and
 * bad samples are spread evenly over its time, and at most 200 stand for it: moments are as exact as the
 * buckets, and the evidence is what so many evenly spread samples give.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { type Contrast, contrastEvidence, levelOfSum } from "./contrast.ts";
import { type Bucket, bucketLevel, levelOfBuckets, type Score } from "./history.ts";
import type { Rule } from "./rule.ts";
import { judge, judgedScore, judgementsOf, kindsOf, newRuleState } from "./rule-judge.ts";
import type { Sample } from "./sample.ts";
import { verdictOf } from "./saying.ts";
import type { Verdict } from "./verdict.ts";

/** A regression that the record shows, and how its signal contrasts at any moment. */
export interface Replayed {
  readonly verdict: Verdict;
  contrast(exposedAt: Date): Omit<Contrast, "unaffectedPeers" | "affectedPeers">;
}

const samplesPerBucketMax = 200;
const contrastSpanMs = 3_600_000;

/** The regressions of one rule over these buckets, oldest first. Stops when the signal aborts. */
export async function replayRule(
  rule: Rule,
  parts: AsyncIterable<readonly Bucket[]>,
  signal: AbortSignal,
): Promise<readonly Replayed[]> {
  const state = newRuleState();
  const score = scoreFor(rule);
  const buckets: Bucket[] = [];
  const found: Replayed[] = [];
  let wasBad = false;
  for await (const part of parts) {
    for (const bucket of part) {
      buckets.push(bucket);
      for (const [at, x] of spread(bucket, score)) {
        judge(state, rule, sampleAt(rule, at), x);
        const isBad = kindsOf(state, rule)[0]?.[1] === "regression";
        if (isBad && !wasBad) {
          const [whole] = judgementsOf(state, rule);
          if (whole !== undefined) {
            found.push({
              verdict: verdictOf(rule, "regression", whole),
              contrast: (exposedAt) => contrastIn(buckets, rule, score, exposedAt.getTime()),
            });
          }
        }
        wasBad = isBad;
      }
    }
    signal.throwIfAborted();
    await nextTurn();
  }
  return found;
}

/** How a rule scores what was observed; null where it cannot. */
export function scoreFor(rule: Rule): Score {
  return (observed) => judgedScore(rule, { ...sampleAt(rule, 0), ...observed });
}

function sampleAt({ service, signal }: Rule, at: number): Sample {
  return { service, signal, at, ok: null, value: null, key: null, dimensions: null, hard: null };
}

/** Evenly spread moments and scores with the bucket's mean: the bad ones as far apart as they can be. */
function* spread(bucket: Bucket, score: Score): Generator<[at: number, x: number]> {
  const { n, mean } = bucketLevel(bucket, score);
  const count = Math.min(n, samplesPerBucketMax);
  let owed = 0;
  for (let index = 0; index < count; index++) {
    owed += mean;
    const x = owed >= 1 - 1e-9 ? 1 : 0;
    owed -= x;
    yield [bucket.at + Math.floor((bucket.spanMs * index) / count), x];
  }
}

function contrastIn(buckets: readonly Bucket[], rule: Rule, score: Score, at: number) {
  const before = levelOfBuckets(buckets, score, at - contrastSpanMs, at);
  const after = levelOfBuckets(buckets, score, at, at + contrastSpanMs);
  return {
    evidence: contrastEvidence(before, after, deltaOf(rule)),
    before: levelOfSum(before),
    after: levelOfSum(after),
  };
}

/** The margin below the level before that is no contrast. */
export function deltaOf({ judge: by }: Rule): number {
  return by.kind === "statistics" ? by.settings.delta : 0.02;
}
