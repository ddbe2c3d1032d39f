/** One after the other, whichever servers they are at: who comes second finds what the first has made. */
import { setTimeout as pause } from "node:timers/promises";
import type { Db } from "../store/database.ts";
import { type Lease, whileHolding } from "../store/lease.ts";

const leaseMs = 10_000;
const askAgainMs = 250;

export interface Turn {
  readonly name: string;
  readonly holder: string;
  /** How long its turn is waited for. */
  readonly waitMs: number;
}

/** Null: its turn did not come in time. The work's signal aborts with `stopping`, and when the turn was lost. */
export async function inTurn<T>(
  db: Db,
  { name, holder, waitMs }: Turn,
  stopping: AbortSignal,
  work: (lease: Lease, signal: AbortSignal) => Promise<T>,
): Promise<T | null> {
  const deadline = performance.now() + waitMs;
  const held = { name, holder, ttlMs: leaseMs };
  for (;;) {
    const done = await whileHolding(db, held, stopping, async (lease, signal) => ({
      made: await work(lease, signal),
    }));
    if (done !== null) return done.made;
    if (performance.now() >= deadline) return null;
    await pause(askAgainMs, undefined, { signal: stopping });
  }
}
