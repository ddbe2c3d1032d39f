/** How often each may ask, by seconds of the clock. In memory, for this process alone. */
export interface Rate {
  /** Null where one more is allowed; otherwise how many seconds to wait. */
  take(who: string, most: number, now: Date): number | null;
}

const secondMs = 1_000;

export function createRate(): Rate {
  let second = 0;
  let taken = new Map<string, number>();
  return {
    take(who, most, now) {
      const at = Math.floor(now.getTime() / secondMs);
      if (at !== second) [second, taken] = [at, new Map()];
      const before = taken.get(who) ?? 0;
      if (before >= most) return 1;
      taken.set(who, before + 1);
      return null;
    },
  };
}
