/**
 * An office that one of several servers holds for as long as it lives.
 *
 *   O1. Certain only until the lease may have run out, by this process's own clock, counted from before it was
 *       asked for: one that was paused knows at once that it is certain no more.
 *   O2. While PostgreSQL is away it is neither certain nor lost: the epoch tells afterwards whether anybody else
 *       held it in between.
 */
import type { Query } from "./database.ts";
import { type Lease, releaseLease, takeLease } from "./lease.ts";

/** `kept`: nobody else held it since. `taken`: it is ours anew. */
export type Standing = "kept" | "taken" | "another's";

export interface StandingLease {
  /** Takes or renews it. Rejects while PostgreSQL is away. */
  renew(): Promise<Standing>;
  isCertain(): boolean;
  /** What writes are fenced with; null: it is not ours, as far as is known. */
  lease(): Lease | null;
  /** Gives it back, so that another may have it at once. */
  release(): Promise<void>;
}

export function createStandingLease(
  db: Query,
  held: { readonly name: string; readonly holder: string; readonly ttlMs: number },
): StandingLease {
  let lease: Lease | null = null;
  let certainUntil = 0;
  return {
    async renew() {
      const asked = performance.now();
      const got = await takeLease(db, held.name, held.holder, held.ttlMs);
      const before = lease;
      lease = got;
      if (got === null) return "another's";
      certainUntil = asked + held.ttlMs;
      // Taken again by ourselves after it ran out, it is one higher: higher still, and others were here.
      return before !== null && got.epoch <= before.epoch + 1 ? "kept" : "taken";
    },
    isCertain: () => lease !== null && performance.now() < certainUntil,
    lease: () => lease,
    async release() {
      const ours = lease;
      lease = null;
      if (ours !== null) await releaseLease(db, ours);
    },
  };
}
