/**
 * While copies of its requests are asked, what both releases made of one request is a pair: how hard the request was
 * is in both, and cancels as well.
 *
 *   M1. An observation is of one pair at most, and which one it is depends on keys and times, never on scores.
 *   M2. Of the candidate's observations 256 wait for their copies at most, each ten seconds; then they are paired
 *       like those that no copy is asked of.
 *
 * Pure; the state is plain JSON.
 */
import type { Arm, Pair } from "./paired.ts";

/** One observation of an arm that is compared. */
export interface Compared {
  readonly arm: Arm;
  readonly at: number;
  readonly x: number;
  readonly key: string | null;
}

/** The candidate's observations whose copies are not known yet, oldest first. Mutated in place. */
export interface Matching {
  waiting: Compared[];
}

export interface Matched {
  readonly pair: Pair | null;
  /** What is paired without regard to its key, oldest first. */
  readonly loose: readonly Compared[];
}

const waitingMax = 256;
const waitMs = 10_000;

export function newMatching(): Matching {
  return { waiting: [] };
}

/** Takes in one observation while copies are asked. */
export function match(matching: Matching, one: Compared): Matched {
  const loose = overdue(matching, one.at);
  if (one.key === null) return { pair: null, loose: [...loose, one] };
  if (one.arm === "candidate") {
    matching.waiting.push(one);
    return { pair: null, loose };
  }
  const place = matching.waiting.findIndex(({ key }) => key === one.key);
  const [other] = place < 0 ? [] : matching.waiting.splice(place, 1);
  if (other === undefined) return { pair: null, loose: [...loose, one] };
  return { pair: { y: one.x - other.x, key: other.key }, loose };
}

/** Nobody is asked any more: nothing waits. */
export function letGo(matching: Matching): readonly Compared[] {
  return matching.waiting.splice(0);
}

/** M2. */
function overdue({ waiting }: Matching, now: number): readonly Compared[] {
  const first = waiting.findIndex(({ at }) => at > now - waitMs);
  const late = first < 0 ? waiting.length : first;
  return waiting.splice(0, Math.max(late, waiting.length - waitingMax));
}
