import assert from "node:assert/strict";
import { test } from "node:test";
import type { PinShare } from "@lastgood/sdk";
import type { ChangeId, IncidentId } from "../../../src/ids.ts";
import type { ApplyContext, Step, Undo } from "../../../src/layers/layer.ts";
import { createVersionsLayer } from "../../../src/layers/versions/versions-layer.ts";
import { newChangeId, realWorld } from "../../../src/world.ts";
import { artifact, deploy, production, refused, startReleases } from "../../releases/world.ts";
import type { TestServer } from "../../support/server.ts";
import { until } from "../../support/until.ts";

/** The runner bounds each test: a deadline for all of them together would be the machine's. */
const { signal } = new AbortController();

function undoOf(...changes: readonly string[]): Undo {
  return {
    ...{ changes: changes as readonly ChangeId[], agents: [], services: [] },
    ...{ since: new Date(0), incident: "inc_1" as IncidentId, because: "refunds fail" },
  };
}

function contextOf(): ApplyContext {
  return { changeId: newChangeId(realWorld), actor: "recovery:rec_1", reason: "refunds fail" };
}

/** The layer, over the server's own database. */
function layerOf(server: TestServer, moved: () => Promise<void> = async () => {}) {
  const { db } = server.lastgood;
  return createVersionsLayer({ db, world: realWorld, carriersOf: () => [], moved });
}

/** As it is stored and read back. */
function asStored(step: Step<"versions"> | undefined): Step<"versions"> {
  assert.ok(step);
  return JSON.parse(JSON.stringify(step)) as Step<"versions">;
}

async function pinned(server: TestServer): Promise<readonly PinShare[]> {
  return (await server.client.pin(production, artifact)).shares;
}

/** 1.0.0 served everybody, 2.0.0 does, and the step that takes that back is planned. */
async function aboutToGoBack() {
  const server = await startReleases(["1.0.0", "2.0.0", "3.0.0"]);
  const layer = layerOf(server);
  await deploy(server.client, "1.0.0");
  const { change } = await deploy(server.client, "2.0.0");
  const step = asStored((await layer.plan(undoOf(change), signal)).steps[0]);
  return { ...server, layer, change, step };
}

const all = (version: string) => [{ version, share: 100 }];

test("a pin goes back to the release before, once, and the pin read afresh says so", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client } = server;
  let moves = 0;
  const layer = layerOf(server, async () => {
    moves += 1;
  });
  await deploy(client, "1.0.0");
  const { change: canary } = await deploy(client, "2.0.0", 10);
  const { change: bad, epoch } = await deploy(client, "2.0.0");
  const plan = await layer.plan(undoOf(bad), signal);
  assert.deepEqual(await layer.plan(undoOf(bad), signal), plan, "the same plan");
  assert.deepEqual(plan.conflicts, []);
  assert.match(plan.gaps.join(), /nobody says that they follow the pin of customer-service/);
  const step = asStored(plan.steps[0]);
  assert.equal(step.says, "pin 1.0.0 of customer-service in production instead of 2.0.0");
  assert.deepEqual(step.action.from, { epoch, shares: all("2.0.0") });
  assert.deepEqual(step.action.bars, ["2.0.0"]);
  assert.deepEqual([...step.action.reverts].sort(), [canary, bad].sort());

  const before = await layer.verify(step, signal);
  assert.deepEqual(before.ok, false);
  const context = contextOf();
  for (let n = 0; n < 3; n++) await layer.apply(step, context, signal);
  assert.deepEqual(await pinned(server), all("1.0.0"));
  assert.equal(moves, 1, "repeated, it moves nothing");
  const { history } = await client.pin(production, artifact);
  assert.deepEqual(
    [history.length, history[0]?.did, history[0]?.change],
    [4, "recovery", context.changeId],
  );
  const verification = await layer.verify(step, signal);
  assert.ok(verification.ok === true);
  assert.match(
    verification.observed.join("\n"),
    /has 1\.0\.0 of customer-service pinned since epoch 4/,
  );
  await assert.rejects(deploy(client, "2.0.0"), refused("was_rolled_back", /in inc_1/));
});

test("a step whose pin was moved meanwhile, with the release still on it, moves nothing", async () => {
  await using world = await aboutToGoBack();
  const { client, layer, step } = world;
  await deploy(client, "3.0.0", 10, "forward instead");
  await assert.rejects(
    layer.apply(step, contextOf(), signal),
    refused("plan_stale", /moved since from 2\.0\.0: it is 2\.0\.0:90 3\.0\.0:10, by token:admin/),
  );
  const verification = await layer.verify(step, signal);
  assert.ok(verification.ok === false);
  assert.match(
    verification.differences.join(),
    /production has 2\.0\.0:90 3\.0\.0:10 \(by token:admin\).*not 1\.0\.0/,
  );
});

test("where a person moved on to the next release meanwhile, that stays, and what was to go is barred", async () => {
  await using world = await aboutToGoBack();
  const { client, layer, change, step } = world;
  await deploy(client, "3.0.0", 100, "forward instead");
  await layer.apply(step, contextOf(), signal);
  assert.deepEqual(await pinned(world), all("3.0.0"));
  const verification = await layer.verify(step, signal);
  assert.ok(verification.ok === true);
  assert.match(
    verification.observed.join(),
    /has 3\.0\.0 \(by token:admin\) pinned since epoch 3, and nothing that was to go/,
  );
  await assert.rejects(deploy(client, "2.0.0"), refused("was_rolled_back", /in inc_1/));
  assert.deepEqual((await layer.plan(undoOf(change), signal)).steps, [], "2.0.0 is gone already");
});

test("what others deployed after it went back takes nothing from that, until the release that went comes again", async () => {
  await using world = await aboutToGoBack();
  const { client, layer, step } = world;
  const context = contextOf();
  await layer.apply(step, context, signal);
  await deploy(client, "3.0.0", 10, "the next one");
  await layer.apply(step, context, signal);
  assert.equal((await client.pin(production, artifact)).history.length, 4, "it moves nothing");
  const moved = await layer.verify(step, signal);
  assert.ok(moved.ok === true, JSON.stringify(moved));
  assert.match(
    moved.observed.join("\n"),
    /had 1\.0\.0 .* at epoch 3; production has 1\.0\.0:90 3\.0\.0:10 \(by token:admin\) pinned since/,
  );
  await client.deployRelease(production, artifact, {
    ...{ version: "2.0.0", override: "it was something else" },
  });
  const again = await layer.verify(step, signal);
  assert.ok(again.ok === false);
  assert.match(again.differences.join(), /has 2\.0\.0 \(by token:admin\).*not 1\.0\.0/);
});

test("what a person put back by hand meanwhile counts as done, and the release is barred all the same", async () => {
  await using world = await aboutToGoBack();
  const { client, layer, step } = world;
  await deploy(client, "1.0.0");
  await layer.apply(step, contextOf(), signal);
  assert.ok((await layer.verify(step, signal)).ok);
  const { barred } = await client.release(artifact, "2.0.0");
  assert.deepEqual([barred?.incident, barred?.because], ["inc_1", "refunds fail"]);
});

test("what others pinned on top since is not taken along: it is a conflict", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0", "3.0.0"]);
  const { client } = server;
  const layer = layerOf(server);
  await deploy(client, "1.0.0");
  const { change } = await deploy(client, "2.0.0");
  const { change: later } = await deploy(client, "3.0.0", 10);
  const plan = await layer.plan(undoOf(change), signal);
  assert.deepEqual(plan.steps, []);
  assert.match(plan.conflicts.join(), /moved since \(token:admin pinned 2\.0\.0:90 3\.0\.0:10\)/);
  const both = await layer.plan(undoOf(later, change), signal);
  assert.deepEqual(both.conflicts, []);
  assert.deepEqual(both.steps[0]?.action.to, all("1.0.0"));
  const latest = await layer.plan(undoOf(later), signal);
  assert.deepEqual(latest.steps[0]?.action.to, all("2.0.0"));
});

test("a later step of the same ramp is no other's work", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client } = server;
  await deploy(client, "1.0.0");
  const { change } = await deploy(client, "2.0.0", 1);
  await deploy(client, "2.0.0", 50);
  const plan = await layerOf(server).plan(undoOf(change), signal);
  assert.deepEqual(plan.conflicts, []);
  assert.deepEqual(plan.steps[0]?.action.to, all("1.0.0"));
});

test("the first pin, and one with nothing good before it, cannot go back by itself", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client } = server;
  const layer = layerOf(server);
  const { change: first } = await deploy(client, "1.0.0");
  const plan = await layer.plan(undoOf(first), signal);
  assert.match(plan.conflicts.join(), /nothing to go back to in production/);
  assert.deepEqual((await layer.plan(undoOf(), signal)).steps, []);
});

test("undoing a step brings the release back, and lifts its bar", async () => {
  await using world = await aboutToGoBack();
  const { client, layer, step } = world;
  await layer.apply(step, contextOf(), signal);
  const again = asStored((await layer.undo(step, signal)).steps[0]);
  await layer.apply(again, contextOf(), signal);
  assert.deepEqual(await pinned(world), all("2.0.0"));
  assert.ok((await layer.verify(again, signal)).ok);
  assert.equal((await client.release(artifact, "2.0.0")).barred, null);
  assert.match((await layer.undo(step, signal)).conflicts.join(), /moved since from 1\.0\.0/);
});

test("what is to come back is not there because others moved on: nothing is lifted", async () => {
  await using world = await aboutToGoBack();
  const { client, layer, step } = world;
  await layer.apply(step, contextOf(), signal);
  const undo = asStored((await layer.undo(step, signal)).steps[0]);
  await deploy(client, "3.0.0");
  await assert.rejects(layer.apply(undo, contextOf(), signal), refused("plan_stale", /3\.0\.0/));
  assert.equal((await layer.verify(undo, signal)).ok, false);
  assert.ok((await client.release(artifact, "2.0.0")).barred);
});

test("a rollback by hand is undone like any change", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client } = server;
  const layer = layerOf(server);
  await deploy(client, "1.0.0");
  await deploy(client, "2.0.0");
  const { change } = await client.rollBackRelease(production, artifact);
  const step = asStored((await layer.plan(undoOf(change), signal)).steps[0]);
  assert.deepEqual(
    [step.action.to, step.action.bars, step.action.lifts],
    [all("2.0.0"), [], ["2.0.0"]],
  );
  await layer.apply(step, contextOf(), signal);
  assert.equal((await client.release(artifact, "2.0.0")).barred, null);
});

test("verifying waits for those who follow, and lists who does not", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client, clientAs } = server;
  const layer = layerOf(server);
  await deploy(client, "1.0.0");
  const { change, epoch } = await deploy(client, "2.0.0");
  const agent = await clientAs("agent", "answerer");
  for (const id of ["good", "frozen"]) await agent.pollPins(production, id, { epoch });
  await agent.pollPins(production, "elsewhere", { epoch, artifacts: ["router"] });
  // What consumers say is written down a moment later.
  await until("both to be known", async () => {
    const { consumers } = await client.pin(production, artifact);
    return consumers.acknowledged === 2;
  });
  const step = asStored((await layer.plan(undoOf(change), signal)).steps[0]);
  await layer.apply(step, contextOf(), signal);
  const verifying = layer.verify(step, signal);
  await agent.pollPins(production, "good", { epoch: epoch + 1 });
  const verification = await verifying;
  assert.ok(verification.ok === true);
  const observed = verification.observed.join("\n");
  assert.match(observed, /1 of 2 consumers say that they follow it/);
  assert.match(observed, /straggler: frozen of answerer follows epoch 2/);
});
