import { settleMsMax } from "../layers/layer.ts";

/**
 * Of several servers on one database only that one sees a pushed sample to which it was sent. A server that
 * hears nothing leaves what is to be proven to the others, and says that nothing comes only after a while.
 */
export interface Unheard {
  /** Nothing was heard again: true once that has lasted for `forMs`. */
  still(what: string, forMs: number): boolean;
  /** It is proven, or not: whatever was waited for is forgotten. */
  forget(what: string): void;
}

/** Who does not ask again for so long asks about something else: longer than any ask takes, with the pause after it. */
const askedAgainMs = 2 * settleMsMax + 60_000;
const waitsMax = 100;

export function createUnheard(now: () => number = () => performance.now()): Unheard {
  const waits = new Map<string, { readonly since: number; readonly asked: number }>();
  return {
    still(what, forMs) {
      const at = now();
      const before = waits.get(what);
      const goesOn = before !== undefined && at - before.asked < askedAgainMs;
      const since = goesOn ? before.since : at;
      waits.delete(what);
      waits.set(what, { since, asked: at });
      const [oldest] = waits.keys();
      if (waits.size > waitsMax && oldest !== undefined) waits.delete(oldest);
      return goesOn && at - since >= forMs;
    },
    forget: (what) => void waits.delete(what),
  };
}
