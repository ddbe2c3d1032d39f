import assert from "node:assert/strict";
import { test } from "node:test";
import {
  keepLease,
  releaseLease,
  renewLease,
  requireLease,
  takeLease,
  whileHolding,
} from "../../src/store/lease.ts";
import { startDatabase, type TestDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";

const minute = 60_000;

test("a lease has one holder, who keeps its epoch while renewing", async () => {
  await using store = await startDatabase();
  const first = await takeLease(store.db, "recovery", "a", minute);
  assert.deepEqual(first, { name: "recovery", holder: "a", epoch: 1 });
  assert.equal(await takeLease(store.db, "recovery", "b", minute), null);
  assert.deepEqual(await takeLease(store.db, "recovery", "a", minute), first);
  assert.notEqual(await takeLease(store.db, "another", "b", minute), null);
});

test("a take-over raises the epoch, and the former holder is fenced", async () => {
  await using store = await startDatabase();
  const former = await takeLease(store.db, "recovery", "a", 0);
  assert.ok(former);
  const next = await takeLease(store.db, "recovery", "b", minute);
  assert.equal(next?.epoch, 2);
  await assert.rejects(requireLease(store.db, former), { code: "fenced" });
  await requireLease(store.db, next ?? former);
});

test("one who lets its lease run out and takes it again is another holder by epoch", async () => {
  await using store = await startDatabase();
  const before = await takeLease(store.db, "recovery", "a", 0);
  const after = await takeLease(store.db, "recovery", "a", minute);
  assert.ok(before && after);
  assert.equal(after.epoch, 2);
  await assert.rejects(requireLease(store.db, before), { code: "fenced" });
});

test("of many who reach for a free lease at once, one gets it", async () => {
  await using store = await startDatabase();
  await takeLease(store.db, "recovery", "dead", 0);
  const taken = await Promise.all(
    Array.from({ length: 10 }, (_, index) => takeLease(store.db, "recovery", `h${index}`, minute)),
  );
  const holders = taken.filter((lease) => lease !== null);
  assert.equal(holders.length, 1);
  assert.equal(holders[0]?.epoch, 2);
});

test("a released lease is free at once, and a late release takes nothing from the next holder", async () => {
  await using store = await startDatabase();
  const first = await takeLease(store.db, "recovery", "a", minute);
  assert.ok(first);
  await releaseLease(store.db, first);
  const next = await takeLease(store.db, "recovery", "b", minute);
  assert.ok(next);
  await releaseLease(store.db, first);
  await requireLease(store.db, next);
  assert.equal(await takeLease(store.db, "recovery", "c", minute), null);
});

test("a transaction that checked its lease ends before another can take it over", async () => {
  await using store = await startDatabase();
  const held = await takeLease(store.db, "recovery", "a", 0);
  assert.ok(held);
  let takenOver = false;
  let taking: Promise<unknown> = Promise.resolve();
  await store.db.begin(async (tx) => {
    await requireLease(tx, held);
    taking = takeLease(store.db, "recovery", "b", minute).then(() => {
      takenOver = true;
    });
    // The other now waits for our row lock: shown by the database, not by the clock.
    for (;;) {
      const waiting = await store.db`
        select from pg_locks l join pg_stat_activity a using (pid)
        where not l.granted and a.datname = current_database()`;
      if (waiting.length > 0) break;
    }
    assert.equal(takenOver, false);
  });
  await taking;
  await assert.rejects(requireLease(store.db, held), { code: "fenced" });
});

/** Work under a lease of `a`, which goes on until it is told to end, whatever becomes of the lease. */
async function working({ db }: TestDatabase) {
  const begun = Promise.withResolvers<AbortSignal>();
  const end = Promise.withResolvers<void>();
  const held = { name: "recovery", holder: "a", ttlMs: 300 };
  const ended = whileHolding(db, held, new AbortController().signal, async (_, signal) => {
    begun.resolve(signal);
    await end.promise;
  });
  const signal = await begun.promise;
  return {
    signal,
    async [Symbol.asyncDispose]() {
      end.resolve();
      await ended;
    },
  };
}

test("one who was held up for longer than its lease goes on, where nobody took it meanwhile", async () => {
  await using store = await startDatabase();
  await using work = await working(store);
  await store.db`update leases set expires_at = now() - interval '1 hour'`;
  await until("the lease to be renewed", async () => {
    const [row] = await store.db<{ epoch: number }[]>`
      select epoch from leases where expires_at > now() - interval '1 minute'`;
    return row;
  });
  assert.equal(work.signal.aborted, false);
  const [row] = await store.db`select holder, epoch from leases`;
  assert.deepEqual({ ...row }, { holder: "a", epoch: 1 });
});

test("one whose lease went to another does not take it again while its work comes to an end", async () => {
  await using store = await startDatabase();
  await using work = await working(store);
  await store.db`update leases set holder = 'b', epoch = 2, expires_at = now()`;
  await until("it to be told", () => work.signal.aborted);
  assert.equal((await takeLease(store.db, "recovery", "c", minute))?.epoch, 3);
});

test("a renewal that comes after the lease was given back holds nothing", async () => {
  await using store = await startDatabase();
  const held = await takeLease(store.db, "recovery", "a", minute);
  assert.ok(held !== null);
  await releaseLease(store.db, held);
  assert.equal(await renewLease(store.db, held, minute), false);
  assert.equal((await takeLease(store.db, "recovery", "a", minute))?.epoch, 2);
});

test("who hears nothing of its renewals for as long as the lease runs is told, and asks on", async () => {
  await using store = await startDatabase();
  const { db } = store;
  const held = await takeLease(db, "recovery", "a", 300);
  assert.ok(held !== null);
  let ranOut = 0;
  const lost = () => assert.fail("nobody took it");
  const letGo = keepLease(db, held, 300, { lost, ranOut: () => void ranOut++ });
  try {
    await db.begin(async (tx) => {
      await tx`select from leases for update`;
      await until("it to be told that nobody answers", () => ranOut > 0);
    });
    await until("it to be renewed", async () => {
      const [row] = await db`select from leases where expires_at > now()`;
      return row !== undefined;
    });
  } finally {
    letGo();
  }
});
