/** A recovery ends with the incident that a person ended, and lets go of what it held. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { orAborted } from "../../src/abort.ts";
import type { IncidentId } from "../../src/ids.ts";
import type { Step } from "../../src/layers/layer.ts";
import { onlyFrees } from "../../src/recovery/phases.ts";
import { pinned, reaches, start, startRouter } from "../rollouts/world.ts";
import { startDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";
import { createFakeWorld, type FakeOptions, readFakeWorld, undoOf } from "./fake-layers.ts";
import { startFakeRoom } from "./fake-room.ts";

const incident = "inc_1" as IncidentId;
const because = "token:ann closed inc_1: a false alarm";

/** A room whose recovery stands in the step of this stage, until it is let go on. */
async function standingIn(stage: Step["stage"], options: Pick<FakeOptions, "looking"> = {}) {
  const store = await startDatabase({ max: 4 });
  await createFakeWorld(store.db);
  const there = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const events: string[] = [];
  const room = await startFakeRoom(store.db, {
    ...options,
    async before(step) {
      if (step.stage !== stage) return;
      there.resolve();
      await goOn.promise;
    },
    told: async ({ kind }) => void events.push(kind),
  });
  const planned = await room.plan(undoOf(incident), "lastgood", { automatic: true });
  await room.run(planned.id, planned.digest, "lastgood");
  await there.promise;
  return {
    ...{ db: store.db, room, events, goOn: goOn.resolve, id: planned.id },
    callOff: (which: { automaticOnly?: boolean; waitingOnly?: boolean } = {}) =>
      store.db.begin((tx) => room.callOff(tx, incident, { because, ...which })),
    letGo: () => store.db.begin((tx) => room.letGo(tx, incident)),
    async states() {
      const found = await room.find(planned.id);
      return found?.steps.map(({ step, state }) => `${step.says}: ${state}`);
    },
    async [Symbol.asyncDispose]() {
      goOn.resolve();
      await room.loop.stop();
      await store[Symbol.asyncDispose]();
    },
  };
}

test("a recovery that is called off takes no further step, and frees what it had held", async () => {
  await using world = await standingIn("hold");
  await world.callOff();
  await world.letGo();
  world.goOn();
  await until("the hand and the inbox to be free", async () => {
    const { fleet, messages } = await readFakeWorld(world.db);
    return fleet === "free (2)" && messages === "flowing (2)";
  });
  const found = await world.room.find(world.id);
  assert.deepEqual([found?.state, found?.because], ["refused", because]);
  assert.deepEqual((await readFakeWorld(world.db)).code, "bad (0)");
  await until("both to be in the journal", async () => {
    const states = await world.states();
    return states?.at(-1) === "release: verified" && states.includes("reinstate: verified");
  });
  const further = world.events.filter((kind) => kind !== "contained");
  assert.deepEqual(further, [], "it neither failed nor went on");
});

test("what was not held yet is not freed", async () => {
  await using world = await standingIn("contain");
  await world.callOff();
  await world.letGo();
  world.goOn();
  await until("the hand to be free", async () => {
    return (await readFakeWorld(world.db)).fleet === "free (2)";
  });
  await until("it to be over", async () => {
    const [row] = await world.db<{ over: boolean }[]>`
      select not letting_go as over from recoveries where id = ${world.id}`;
    return row?.over;
  });
  assert.equal((await world.states())?.at(-1), "release: pending");
});

test("what is called off before it is let go of stays held, and a later proof frees it", async () => {
  await using world = await standingIn("hold");
  await world.callOff();
  world.goOn();
  await until("the hold", async () => (await world.states())?.[1] === "hold: verified");
  const proof = await world.room.plan(undoOf(incident), "token:ann");
  assert.equal((await readFakeWorld(world.db)).messages, "held (1)");
  await world.db`update recovery_steps set state = 'verified' where recovery = ${proof.id}`;
  await world.room.run(proof.id, proof.digest, "token:ann");
  await until("the hand to be free", async () => {
    const { fleet, messages } = await readFakeWorld(world.db);
    return fleet === "free (2)" && messages === "flowing (2)";
  });
});

test("what earlier recoveries hold is let go of after the later one's replay, and before its own is", () => {
  const ways = [
    ["settle", "replay", false],
    ["settle", "release", true],
    ["replay", "replay", false],
    ["replay", "release", true],
    ["replay", null, true],
    ["release", null, false],
  ] as const;
  for (const [done, next, frees] of ways)
    assert.equal(onlyFrees(done, next), frees, `${done}, ${next}`);
});

test("a recovery that waits in a step is called off there", async () => {
  await using world = await standingIn("settle", {
    looking: (step, signal) =>
      step.stage === "settle" ? orAborted(new Promise<never>(() => {}), signal) : null,
  });
  world.goOn();
  await until("the step to wait", async () => {
    return (await world.states())?.includes("await the baseline: applied");
  });
  await world.callOff();
  await world.letGo();
  await until("the hand to be free", async () => {
    return (await readFakeWorld(world.db)).fleet === "free (2)";
  });
  assert.equal((await world.room.find(world.id))?.state, "refused");
});

test("a person's own recovery goes on where only what is automatic is called off", async () => {
  await using world = await standingIn("hold");
  await world.db`update recoveries set automatic = false where id = ${world.id}`;
  await world.callOff({ automaticOnly: true });
  world.goOn();
  await until("its end", async () => (await world.room.find(world.id))?.state === "verified");
});

test("where only what waits is called off, nothing is once one has begun", async () => {
  await using world = await standingIn("hold");
  const waits = await world.room.plan(undoOf(incident), "lastgood", { automatic: true });
  const asked = { automaticOnly: true, waitingOnly: true };
  await assert.rejects(world.callOff(asked), { code: "state_forbids" });
  assert.equal((await world.room.find(waits.id))?.state, "planned");
  world.goOn();
  await until("its end", async () => (await world.room.find(world.id))?.state === "verified");
  const own = await world.room.plan(undoOf(incident), "token:ann");
  await world.callOff(asked);
  assert.equal((await world.room.find(waits.id))?.state, "refused");
  assert.equal((await world.room.find(own.id))?.state, "planned", "a person's own");
});

test("a failed recovery frees what it held once its incident is over", async () => {
  await using world = await standingIn("restore");
  await world.db`update recoveries set state = 'failed' where id = ${world.id}`;
  world.goOn();
  await until(
    "the runner to stop",
    async () => (await world.states())?.[2] === "revert bad: verified",
  );
  assert.equal((await readFakeWorld(world.db)).fleet, "contained (1)");
  await world.callOff();
  await world.letGo();
  await until("the hand to be free", async () => {
    return (await readFakeWorld(world.db)).fleet === "free (2)";
  });
  assert.equal((await world.room.find(world.id))?.state, "failed");
});

for (const acts of [["take", "close"], ["take", "done"], ["close"]] as const) {
  test(`${acts.join(", then ")}: the dial stays where the person left it`, async () => {
    await using server = await startRouter({ ramp: [100], holdback: 5, reverseHold: "60s" });
    const { client, judge } = server;
    const { id } = await start(client);
    await reaches(client, id, "canary", 100);
    judge.say("well");
    await reaches(client, id, "live", 95);
    await until("it to be watched beside v13", () => {
      return judge.watched.get("production/router")?.control === "v13";
    });
    judge.say("regression");
    const { incident: named } = await reaches(client, id, "rolling-back", 90);
    const opened = named ?? "";
    judge.say("well");
    if (acts[0] === "take") {
      await client.takeIncident(opened, "let me look");
      await until("it to wait", async () => (await client.rollout(id)).waits?.includes("took"));
    }
    if (acts.at(-1) === "close") await client.closeIncident(opened, "a false alarm: it stays");
    else await client.finishIncident(opened, "it was the cache");
    const shares = await pinned(client);
    const waits = await until("it to say why", async () => {
      const said = (await client.rollout(id)).waits;
      return said?.includes("token:admin") && !said.includes("took") ? said : null;
    });
    assert.match(waits, /token:admin (closed|put right)/);
    const { recoveries } = await client.recoveries({});
    const recovery = recoveries.find(({ automatic }) => automatic);
    assert.equal(recovery?.state, "refused");
    assert.match(recovery.because, /token:admin/);
    const { timeline } = await client.incident(opened);
    assert.ok(timeline.some(({ event }) => event === "recovery.called-off"));
    const staging = "staging";
    await client.deployRelease(staging, "router", { version: "v13", because: "the first" });
    const elsewhere = await client.startRollout(staging, "router", { version: "v15" });
    await reaches(client, elsewhere.id, "live");
    assert.equal(await pinned(client), shares);
    await client.backRollout(id, { because: "it was bad after all", now: true });
    await reaches(client, id, "rolled-back");
  });
}
