import assert from "node:assert/strict";
import { test } from "node:test";
import { orAborted } from "../../src/abort.ts";
import { Fault } from "../../src/fault.ts";
import type { IncidentId } from "../../src/ids.ts";
import type { RecoveryEvent } from "../../src/recovery/recovery.ts";
import { startDatabase } from "../support/database.ts";
import { createFakeWorld, readFakeWorld, undoOf } from "./fake-layers.ts";
import { startFakeRoom } from "./fake-room.ts";

async function startWorld(options: Parameters<typeof startFakeRoom>[1] = {}) {
  const store = await startDatabase({ max: 4 });
  await createFakeWorld(store.db);
  const events: RecoveryEvent[] = [];
  let end = Promise.withResolvers<string>();
  const room = await startFakeRoom(store.db, {
    ...options,
    told: async (event) => {
      events.push(event);
    },
    reached: async (id, point) => {
      if (point === "ended") end.resolve(id);
    },
  });
  return {
    db: store.db,
    room,
    events,
    async ended() {
      const id = await end.promise;
      end = Promise.withResolvers<string>();
      return id;
    },
    async [Symbol.asyncDispose]() {
      await room.loop.stop();
      await store[Symbol.asyncDispose]();
    },
  };
}

test("a recovery is contained, restored, verified and resumed, in this order", async () => {
  await using world = await startWorld();
  const planned = await world.room.plan(undoOf(), "test");
  await world.room.run(planned.id, planned.digest, "test");
  await world.ended();
  assert.deepEqual(
    world.events.map((event) => event.kind),
    ["contained", "restored", "verified", "resumed"],
  );
  const found = await world.room.find(planned.id);
  assert.deepEqual([...new Set(found?.steps.map((step) => step.state))], ["verified"]);
});

test("planning moves nothing, and the same world gives the same digest", async () => {
  await using world = await startWorld();
  const before = await readFakeWorld(world.db);
  const one = await world.room.plan(undoOf(), "test");
  const two = await world.room.plan(undoOf(), "test");
  assert.equal(one.digest, two.digest);
  assert.deepEqual(await readFakeWorld(world.db), before);
});

test("another digest than the one shown runs nothing", async () => {
  await using world = await startWorld();
  const planned = await world.room.plan(undoOf(), "test");
  const other = "0".repeat(64);
  await assert.rejects(world.room.run(planned.id, other, "test"), { code: "plan_stale" });
  await assert.rejects(world.room.approve(planned.id, other, "test"), { code: "plan_stale" });
  assert.equal((await world.room.find(planned.id))?.state, "planned");
});

test("a layer whose apply does nothing fails its verification, and what is left is not begun", async () => {
  await using world = await startWorld({ lies: true });
  const planned = await world.room.plan(undoOf(), "test");
  await world.room.run(planned.id, planned.digest, "test");
  await world.ended();
  const found = await world.room.find(planned.id);
  assert.equal(found?.state, "failed");
  assert.deepEqual(
    found?.steps.map((step) => step.state),
    ["failed", "pending", "pending", "pending", "pending", "pending", "pending"],
  );
  assert.match(world.events.at(-1)?.says ?? "", /contain.*failed.*hold: pending/);
});

test("a world that moved is planned again, and the new plan is the one that runs", async () => {
  let moved = false;
  await using world = await startWorld({
    async before(step) {
      if (step.layer !== "code" || moved) return;
      moved = true;
      await world.db`update fake_world set value = 'newer' where thing = 'code'`;
    },
  });
  const planned = await world.room.plan(undoOf(), "test");
  await world.room.run(planned.id, planned.digest, "test");
  const ended = await world.ended();
  assert.notEqual(ended, planned.id);
  assert.equal((await world.room.find(planned.id))?.state, "superseded");
  assert.equal((await readFakeWorld(world.db)).code, "good-after-newer (1)");
});

test("of two recoveries that move the same thing the second is refused", async () => {
  const held = Promise.withResolvers<void>();
  await using world = await startWorld({ before: () => held.promise });
  const first = await world.room.plan(undoOf(), "test");
  const second = await world.room.plan(undoOf("inc_other" as IncidentId), "test");
  await world.room.run(first.id, first.digest, "test");
  await assert.rejects(world.room.run(second.id, second.digest, "test"), {
    code: "target_busy",
    message: new RegExp(first.id),
  });
  held.resolve();
  await world.ended();
});

test("a recovery is itself taken back", async () => {
  await using world = await startWorld();
  const planned = await world.room.plan(undoOf(), "test");
  await world.room.run(planned.id, planned.digest, "test");
  await world.ended();
  const back = await world.room.planUndoOf(planned.id, "test");
  await world.room.run(back.id, back.digest, "test");
  await world.ended();
  assert.equal((await readFakeWorld(world.db)).code, "bad (2)");
});

test("something that is away is tried again, a refusal is not", async () => {
  let tries = 0;
  await using world = await startWorld({
    async before(step) {
      if (step.layer !== "code") return;
      tries += 1;
      if (tries < 3) throw new Fault("layer_unreachable", "the remote is away");
      throw new Fault("branch_checked_out", "the branch is checked out");
    },
  });
  const planned = await world.room.plan(undoOf(), "test");
  await world.room.run(planned.id, planned.digest, "test");
  await world.ended();
  assert.equal(tries, 3);
  assert.match((await world.room.find(planned.id))?.because ?? "", /branch is checked out/);
});

test("a step that takes longer than its time ends the recovery, and somebody hears of it", async () => {
  let looks = 0;
  await using world = await startWorld({
    stepMs: 200,
    looking(step, signal) {
      if (step.stage !== "settle") return null;
      looks += 1;
      return orAborted(new Promise<never>(() => {}), signal);
    },
  });
  const planned = await world.room.plan(undoOf(), "test");
  await world.room.run(planned.id, planned.digest, "test");
  await world.ended();
  const found = await world.room.find(planned.id);
  assert.deepEqual([found?.state, looks], ["failed", 1]);
  assert.match(found?.because ?? "", /"await the baseline" .*longer than its 0.2 s/);
  assert.match(
    found?.steps.find(({ state }) => state === "failed")?.observed.join() ?? "",
    /0.2 s/,
  );
  assert.equal(world.events.at(-1)?.kind, "failed");
});

test("a freeze stops an automatic recovery before its next step, and not a person's", async () => {
  let frozen = false;
  const asked = Promise.withResolvers<void>();
  await using world = await startWorld({
    async heldBecause() {
      if (frozen) asked.resolve();
      return frozen ? "frozen" : null;
    },
    async before() {
      frozen = true;
    },
  });
  const automatic = await world.room.plan(undoOf(), "lastgood", { automatic: true });
  await world.room.run(automatic.id, automatic.digest, "lastgood");
  await asked.promise;
  await world.room.loop.stop();
  const found = await world.room.find(automatic.id);
  assert.deepEqual([found?.state, found?.because], ["running", "frozen"]);
  assert.deepEqual(found?.steps.map((step) => step.state).slice(0, 2), ["verified", "pending"]);
});
