import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChangeId, IncidentId } from "../../src/ids.ts";
import type { ReleaseRegression } from "../../src/incidents/release-regression.ts";
import { closeIncident, takeIncident } from "../../src/incidents/takeover.ts";
import type { Step } from "../../src/layers/layer.ts";
import { exposeChanges, recordChanges } from "../../src/ledger/ledger-store.ts";
import type { Db } from "../../src/store/database.ts";
import { newChangeId, realWorld, type World } from "../../src/world.ts";
import { startDatabase } from "../support/database.ts";
import { type Room, type RoomOptions, startRoom, twoServices } from "./room.ts";

const config = {
  ...twoServices,
  services: {
    ...twoServices.services,
    "content-api": { ...twoServices.services["content-api"], uses: ["writer"] },
  },
};
const ofProduction = "writer@production";

const turnBack: Step<"versions"> = {
  layer: "versions",
  stage: "relieve",
  action: {
    ...{ do: "turn-back", rollout: "roll_1", environment: "production", artifact: "writer" },
    ...{ from: { epoch: 1, shares: [] }, to: [], bars: [], lifts: [], incident: null, reverts: [] },
  },
  says: "turn it back",
};

async function startReleases(db: Db, options: RoomOptions = {}): Promise<Room> {
  const room = await startRoom(db, { config, ...options });
  room.outside.steps = [turnBack];
  return room;
}

/** A release that went live in production just now, and is worse than the one before. */
async function worse(
  db: Db,
  rollout: string,
  {
    environment = "production",
    ...more
  }: Partial<ReleaseRegression["verdict"]> & {
    readonly environment?: string;
  } = {},
): Promise<ReleaseRegression> {
  const change = newChangeId(realWorld);
  const at = new Date(Date.now() - 5_000);
  await recordChanges(db, [
    { ...{ id: change, at, layer: "versions", kind: "deploy", target: "writer" }, agent: rollout },
  ]);
  await exposeChanges(db, [change], "content-api", at, change);
  return {
    ...{ rollout, environment, artifact: "writer", candidate: "v2", prior: "v1" },
    ...{ changes: [change], automatic: "auto" },
    verdict: {
      ...{ signal: "quality", dimension: null, evidence: 5_000, level: 0.5, against: 0.9 },
      ...{ samples: 100, onset: new Date(), control: "v1", failing: [] },
      ...{ says: `quality of ${rollout} is worse`, ...more },
    },
  };
}

/** What fell together with what served before it. */
async function fallen(db: Db, rollout: string, environment = "production") {
  return await worse(db, rollout, { environment, says: `quality of ${rollout} fell, and v1 too` });
}

function decidedOn(incident: { decision: { changes: readonly string[] } | null }) {
  return incident.decision?.changes ?? [];
}

test("a release is judged by itself, though what was proposed about the one before is still open", async () => {
  await using store = await startDatabase();
  await using room = await startReleases(store.db, { config: { ...config, mode: "propose" } });
  const v14 = await worse(store.db, "roll_14");
  const v15 = await worse(store.db, "roll_15");
  const first = await room.incidents.reportRelease(v14);
  const second = await room.incidents.reportRelease(v15);
  assert.notEqual(second, first);
  const shown = await room.incidents.show(second);
  assert.deepEqual([shown.decision?.act, decidedOn(shown)], ["propose", v15.changes]);
  assert.ok(shown.recovery);
  assert.equal((await room.pages()).length, 2);
  // Told again while it lasts, each is the incident that it was.
  assert.equal(await room.incidents.reportRelease(v14), first);
  assert.equal(await room.incidents.reportRelease(v15), second);
  assert.equal((await room.open()).length, 2);
});

test("a release goes back by itself, though the recovery of the one before failed and waits for a person", async () => {
  await using store = await startDatabase();
  await using room = await startReleases(store.db);
  const first = await room.incidents.reportRelease(await worse(store.db, "roll_14"));
  await room.eventually("the first to go back", async () => room.outside.ran.length === 1);
  await room.tell((await room.incidents.show(first)).recovery ?? "", "failed");
  await room.reaches(first, "frozen");
  const second = await room.incidents.reportRelease(await worse(store.db, "roll_15"));
  await room.eventually("the second to go back", async () => room.outside.ran.length === 2);
  assert.equal(room.outside.ran[1]?.id, (await room.incidents.show(second)).recovery);
  assert.equal((await room.incidents.show(first)).state, "frozen");
});

test("the third release in a row that would go back by itself calls a person instead", async () => {
  await using store = await startDatabase();
  const capped = { ...config, caps: { recoveriesInARow: 2 } };
  await using room = await startReleases(store.db, { config: capped });
  for (const rollout of ["roll_14", "roll_15"]) {
    const id = await room.incidents.reportRelease(await worse(store.db, rollout));
    assert.equal((await room.incidents.show(id)).decision?.act, "run");
  }
  const third = await room.incidents.reportRelease(await worse(store.db, "roll_16"));
  const { state, severity, because } = await room.incidents.show(third);
  assert.deepEqual([state, severity], ["frozen", "critical"]);
  assert.match(because, /cap of 2 automatic recoveries in a row/);
});

test("who took the service over is told of the next bad release, and nothing moves under their hands", async () => {
  await using store = await startDatabase();
  await using room = await startReleases(store.db);
  const first = await room.incidents.reportRelease(await worse(store.db, "roll_14"));
  await room.eventually("the first to go back", async () => room.outside.ran.length === 1);
  await takeIncident(room.deps, first, "token:ann", "let me look");
  const bad = await worse(store.db, "roll_15");
  const second = await room.incidents.reportRelease(bad);
  assert.notEqual(second, first);
  const told = (await room.incidents.show(first)).timeline.filter(
    ({ event }) => event === "release.regressed",
  );
  assert.equal(told.length, 1);
  assert.ok(told[0]?.text.includes(second), told[0]?.text);
  const page = (await room.pages()).find(({ incident }) => incident === second);
  assert.match(page?.summary ?? "", /token:ann took/);
  await room.incidents.reportRelease(bad);
  const looks = room.outside.asked;
  await room.eventually("it to be handed over", async () => room.outside.asked > looks + 3);
  assert.equal(room.outside.ran.length, 1);
});

test("a bad release in staging is not what production fails of, and hides none of it", async () => {
  await using store = await startDatabase();
  await using room = await startReleases(store.db, { evidence: () => 1 });
  const elsewhere = await worse(store.db, "roll_1", { environment: "staging" });
  const staging = await room.incidents.reportRelease(elsewhere);
  room.say({ rule: "content-api.errors", severity: "low" });
  const own = await room.eventually("an incident of production", async () =>
    (await room.open()).find(({ id, state }) => id !== staging && state === "decided"),
  );
  assert.equal(own.decision?.act, "none");
  const next = await worse(store.db, "roll_2", { environment: "staging" });
  assert.notEqual(await room.incidents.reportRelease(next), own.id);
  const release = await worse(store.db, "roll_3");
  assert.equal(await room.incidents.reportRelease(release), own.id, "it concludes what was open");
  const shown = await room.incidents.show(own.id as IncidentId);
  assert.deepEqual([shown.decision?.act, decidedOn(shown)], ["run", release.changes]);
});

test("a bad release ends the drift that its service was in, and goes back", async () => {
  await using store = await startDatabase();
  await using room = await startReleases(store.db);
  room.say({ kind: "drift" });
  const { id, kind } = await room.only("decided");
  assert.equal(kind, "drift");
  assert.equal(await room.incidents.reportRelease(await worse(store.db, "roll_1")), id);
  const shown = await room.incidents.show(id as IncidentId);
  assert.deepEqual([shown.kind, shown.decision?.act], ["regression", "run"]);
  await room.eventually("it to go back", async () => room.outside.ran.length === 1);
});

test("what regresses in a service that drifted is looked into at once, and calls somebody", async () => {
  await using store = await startDatabase();
  const paging = { ...config, pages: { containWithin: "200ms" } };
  await using room = await startReleases(store.db, { config: paging, evidence: () => 1 });
  room.say({ kind: "drift", severity: "low" });
  const drifted = await room.only("decided");
  room.say({ rule: "content-api.errors", severity: "high", hard: true });
  const shown = await room.eventually("it to be decided anew", async () => {
    const now = await room.incidents.show(drifted.id as IncidentId);
    return now.timeline.filter(({ event }) => event === "incident.decided").length === 2 && now;
  });
  assert.deepEqual([shown.kind, shown.symptoms.length], ["regression", 2]);
  await room.eventually("a page", async () => (await room.pages()).length === 1);
  assert.equal((await room.open()).length, 1);
});

test("releases that fell with what served before open one incident of drift, which puts nothing back and is over when they are well", async () => {
  await using store = await startDatabase();
  const clock = { aheadMs: 0 };
  const world: World = { ...realWorld, now: () => new Date(Date.now() + clock.aheadMs) };
  await using room = await startReleases(store.db, { world, quietMs: 200 });
  const fell = await fallen(store.db, "roll_1");
  room.outside.states.set(ofProduction, "bad");
  await Promise.all([room.incidents.reportDrift(fell), room.incidents.reportDrift(fell)]);
  const shown = await room.only("decided");
  assert.deepEqual(
    [shown.kind, shown.severity, shown.decision?.act, decidedOn(shown)],
    ["drift", "high", "none", []],
  );
  const told = shown.timeline.find(({ event }) => event === "drift.detected");
  assert.ok(told?.text.includes(fell.verdict.says), told?.text);
  await room.incidents.reportDrift(fell);
  assert.equal((await room.open()).length, 1);
  clock.aheadMs = 301_000;
  await room.eventually("a page", async () => (await room.pages()).length === 1);
  assert.equal((await room.incidents.show(shown.id as IncidentId)).state, "decided");
  room.outside.states.set(ofProduction, "well");
  assert.equal((await room.reaches(shown.id, "closed")).outcome, "subsided");
  assert.deepEqual(room.outside.ran, []);
});

test("a drift that a person dismissed is not opened again while it lasts, and is once it begins anew", async () => {
  await using store = await startDatabase();
  await using room = await startReleases(store.db);
  const fell = await fallen(store.db, "roll_1");
  room.outside.states.set(ofProduction, "bad");
  await room.incidents.reportDrift(fell);
  const { id } = await room.only("decided");
  await closeIncident(room.deps, id, "token:ann", "the evening's traffic");
  await room.incidents.reportDrift(fell);
  assert.deepEqual(await room.open(), []);
  const anew = { ...fell, verdict: { ...fell.verdict, onset: new Date() } };
  await room.incidents.reportDrift(anew);
  assert.notEqual((await room.only("decided")).id, id);
});

test("what regresses after a drift that a person dismissed is an incident, though it began before", async () => {
  await using store = await startDatabase();
  await using room = await startReleases(store.db);
  const fell = await fallen(store.db, "roll_1");
  await room.incidents.reportDrift(fell);
  const { id } = await room.only("decided");
  await closeIncident(room.deps, id, "token:ann", "the evening's traffic");
  assert.notEqual(await room.incidents.reportRelease(fell), id);
});

test("a release that no change brought is one incident, however often it is told", async () => {
  await using store = await startDatabase();
  await using room = await startReleases(store.db);
  const bad = { ...(await worse(store.db, "roll_1", { control: null })), changes: [] };
  const id = await room.incidents.reportRelease(bad);
  assert.equal((await room.incidents.show(id)).decision?.act, "freeze");
  assert.equal(await room.incidents.reportRelease(bad), id);
  assert.equal((await room.open()).length, 1);
  // What a change brought is concluded by itself.
  const brought = await worse(store.db, "roll_1");
  const next = await room.incidents.reportRelease(brought);
  assert.deepEqual(decidedOn(await room.incidents.show(next)), brought.changes);
});

test("an outage is one incident, whether the service's rule or the release's judge says it first", async () => {
  for (const first of ["rule", "release"] as const) {
    await using store = await startDatabase();
    // What the rule alone would have blamed the release for.
    const evidence = () => (first === "rule" ? 1 : 5_000);
    await using room = await startReleases(store.db, { evidence });
    const fell = await fallen(store.db, "roll_1");
    const says = [
      async () => room.say({ rule: "content-api.errors" }),
      async () => {
        room.outside.states.set(ofProduction, "bad");
        await room.incidents.reportDrift(fell);
      },
    ];
    for (const say of first === "rule" ? says : says.toReversed()) {
      await say();
      await room.only("decided", "frozen");
    }
    const shown = await room.eventually("both to be told in one incident", async () => {
      const [one] = await room.open();
      return one?.symptoms.length === 2 && one.state === "decided" ? one : null;
    });
    await room.incidents.reportDrift(fell);
    assert.equal((await room.open()).length, 1, first);
    assert.ok(!decidedOn(shown).some((change) => fell.changes.includes(change as ChangeId)), first);
    assert.deepEqual(room.outside.ran, []);
  }
});

test("a plan to turn a release back is called off once what served before it is seen to have fallen too", async () => {
  await using store = await startDatabase();
  await using room = await startReleases(store.db);
  const fell = await fallen(store.db, "roll_1");
  room.say({ rule: "content-api.errors" });
  const blaming = await room.only("frozen");
  assert.deepEqual(decidedOn(blaming), fell.changes);
  const stateOfPlan = () => [...room.outside.recoveries.values()][0]?.state;
  await room.eventually("the plan", async () => stateOfPlan() === "awaiting-approval");
  await room.incidents.reportDrift(fell);
  const shown = await room.reaches(blaming.id, "decided");
  assert.deepEqual([shown.decision?.act, decidedOn(shown), shown.recovery], ["none", [], null]);
  assert.equal(stateOfPlan(), "refused");
  assert.equal((await room.pages()).length, 1);
});

/** Worse by itself, with a plan that waits for a person; then what served before it falls too. */
async function proposedThenFallen(db: Db, room: Room) {
  const bad = await worse(db, "roll_1");
  const id = await room.incidents.reportRelease(bad);
  const planned = await room.eventually("the plan", async () =>
    [...room.outside.recoveries.values()].find(({ state }) => state === "awaiting-approval"),
  );
  const verdict = { ...bad.verdict, says: "quality of roll_1 fell, and v1 too" };
  return { id, plan: planned.id, bad, fell: { ...bad, verdict } };
}

test("a plan is called off although the release itself had opened the incident, and once", async () => {
  await using store = await startDatabase();
  await using room = await startReleases(store.db, { config: { ...config, mode: "propose" } });
  const { id, plan, fell } = await proposedThenFallen(store.db, room);
  await room.incidents.reportDrift(fell);
  const shown = await room.eventually("it to be decided anew", async () => {
    const now = await room.incidents.show(id);
    return now.state === "decided" && now.decision?.act === "none" ? now : null;
  });
  assert.deepEqual([decidedOn(shown), shown.recovery], [[], null]);
  assert.equal(room.outside.recoveries.get(plan)?.state, "refused");
  await room.incidents.reportDrift(fell);
  const told = (await room.incidents.show(id)).timeline;
  assert.equal(told.filter(({ event }) => event === "incident.looked-at-again").length, 1);
  assert.equal((await room.open()).length, 1);
});

test("a plan that a person approves at that very moment goes on, and its incident with it", async () => {
  await using store = await startDatabase();
  await using room = await startReleases(store.db, { config: { ...config, mode: "propose" } });
  const { id, plan, fell } = await proposedThenFallen(store.db, room);
  room.outside.callsOff = () => {
    const recovery = room.outside.recoveries.get(plan);
    if (recovery) room.outside.recoveries.set(plan, { ...recovery, state: "running" });
  };
  await room.incidents.reportDrift(fell);
  const shown = await room.incidents.show(id);
  assert.deepEqual([shown.decision?.act, shown.recovery], ["propose", plan]);
  assert.equal(room.outside.recoveries.get(plan)?.state, "running");
});

test("a release that fell with the one before, and then alone, goes back", async () => {
  await using store = await startDatabase();
  await using room = await startReleases(store.db);
  const fell = await fallen(store.db, "roll_1");
  await room.incidents.reportDrift(fell);
  const { id } = await room.only("decided");
  assert.equal(await room.incidents.reportRelease(fell), id);
  const shown = await room.incidents.show(id as IncidentId);
  assert.deepEqual([shown.kind, shown.decision?.act], ["regression", "run"]);
});

test("an incident that waits for a person though its rules hold again hides no other failure", async () => {
  await using store = await startDatabase();
  await using room = await startReleases(store.db, { config: { ...config, mode: "propose" } });
  const onset = new Date(Date.now() - 3_600_000);
  const old = await room.incidents.reportRelease(await worse(store.db, "roll_1", { onset }));
  room.say({ rule: "content-api.errors" });
  await room.eventually("an incident of its own", async () => (await room.open()).length === 2);
  assert.equal((await room.incidents.show(old)).symptoms.length, 1);
});
