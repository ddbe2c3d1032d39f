import { setTimeout as pause } from "node:timers/promises";
import { Fault } from "../../fault.ts";
import type { Db } from "../../store/database.ts";
import { type Lease, releaseLease, renewLease, takeLease } from "../../store/lease.ts";
import { newId, type World } from "../../world.ts";

const ttlMs = 5_000;
const renewMs = 1_500;
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
  const held: Lease = lease;
  const lost = new AbortController();
  let heldUntil = performance.now() + ttlMs;
  let renewing: Promise<void> | null = null;
  const renew = async () => {
    const asked = performance.now();
    const isOurs = await renewLease(db, held, ttlMs).catch(() => undefined);
    if (isOurs === true) heldUntil = asked + ttlMs;
    // An answer that does not come is borne for as long as the lease still runs.
    else if (isOurs === false || performance.now() > heldUntil) {
      lost.abort(new Fault("fenced", `The deploy of ${service} went to another holder.`));
    }
    renewing = null;
  };
  const renewal = setInterval(() => {
    renewing ??= renew();
  }, renewMs);
  try {
    return await work(AbortSignal.any([signal, lost.signal]));
  } finally {
    clearInterval(renewal);
    // It would hold what is given back.
    await renewing;
    await releaseLease(db, held);
  }
}
