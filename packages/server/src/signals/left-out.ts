/**
 * Segments that found no place: how many samples were not judged by their segment, and which segments these were
 * most of. Pure; the state is plain JSON.
 */
export interface LeftOut {
  samples: number;
  /** At most 32, by how often they came. Whoever had more than a 32nd of it is among them, counted at least in full. */
  readonly busiest: Record<string, number>;
}

const namesMax = 32;
/** Of those, how many people are told. */
export const busiestShown = 5;

export function noneLeftOut(): LeftOut {
  return { samples: 0, busiest: {} };
}

/** Counts a sample; the rarest name gives way to one that has none, which inherits its count. */
export function leftOutOf(left: LeftOut, dimension: string): void {
  const { busiest } = left;
  left.samples += 1;
  const known = busiest[dimension];
  if (known !== undefined) {
    busiest[dimension] = known + 1;
    return;
  }
  let names = 0;
  let rarest = "";
  let least = Number.POSITIVE_INFINITY;
  for (const name in busiest) {
    names += 1;
    const count = busiest[name] ?? 0;
    if (count < least) [rarest, least] = [name, count];
  }
  if (names < namesMax) {
    busiest[dimension] = 1;
    return;
  }
  delete busiest[rarest];
  busiest[dimension] = least + 1;
}

/** Those that were most of it. */
export function busiestOf({ busiest }: LeftOut, limit: number): readonly string[] {
  return Object.entries(busiest)
    .toSorted(([, one], [, other]) => other - one)
    .slice(0, limit)
    .map(([name]) => name);
}
