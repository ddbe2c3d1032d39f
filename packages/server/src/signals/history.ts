/**
 * The kept past of one signal: the last 1,000 samples as they came, and an hour of ten-second buckets.
 *
 *   P1. Bounded: 1,000 samples, 360 buckets, 32 values a bucket.
 *   P2. The values of a bucket are every n-th of its samples, n doubling when it is full: the same
 *       samples give the same bucket.
 */
import type { Sample } from "./sample.ts";

export interface Bucket {
  /** When it begins, in milliseconds: a multiple of `bucketMs`. */
  readonly at: number;
  /** How long it is: ten seconds, or a minute once it is old. */
  readonly spanMs: number;
  n: number;
  /** Of the samples with `ok`: how many, and how many of them were good. */
  judged: number;
  good: number;
  /** Measured values: a subset, in the order of arrival, with how many there were. */
  values: number[];
  measured: number;
  stride: number;
}

export const bucketMs = 10_000;
export const recentMax = 1_000;
const bucketsMax = 360;
const valuesMax = 32;

export interface History {
  readonly recent: Sample[];
  readonly buckets: Bucket[];
}

export function newHistory(): History {
  return { recent: [], buckets: [] };
}

/** Keeps the sample. Returns the bucket that it closed, if it began a new one. */
export function keep({ recent, buckets }: History, sample: Sample): Bucket | null {
  recent.push(sample);
  // Dropping many at once keeps the cost of a sample constant.
  if (recent.length >= recentMax * 2) recent.splice(0, recent.length - recentMax);
  const at = Math.floor(sample.at / bucketMs) * bucketMs;
  const last = buckets.at(-1);
  if (last !== undefined && at <= last.at) {
    fill(last, sample);
    return null;
  }
  const bucket = {
    at,
    spanMs: bucketMs,
    n: 0,
    judged: 0,
    good: 0,
    values: [],
    measured: 0,
    stride: 1,
  };
  fill(bucket, sample);
  buckets.push(bucket);
  if (buckets.length > bucketsMax) buckets.shift();
  return last ?? null;
}

function fill(bucket: Bucket, { ok, value }: Sample): void {
  bucket.n += 1;
  if (ok !== null) {
    bucket.judged += 1;
    if (ok) bucket.good += 1;
  }
  if (value === null) return;
  if (bucket.measured % bucket.stride === 0) bucket.values.push(value);
  bucket.measured += 1;
  if (bucket.values.length < valuesMax) return;
  bucket.values = bucket.values.filter((_, index) => index % 2 === 0);
  bucket.stride *= 2;
}

/** The last 1,000 samples, oldest first. */
export function recentOf({ recent }: History): readonly Sample[] {
  return recent.slice(-recentMax);
}

/**
 * Measured values from `from` to before `until`: the samples themselves as far back as they are kept,
 * the buckets' subsets before. A bucket that lies only partly inside is left out.
 */
export function valuesBetween(history: History, from: number, until: number): readonly number[] {
  const samples = recentOf(history);
  const exactFrom = samples[0]?.at ?? Number.POSITIVE_INFINITY;
  const older = history.buckets
    .filter(({ at, spanMs }) => at >= from && at + spanMs <= Math.min(until, exactFrom))
    .flatMap(({ values }) => values);
  const exact = samples.flatMap(({ at, value }) =>
    value !== null && at >= from && at < until ? [value] : [],
  );
  return [...older, ...exact];
}

/** A rule's way to score an observation; null where it cannot. */
export type Score = (observed: Pick<Sample, "ok" | "value">) => number | null;

/** How many samples, and the sum of their scores, from `from` to before `until`. */
export function levelBetween(
  history: History,
  score: Score,
  from: number,
  until: number,
): { readonly n: number; readonly sum: number } {
  const samples = recentOf(history);
  const exactFrom = samples[0]?.at ?? Number.POSITIVE_INFINITY;
  let { n, sum } = levelOfBuckets(history.buckets, score, from, Math.min(until, exactFrom));
  for (const sample of samples) {
    const scored = sample.at >= from && sample.at < until ? score(sample) : null;
    if (scored === null) continue;
    n += 1;
    sum += scored;
  }
  return { n, sum };
}

/** The same of the buckets that lie wholly inside. */
export function levelOfBuckets(
  buckets: readonly Bucket[],
  score: Score,
  from: number,
  until: number,
): { readonly n: number; readonly sum: number } {
  let n = 0;
  let sum = 0;
  for (const bucket of buckets) {
    if (bucket.at < from || bucket.at + bucket.spanMs > until) continue;
    const level = bucketLevel(bucket, score);
    n += level.n;
    sum += level.n * level.mean;
  }
  return { n, sum };
}

/** How many of a bucket's samples can be scored, and their mean. */
export function bucketLevel(bucket: Bucket, score: Score): { n: number; mean: number } {
  if (bucket.judged > 0 && score({ ok: true, value: null }) !== null) {
    return { n: bucket.judged, mean: bucket.good / bucket.judged };
  }
  const scores = bucket.values.flatMap((value) => score({ ok: null, value }) ?? []);
  if (scores.length === 0) return { n: 0, mean: 0 };
  return {
    n: bucket.measured,
    mean: scores.reduce((total, each) => total + each, 0) / scores.length,
  };
}

/** The value below which a share of the sorted values lies; NaN without values. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
