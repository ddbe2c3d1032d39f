import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../src/fault.ts";
import type { ChangeId, IncidentId } from "../../src/ids.ts";
import type { Step } from "../../src/layers/layer.ts";
import { recordChanges } from "../../src/ledger/ledger-store.ts";
import {
  type Contradiction,
  contradictionOf,
  type Hand,
} from "../../src/recovery/contradiction.ts";
import type { RecoveryEvent } from "../../src/recovery/recovery.ts";
import { newChangeId, realWorld } from "../../src/world.ts";
import { startDatabase } from "../support/database.ts";
import { createFakeWorld, runtimeStep, undoOf } from "./fake-layers.ts";
import { startFakeRoom } from "./fake-room.ts";

const hold: Step = {
  layer: "messages",
  stage: "hold",
  action: { do: "hold", consumer: "marketing-durable-v1", because: "" },
  says: "hold",
};

function hand(actor: string, changes: readonly string[], steps: readonly Step[]): Hand {
  const undo = { ...undoOf(), changes: changes as readonly ChangeId[] };
  return { actor, recovery: { id: `rec_${actor}`, undo, undoes: null, plan: { steps } } } as never;
}

test("two actors contradict each other when they put back the same thing for different reasons", () => {
  const serve = [runtimeStep("bad", "good")];
  const found = contradictionOf(hand("ann", ["a"], serve), hand("lastgood", ["b"], serve));
  assert.equal(found?.target, "runtime:content-api");
  assert.deepEqual(found.actors, ["ann", "lastgood"]);
  assert.deepEqual(found.changes, ["a", "b"]);
});

test("the same actor, the same wish, or only an inbox in common is no contradiction", () => {
  const serve = [runtimeStep("bad", "good")];
  const ann = hand("ann", ["a", "b"], serve);
  assert.equal(contradictionOf(ann, hand("ann", ["c"], serve)), null);
  assert.equal(contradictionOf(ann, hand("bob", ["b", "a"], serve)), null);
  assert.equal(contradictionOf(hand("ann", ["a"], [hold]), hand("bob", ["b"], [hold])), null);
});

async function startWorld(options: Parameters<typeof startFakeRoom>[1] = {}) {
  const store = await startDatabase({ max: 4 });
  await createFakeWorld(store.db);
  const events: RecoveryEvent[] = [];
  const told: Contradiction[] = [];
  const end = Promise.withResolvers<RecoveryEvent>();
  const room = await startFakeRoom(store.db, {
    ...options,
    told: async (event) => {
      events.push(event);
      if (event.kind === "failed" || event.kind === "resumed") end.resolve(event);
    },
    contradicted: async (contradiction) => {
      told.push(contradiction);
      return "inc_contradiction" as IncidentId;
    },
  });
  return {
    db: store.db,
    room,
    told,
    ended: () => end.promise,
    async [Symbol.asyncDispose]() {
      await room.loop.stop();
      await store[Symbol.asyncDispose]();
    },
  };
}

const wish = (...changes: readonly string[]) => ({
  ...undoOf(),
  changes: changes as readonly ChangeId[],
});

test("a recovery that is refused for another actor's is told as a contradiction, its own actor's is not", async () => {
  const held = Promise.withResolvers<void>();
  await using world = await startWorld({ before: () => held.promise });
  const first = await world.room.plan(wish("a"), "token:ann");
  const second = await world.room.plan(wish("b"), "token:bob");
  await world.room.run(first.id, first.digest, "token:ann");
  await assert.rejects(world.room.run(second.id, second.digest, "token:ann"), {
    code: "target_busy",
  });
  assert.deepEqual(world.told, []);
  await assert.rejects(world.room.run(second.id, second.digest, "token:bob"), {
    code: "target_busy",
  });
  assert.deepEqual(
    world.told.map(({ target, actors }) => [target, actors]),
    [["code:content-api", ["token:ann", "token:bob"]]],
  );
  held.resolve();
  await world.ended();
});

test("a recovery whose service somebody else has serve something else stops, and fights nobody", async () => {
  let moved = false;
  await using world = await startWorld({
    async before(step) {
      if (step.layer !== "runtime" || moved) return;
      moved = true;
      await world.db`update fake_world set value = 'mine' where thing = 'runtime'`;
      const deploy = { id: newChangeId(realWorld), at: new Date(), layer: "runtime" } as const;
      await recordChanges(world.db, [
        { ...deploy, kind: "deploy", target: "content-api", agent: "token:ann", to: "mine" },
      ]);
    },
  });
  const planned = await world.room.plan(wish("a"), "lastgood", { automatic: true });
  await world.room.run(planned.id, planned.digest, "lastgood");
  const event = await world.ended();
  assert.equal(event.kind, "failed");
  assert.equal(event.calledFor, "inc_contradiction");
  assert.match(event.says, /token:ann had content-api serve mine while rec_/);
  assert.deepEqual(
    world.told.map(({ target, actors }) => [target, actors]),
    [["runtime:content-api", ["lastgood", "token:ann"]]],
  );
  assert.equal((await world.room.find(planned.id))?.state, "failed");
});

test("a world that moved so that nothing can be planned any more ends the recovery, and says why", async () => {
  let moved = false;
  await using world = await startWorld({
    async before(step) {
      if (step.layer !== "code" || moved) return;
      moved = true;
      await world.db`update fake_world set value = 'newer' where thing = 'code'`;
    },
    async planning() {
      if (moved) throw new Fault("nothing_to_revert", "somebody took it back already");
    },
  });
  const planned = await world.room.plan(wish("a"), "test");
  await world.room.run(planned.id, planned.digest, "test");
  const event = await world.ended();
  assert.equal(event.kind, "failed");
  assert.match(event.says, /cannot be planned again: somebody took it back already/);
  assert.equal(event.calledFor, undefined);
});
