/**
 * Floor: is the mean of the signal, given its past, still at least m?
 *
 * A bet against it for each of eight stakes: the wealth of a stake is multiplied by
 * `1 + lam (m - x)` per observation, and the evidence is the mean of the eight wealths. While
 * E[x | past] >= m holds at every step no stake gains on average, so the evidence exceeds 1/alpha with
 * a chance of at most alpha, however often it is looked at (Ville's inequality).
 * Source: Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, 2024.
 */

/** The stakes, as fractions of the largest that can never lose everything on one observation. */
export const betFractions: readonly number[] = [0.0125, 0.025, 0.05, 0.1, 0.2, 0.4, 0.7, 0.9];

/** A floor above this cannot be bet against in finitely many samples. */
export const floorMax = 0.999;

/** What one observation does to the wealth of the stake `fraction`, less one: at least -fraction. */
export function gain(fraction: number, m: number, x: number): number {
  return (fraction / (1 - m)) * (m - x);
}

/** The logarithm of each stake's wealth. Mutated in place: one observation allocates nothing. */
export interface FloorState {
  readonly logK: number[];
}

export function newFloor(): FloorState {
  return { logK: betFractions.map(() => 0) };
}

/** Takes in one observation `x` in [0,1], held to the floor `m` <= .999. */
export function observeFloor(
  { logK }: FloorState,
  m: number,
  x: number,
  fractions: readonly number[] = betFractions,
): void {
  for (let j = 0; j < fractions.length; j++) {
    logK[j] = (logK[j] ?? 0) + Math.log1p(gain(fractions[j] ?? 0, m, x));
  }
}

/** log E: evidence against the floor is there when it reaches log(1/alpha). */
export function logFloorEvidence({ logK }: FloorState): number {
  return logMeanExp(logK);
}

/** Whether a mean of exponentials reaches exp(`least`): most often the greatest of them alone tells. */
export function reaches(values: readonly number[], least: number): boolean {
  for (const value of values) if (value >= least) return logMeanExp(values) >= least;
  return false;
}

/** The evidence that `bad` zeros and `good` ones give together: the order does not matter. */
export function logFloorEvidenceOf(m: number, good: number, bad: number): number {
  return logMeanExp(
    betFractions.map(
      (fraction) =>
        good * Math.log1p(gain(fraction, m, 1)) + bad * Math.log1p(gain(fraction, m, 0)),
    ),
  );
}

/** log(mean(exp(values))) without overflow. */
export function logMeanExp(values: readonly number[]): number {
  let greatest = Number.NEGATIVE_INFINITY;
  for (const value of values) if (value > greatest) greatest = value;
  if (greatest === Number.NEGATIVE_INFINITY) return greatest;
  let sum = 0;
  for (const value of values) sum += Math.exp(value - greatest);
  return greatest + Math.log(sum / values.length);
}
