/** `afterCrash: pause`, where several servers share the database. */
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import type { RecoveryId } from "../../src/ids.ts";
import type { Step } from "../../src/layers/layer.ts";
import type { Db } from "../../src/store/database.ts";
import { startDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";
import { createFakeWorld, type FakeOptions, readFakeWorld, undoOf } from "./fake-layers.ts";
import { startFakeRoom } from "./fake-room.ts";

const pausing = { afterCrash: "pause" } as const;

async function begun(db: Db, options: FakeOptions & { readonly holder: string }) {
  const room = await startFakeRoom(db, { ...pausing, ...options });
  const { id, digest } = await room.plan(undoOf(), "backend");
  await room.run(id, digest, "backend");
  return { room, id };
}

async function stateOf(db: Db, id: RecoveryId): Promise<string | undefined> {
  const [row] = await db<{ state: string }[]>`select state from recoveries where id = ${id}`;
  return row?.state;
}

async function leaseOf(db: Db, id: RecoveryId): Promise<number | undefined> {
  const [row] = await db<{ at: Date }[]>`
    select expires_at as at from leases where name = ${`recovery:${id}`}`;
  return row?.at.getTime();
}

/** One that is under way, and waits in the step until it is told to go on. */
async function stoppedAt(db: Db, isThere: (step: Step) => boolean) {
  const { promise, resolve: goOn } = Promise.withResolvers<void>();
  const there = Promise.withResolvers<void>();
  const started = await begun(db, {
    holder: "a",
    async before(step) {
      if (!isThere(step)) return;
      there.resolve();
      await promise;
    },
  });
  await there.promise;
  return { ...started, goOn };
}

test("a server that starts leaves alone what another one is running", async () => {
  await using store = await startDatabase({ max: 6 });
  const { db } = store;
  await createFakeWorld(db);
  const { room, id, goOn } = await stoppedAt(db, (step) => step.layer === "code");
  const second = await startFakeRoom(db, { ...pausing, holder: "b" });
  const before = await leaseOf(db, id);
  await until("the lease to be renewed", async () => (await leaseOf(db, id)) !== before);
  assert.equal(await stateOf(db, id), "running");
  goOn();
  await until("its end", async () => (await stateOf(db, id)) === "verified");
  await Promise.all([room.loop.stop(), second.loop.stop()]);
});

test("a server that starts leaves alone what another one only waits for", async () => {
  await using store = await startDatabase({ max: 6 });
  const { db } = store;
  await createFakeWorld(db);
  let waits = true;
  const { room, id } = await begun(db, {
    holder: "a",
    looking: (step) =>
      step.layer === "code" && waits
        ? Promise.resolve({ ok: "waiting", waitsFor: "a person's merge" } as const)
        : null,
  });
  await until("it to wait", async () => (await room.find(id))?.because.includes("merge"));
  const second = await startFakeRoom(db, { ...pausing, holder: "b" });
  assert.equal(await stateOf(db, id), "running");
  waits = false;
  await until("its end", async () => (await stateOf(db, id)) === "verified");
  await Promise.all([room.loop.stop(), second.loop.stop()]);
});

test("what a server left that died just now is paused, and nothing of it moves", async () => {
  await using store = await startDatabase({ max: 6 });
  const { db, url } = store;
  await createFakeWorld(db);
  const first = await startFakeRoom(db);
  const { id } = await first.plan(undoOf(), "test");
  await first.loop.stop();
  await db`update recoveries set state = 'running', started_at = now() where id = ${id}`;
  const doomed = fork(join(import.meta.dirname, "killed-room.ts"), [url, "2:running"]);
  await until("its third step", async () => {
    return (await first.find(id))?.steps[2]?.state === "running";
  });
  doomed.kill("SIGKILL");
  await once(doomed, "exit");
  const second = await startFakeRoom(db, { ...pausing, holder: "b" });
  assert.equal(await stateOf(db, id), "running", "its lease is not over yet");
  await until("the pause", async () => (await stateOf(db, id)) === "paused");
  assert.equal((await readFakeWorld(db)).code, "bad (0)");
  assert.match((await second.find(id))?.because ?? "", /restarted/);
  const { digest } = (await second.find(id)) ?? {};
  await second.run(id, digest ?? "", "token:ann");
  await until("its end", async () => (await stateOf(db, id)) === "verified");
  await second.loop.stop();
});

test("a recovery that is paused in mid-step takes no other", async () => {
  await using store = await startDatabase({ max: 6 });
  const { db } = store;
  await createFakeWorld(db);
  const { room, id, goOn } = await stoppedAt(db, (step) => step.stage === "hold");
  await db`update recoveries set state = 'paused' where id = ${id}`;
  goOn();
  await until("the step to end", async () => (await room.find(id))?.steps[1]?.state === "verified");
  await room.loop.stop();
  const states = (await room.find(id))?.steps.map(({ state }) => state);
  assert.deepEqual(states?.slice(0, 3), ["verified", "verified", "pending"]);
  assert.equal((await readFakeWorld(db)).code, "bad (0)");
});
