/**
 * Paired: is the candidate worse than what serves beside it, by more than delta?
 *
 * The difference of the two arms is taken each time both have something new, so that whatever strikes both
 * cancels. H0: E[y | past] <= delta, with `y` = control less candidate in [-1,1]. On the scale
 * `(1 - y) / 2` in [0,1] that is the floor `(1 - delta) / 2`, and the bet of floor.ts against it multiplies by
 * `1 + fraction (y - delta) / (1 + delta)`: one detector serves both.
 * Source: Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, 2024.
 */

/** The stakes against a difference: it varies more than a share does, so small stakes are of less use. */
export const pairFractions: readonly number[] = [0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9];

/** Which of two releases a sample is of. */
export type Arm = "control" | "candidate";

/** What came of both arms since the last pair: sums, whatever the shares. Mutated in place. */
export interface Pairing {
  controlN: number;
  controlSum: number;
  candidateN: number;
  candidateSum: number;
  /** Of the candidate's worst sample in it: whose execution it was, and its score. */
  key: string | null;
  worst: number;
}

export function newPairing(): Pairing {
  return { controlN: 0, controlSum: 0, candidateN: 0, candidateSum: 0, key: null, worst: 2 };
}

export interface Pair {
  /** How much better the control did, in [-1,1]. */
  readonly y: number;
  readonly key: string | null;
}

/** Takes in one observation; the pair that it completes, or null. */
export function addToPair(pairing: Pairing, arm: Arm, x: number, key: string | null): Pair | null {
  if (arm === "control") {
    pairing.controlN += 1;
    pairing.controlSum += x;
  } else {
    pairing.candidateN += 1;
    pairing.candidateSum += x;
    if (x < pairing.worst) {
      pairing.worst = x;
      pairing.key = key;
    }
  }
  if (pairing.controlN === 0 || pairing.candidateN === 0) return null;
  const { controlSum, controlN, candidateSum, candidateN, key: worstKey } = pairing;
  Object.assign(pairing, newPairing());
  return { y: controlSum / controlN - candidateSum / candidateN, key: worstKey };
}

/** A difference as an observation in [0,1], higher is better. */
export function pairScore(y: number): number {
  return (1 - y) / 2;
}

/** The floor that scores of differences are held to: a difference of `delta`. */
export function pairFloor(delta: number): number {
  return (1 - delta) / 2;
}
