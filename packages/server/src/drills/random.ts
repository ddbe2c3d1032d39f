/** Chance that a seed decides: the same seed gives the same world. */
export interface Chance {
  /** In [0, 1). */
  next(): number;
  integer(from: number, to: number): number;
  pick<T>(from: readonly [T, ...T[]]): T;
  /** All of them in another order. */
  shuffle<T>(of: readonly T[]): T[];
}

/** mulberry32: small, fast, and good enough to vary a story. */
export function chanceOf(seed: number): Chance {
  let state = (seed * 0x9e3779b1) | 0;
  function next(): number {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  const integer = (from: number, to: number) => from + Math.floor(next() * (to - from + 1));
  return {
    next,
    integer,
    pick: (from) => from[integer(0, from.length - 1)] ?? from[0],
    shuffle(of) {
      const left = [...of];
      return of.flatMap(() => left.splice(integer(0, left.length - 1), 1));
    },
  };
}
