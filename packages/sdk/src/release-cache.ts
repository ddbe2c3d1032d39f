/** What a consumer has worked out by a release: of no use once another one is pinned. */
export interface ReleaseCache<T> {
  /** Undefined where nothing is kept for this release under this key. */
  get(resolved: ReleaseOf, key: string): T | undefined;
  /** What was worked out by a release that is pinned no more is not kept. */
  set(resolved: ReleaseOf, key: string, value: T): void;
  readonly size: number;
}

/** What of a resolved release the cache goes by. */
export interface ReleaseOf {
  readonly version: string;
  readonly epoch: number;
}

const entriesMax = 10_000;

/** `epoch` tells the epoch of the pin in force. At most 10,000 entries: the oldest go first. */
export function createReleaseCache<T>(epoch: () => number): ReleaseCache<T> & { drop(): void } {
  const kept = new Map<string, T>();
  const keyOf = ({ version }: ReleaseOf, key: string) => `${version} ${key}`;
  return {
    get(resolved, key) {
      return resolved.epoch === epoch() ? kept.get(keyOf(resolved, key)) : undefined;
    },
    set(resolved, key, value) {
      if (resolved.epoch !== epoch()) return;
      const name = keyOf(resolved, key);
      kept.delete(name);
      kept.set(name, value);
      const [oldest] = kept.keys();
      if (kept.size > entriesMax && oldest !== undefined) kept.delete(oldest);
    },
    get size() {
      return kept.size;
    },
    drop: () => kept.clear(),
  };
}
