import { setTimeout as pause } from "node:timers/promises";
import { Fault } from "../../fault.ts";
import type { Db } from "../../store/database.ts";
import { keepLease, releaseLease, takeLease } from "../../store/lease.ts";
import { newId, type World } from "../../world.ts";

const ttlMs = 5_000;
const askMs = 100;

export interface Waiting {
  /** How long to wait for whoever deploys now; 0 asks once. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/**
 * Runs `work` while nobody else, here or in another replica, moves this service. Its signal aborts when
 * the lease is lost. Faults `target_busy` when the service is not free in time.
 */
export async function withServiceLease<T>(
  { db, world }: { readonly db: Db; readonly world: World },
  service: string,
  { waitMs, signal }: Waiting,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const name = `runtime:${service}`;
  // A holder of its own for each turn: two deploys in one process exclude each other as well.
  const holder = newId<string>(world, "deploy");
  const deadline = performance.now() + waitMs;
  let lease = await takeLease(db, name, holder, ttlMs);
  while (lease === null) {
    if (performance.now() >= deadline) {
      throw new Fault(
        "target_busy",
        `${service} is being deployed right now: look at it with \`lastgood services show ${service}\`, and try again.`,
      );
    }
    await pause(askMs, undefined, { signal });
    lease = await takeLease(db, name, holder, ttlMs);
  }
  const lost = new AbortController();
  const fence = () =>
    lost.abort(new Fault("fenced", `The deploy of ${service} went to another holder.`));
  const letGo = keepLease(db, lease, ttlMs, { lost: fence, ranOut: fence });
  try {
    return await work(AbortSignal.any([signal, lost.signal]));
  } finally {
    letGo();
    await releaseLease(db, lease);
  }
}
