/**
 * Row leases: at most one holder acts under a name, and one who lost it without noticing is refused.
 *
 *   L1. Every take-over raises `epoch`. What a holder writes carries its epoch; a lower one is `fenced`.
 *   L2. Time is the database's, so that two machines' clocks cannot both think they hold it.
 */
import { Fault } from "../fault.ts";
import type { Query } from "./database.ts";

export interface Lease {
  readonly name: string;
  readonly holder: string;
  readonly epoch: number;
}

/** Takes the lease if it is free, expired or already ours; null if another holds it. */
export async function takeLease(
  db: Query,
  name: string,
  holder: string,
  ttlMs: number,
): Promise<Lease | null> {
  const [row] = await db<{ epoch: number }[]>`
    insert into leases as l (name, holder, epoch, expires_at)
    values (${name}, ${holder}, 1, now() + ${ttlMs} * interval '1 ms')
    on conflict (name) do update set
      epoch = case when l.holder = excluded.holder and l.expires_at > now() then l.epoch else l.epoch + 1 end,
      holder = excluded.holder,
      expires_at = excluded.expires_at
    where l.expires_at <= now() or l.holder = excluded.holder
    returning epoch`;
  return row === undefined ? null : { name, holder, epoch: row.epoch };
}

/** Holds it for longer, also where it ran out meanwhile; false once another holder took it. */
export async function renewLease(db: Query, lease: Lease, ttlMs: number): Promise<boolean> {
  const { count } = await db`
    update leases set expires_at = now() + ${ttlMs} * interval '1 ms'
    where name = ${lease.name} and holder = ${lease.holder} and epoch = ${lease.epoch}`;
  return count > 0;
}

/** Refuses (`fenced`) unless this very lease is still the current one. Call it inside the transaction it guards. */
export async function requireLease(db: Query, lease: Lease): Promise<void> {
  const rows = await db`
    select 1 from leases
    where name = ${lease.name} and holder = ${lease.holder} and epoch = ${lease.epoch} for share`;
  if (rows.length === 0) {
    throw new Fault("fenced", `The lease ${lease.name} went to another holder: stop acting on it.`);
  }
}

/** It has no holder then: a renewal that comes late renews nothing. */
export async function releaseLease(db: Query, lease: Lease): Promise<void> {
  await db`
    update leases set holder = '', expires_at = now()
    where name = ${lease.name} and holder = ${lease.holder} and epoch = ${lease.epoch}`;
}

/** What became of a lease that is renewed. */
export interface Keeping {
  /** Another holder took it. */
  lost(): void;
  /** Nobody answered for as long as it ran: whether another took it is not known. */
  ranOut?(): void;
}

const triesPerLease = 3;

/** Renews it until the returned function is called. What gets no answer holds up no other try. */
export function keepLease(db: Query, lease: Lease, ttlMs: number, keeping: Keeping): () => void {
  let heldUntil = performance.now() + ttlMs;
  let unanswered = 0;
  const renewal = setInterval(() => {
    if (unanswered >= triesPerLease) return keeping.ranOut?.();
    unanswered += 1;
    const asked = performance.now();
    renewLease(db, lease, ttlMs)
      .then(
        (isOurs) => {
          if (isOurs) heldUntil = asked + ttlMs;
          else keeping.lost();
        },
        () => {
          if (performance.now() > heldUntil) keeping.ranOut?.();
        },
      )
      .finally(() => {
        unanswered -= 1;
      });
  }, ttlMs / triesPerLease);
  return () => clearInterval(renewal);
}

/**
 * Does `work` while the lease is ours, renewed as long as it lasts; null when another holds it. Its signal
 * aborts when `stopping` does, and when the lease was lost. While the store is away it goes on: its next guarded
 * write decides.
 */
export async function whileHolding<T>(
  db: Query,
  {
    name,
    holder,
    ttlMs,
  }: { readonly name: string; readonly holder: string; readonly ttlMs: number },
  stopping: AbortSignal,
  work: (lease: Lease, signal: AbortSignal) => Promise<T>,
): Promise<T | null> {
  const lease = await takeLease(db, name, holder, ttlMs);
  if (lease === null) return null;
  const lost = new AbortController();
  const letGo = keepLease(db, lease, ttlMs, {
    lost: () => lost.abort(new Error(`lost ${name}`)),
  });
  try {
    return await work(lease, AbortSignal.any([stopping, lost.signal]));
  } finally {
    letGo();
    // One that cannot be given back runs out by itself.
    await releaseLease(db, lease).catch(() => {});
  }
}
