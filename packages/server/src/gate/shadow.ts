/**
 * The candidate beside the live release on the same inputs. Pure.
 *
 *   S1. Each input is a pair: how the live release did on it, and how the candidate did, from 0 to 1.
 *   S2. Worse means shown to be worse: the mean of the differences lies so far above `delta` that chance gives it
 *       with less than `alpha`. It is looked at once, when all inputs are in.
 *   S3. Segments share alpha with the whole, and need as many inputs of their own.
 */
import type { PairedScore } from "@lastgood/sdk";

export interface Pair {
  readonly key: string;
  readonly live: number;
  readonly candidate: number;
  readonly dimensions: Readonly<Record<string, string>>;
}

export interface Strictness {
  readonly delta: number;
  readonly alpha: number;
  readonly atLeast: number;
}

const segmentsMax = 50;

/** Null where there are too few to say anything. */
export function pairedScore(
  of: string,
  pairs: readonly Pair[],
  { delta, alpha, atLeast }: Strictness,
): PairedScore | null {
  const n = pairs.length;
  if (n < atLeast) return null;
  const mean = (values: readonly number[]) => values.reduce((sum, each) => sum + each, 0) / n;
  const differences = pairs.map(({ live, candidate }) => live - candidate);
  const worse = mean(differences);
  const variance = n < 2 ? 0 : (mean(differences.map((each) => (each - worse) ** 2)) * n) / (n - 1);
  const worseByAtLeast = worse - quantile(1 - alpha) * Math.sqrt(variance / n);
  return {
    ...{ of, inputs: n, worseByAtLeast, worse: worseByAtLeast > delta },
    live: mean(pairs.map(({ live }) => live)),
    candidate: mean(pairs.map(({ candidate }) => candidate)),
  };
}

/** The whole, and each segment that has inputs enough (S3). */
export function pairedScores(
  of: string,
  pairs: readonly Pair[],
  strictness: Strictness,
): readonly PairedScore[] {
  const segments = [...segmentsOf(pairs)]
    .filter(([, own]) => own.length >= strictness.atLeast && own.length < pairs.length)
    .toSorted(([, one], [, other]) => other.length - one.length)
    .slice(0, segmentsMax);
  const shared = { ...strictness, alpha: strictness.alpha / (segments.length + 1) };
  return [
    pairedScore(of, pairs, shared),
    ...segments.map(([segment, own]) => pairedScore(`${of}: ${segment}`, own, shared)),
  ].filter((each) => each !== null);
}

/** `language=de`: what has that value of that dimension. */
export function segmentsOf<Item extends Pick<Pair, "dimensions">>(
  items: readonly Item[],
): ReadonlyMap<string, readonly Item[]> {
  const segments = items.flatMap((item) =>
    Object.entries(item.dimensions).map(([name, value]) => ({ segment: `${name}=${value}`, item })),
  );
  const grouped = Map.groupBy(segments, ({ segment }) => segment);
  return new Map([...grouped].map(([segment, own]) => [segment, own.map(({ item }) => item)]));
}

/** Of the standard normal distribution, for p from 0.5 to 1; Abramowitz and Stegun 26.2.23, off by less than 4.5e-4. */
export function quantile(p: number): number {
  const t = Math.sqrt(-2 * Math.log(Math.max(1 - p, 1e-12)));
  const above = 2.515517 + t * (0.802853 + t * 0.010328);
  const below = 1 + t * (1.432788 + t * (0.189269 + t * 0.001308));
  return t - above / below;
}
