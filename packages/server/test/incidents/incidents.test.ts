import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../src/fault.ts";
import type { ChangeId, IncidentId, RecoveryId, ServiceName } from "../../src/ids.ts";
import {
  closeIncident,
  finishIncident,
  freezeAll,
  handBackIncident,
  takeIncident,
  thawAll,
} from "../../src/incidents/takeover.ts";
import { realWorld, type World } from "../../src/world.ts";
import { startDatabase } from "../support/database.ts";
import { guiltyRoom, through } from "./guilty-room.ts";
import { startRoom, twoServices } from "./room.ts";

test("the same regression said again and again, by several at once, opens one incident", async () => {
  await using store = await startDatabase();
  await using room = await startRoom(store.db);
  await using beside = await startRoom(store.db, { holder: "beside" }, room.outside);
  for (let times = 0; times < 5; times++) {
    room.say();
    beside.say();
  }
  const incident = await room.only("decided");
  assert.equal((await room.open()).length, 1);
  assert.equal(incident.symptoms.length, 1);
  assert.equal(incident.timeline.filter(({ event }) => event === "incident.opened").length, 1);
});

test("what goes bad downstream joins as a symptom, an unrelated service opens its own", async () => {
  await using store = await startDatabase();
  await using room = await startRoom(store.db);
  room.say();
  await room.only("opened", "investigating", "decided");
  room.say({ service: "website", rule: "website.errors" });
  room.say({ service: "billing", rule: "billing.errors" });
  const open = await room.eventually("two incidents", async () => {
    const found = await room.open();
    return found.length === 2 && found[0]?.symptoms.length === 2 ? found : null;
  });
  assert.deepEqual(
    open.map((each) => [each.service, each.symptoms.map((symptom) => symptom.service)]),
    [
      ["content-api", ["content-api", "website"]],
      ["billing", ["billing"]],
    ],
  );
});

test("when the cause alarms after its symptom, the incident becomes the cause's", async () => {
  await using store = await startDatabase();
  await using room = await startRoom(store.db);
  room.say({ service: "website", rule: "website.errors", severity: "low" });
  await room.only("decided");
  room.say();
  const incident = await room.eventually("the root to move", async () => {
    const [found] = await room.open();
    return found?.service === "content-api" ? found : null;
  });
  assert.equal(incident.severity, "high");
  assert.equal((await room.open()).length, 1);
});

test("an incident follows its recovery to the end, says so once, and closes when it is written up", async () => {
  await using store = await startDatabase();
  const wrote: string[] = [];
  const wanting = { check: "none yet" as string | null };
  const { room } = await guiltyRoom(store.db, {
    writeUps: {
      beginCheck: () => void wrote.push("check"),
      draft: async () => void wrote.push("draft"),
      finish: async () => void wrote.push("finish"),
      wanting: async () => wanting.check,
    },
  });
  await using _ = room;
  room.say();
  const { recovery, id } = await room.only("decided");
  assert.ok(recovery);
  await room.eventually("the recovery to be run", async () => room.outside.ran.length === 1);
  await room.tell(recovery, "contained");
  assert.equal((await room.reaches(id, "contained")).containedAt !== null, true);
  await room.tell(recovery, "contained");
  await room.tell(recovery, "restored");
  await room.tell(recovery, "verified");
  await room.reaches(id, "verified");
  await room.eventually("the draft", async () => wrote.includes("draft"));
  await room.tell(recovery, "resumed");
  await room.eventually("the write-up", async () => wrote.includes("finish"));
  assert.equal((await room.reaches(id, "resumed")).state, "resumed", "it lacks its check");
  wanting.check = null;
  const closed = await room.reaches(id, "closed");
  assert.equal(closed.outcome, "recovered");
  assert.deepEqual(wrote, ["check", "draft", "finish"]);
  const events = closed.timeline.map(({ event }) => event);
  for (const event of [
    "incident.contained",
    "incident.restored",
    "incident.verified",
    "incident.resumed",
  ]) {
    assert.equal(events.filter((each) => each === event).length, 1, event);
  }
  const times = [
    closed.decidedAt,
    closed.containedAt,
    closed.restoredAt,
    closed.verifiedAt,
    closed.resumedAt,
  ];
  assert.deepEqual(times.toSorted(), times);
});

test("a regression that began before the incident was verified is its echo, a later one is new", async () => {
  await using store = await startDatabase();
  const { room } = await guiltyRoom(store.db);
  await using _ = room;
  const onset = new Date(Date.now() - 2_000);
  room.say({ onset });
  const { recovery, id } = await room.only("decided");
  await through(room, recovery ?? "");
  await room.reaches(id, "closed");
  room.say({ kind: "hold" });
  room.say({ onset });
  room.say({ kind: "hold" });
  await room.eventually("the echo to be heard", async () => {
    room.say({ service: "billing", rule: "billing.errors" });
    return (await room.open()).length === 1;
  });
  assert.equal((await room.open())[0]?.service, "billing");
  room.say({ kind: "hold" });
  room.say({ onset: new Date(Date.now() + 1) });
  await room.eventually("a new incident", async () => (await room.open()).length === 2);
});

for (const mode of ["watch", "propose"] as const) {
  test(`in ${mode} it decides and plans, moves nothing, and calls a person at once`, async () => {
    await using store = await startDatabase();
    const { room, guilty } = await guiltyRoom(store.db, { config: { ...twoServices, mode } });
    await using _ = room;
    room.say();
    const incident = await room.only("decided");
    assert.equal(incident.decision?.act, mode);
    assert.equal(incident.decision.would, "run");
    assert.deepEqual(incident.decision.changes, [guilty.change]);
    assert.equal((await room.pages()).length, 1);
    await room.eventually(
      "the plan to wait",
      async () => [...room.outside.recoveries.values()][0]?.state === "awaiting-approval",
    );
    assert.deepEqual(room.outside.ran, []);
  });
}

test("a freeze stops it before it moves anything, and a thaw lets it look again", async () => {
  await using store = await startDatabase();
  const { room } = await guiltyRoom(store.db);
  await using _ = room;
  await freezeAll(room.deps, "token:ann", "a migration");
  room.say();
  const frozen = await room.only("frozen");
  assert.match(frozen.because, /a migration/);
  assert.equal(frozen.decision?.would, "run");
  assert.deepEqual(room.outside.ran, []);
  assert.equal((await room.pages()).length, 1);
  assert.equal((await thawAll(room.deps, "token:ann", "done"))?.reason, "a migration");
  await room.eventually("the recovery to be run", async () => room.outside.ran.length === 1);
  assert.equal((await room.reaches(frozen.id, "decided")).decision?.act, "run");
  assert.equal(await thawAll(room.deps, "token:ann", ""), null);
});

test("a cap that is reached calls a person instead of recovering once more", async () => {
  await using store = await startDatabase();
  const config = { ...twoServices, caps: { recoveriesInARow: 1 } };
  const { room } = await guiltyRoom(store.db, { config });
  await using _ = room;
  room.say();
  const first = await room.only("decided");
  await room.eventually("the recovery to be run", async () => room.outside.ran.length === 1);
  await through(room, first.recovery ?? "");
  await room.reaches(first.id, "closed");
  room.say({ kind: "hold" });
  room.say({ onset: new Date() });
  const second = await room.only("frozen");
  assert.match(second.because, /cap of 1 automatic recoveries in a row/);
  assert.equal(second.severity, "critical");
  assert.equal((await room.pages()).length, 1);
  assert.equal(room.outside.ran.length, 1);
});

test("a plan with conflicts waits for a person, and so does what cannot be planned", async () => {
  for (const options of [
    { conflicts: ["api.ts was changed since by frontend"] },
    { unplannable: new Fault("not_on_branch", "the commit is gone") },
  ]) {
    await using store = await startDatabase();
    const { room } = await guiltyRoom(store.db, options);
    await using _ = room;
    room.say();
    const incident = await room.only("frozen");
    assert.match(incident.because, /api.ts was changed since|the commit is gone/);
    assert.deepEqual(room.outside.ran, []);
    assert.equal((await room.pages()).length, 1);
  }
});

test("nothing automatic goes back past a person's decision", async () => {
  await using store = await startDatabase();
  const bad = new Set<string>();
  await using room = await startRoom(store.db, {
    check: (revision) => (bad.has(revision) ? "bad" : "good"),
  });
  const [hotfix] = await room.push("api", ["token:ann"]);
  bad.add(hotfix?.commit ?? "");
  room.say();
  const incident = await room.only("frozen");
  assert.match(incident.because, /a person decided it: token:ann/);
  assert.deepEqual(room.outside.ran, []);
});

test("high and not contained in time calls a person, once; contained in time calls nobody", async () => {
  await using store = await startDatabase();
  const clock = { aheadMs: 0 };
  const world: World = { ...realWorld, now: () => new Date(Date.now() + clock.aheadMs) };
  const { room } = await guiltyRoom(store.db, { world });
  await using _ = room;
  room.say();
  const incident = await room.only("decided");
  assert.deepEqual([...(await room.pages())], []);
  clock.aheadMs = 301_000;
  const [page] = await room.eventually("the page", async () => {
    const pages = await room.pages();
    return pages.length > 0 ? pages : null;
  });
  assert.match(page?.summary ?? "", /not contained within 5 min/);
  await through(room, incident.recovery ?? "");
  await room.reaches(incident.id, "closed");
  assert.equal((await room.pages())[0]?.resolved, true);
});

test("a recovery that fails after it was verified stops as well, and calls a person", async () => {
  await using store = await startDatabase();
  const { room } = await guiltyRoom(store.db);
  await using _ = room;
  room.say();
  const { id, recovery } = await room.only("decided");
  for (const kind of ["contained", "restored", "verified"] as const) {
    await room.tell(recovery ?? "", kind);
  }
  await room.tell(recovery ?? "", "failed");
  const incident = await room.reaches(id, "frozen");
  assert.notEqual(incident.verifiedAt, null);
  assert.equal((await room.pages()).length, 1);
  await takeIncident(room.deps, id, "token:ann", "the inbox is full");
});

test("a recovery that failed for a contradiction freezes its incident without another call", async () => {
  await using store = await startDatabase();
  const { room } = await guiltyRoom(store.db);
  await using _ = room;
  room.say();
  const { id, recovery } = await room.only("decided");
  await room.incidents.recoveryMoved({
    recovery: recovery as RecoveryId,
    incident: id as IncidentId,
    kind: "failed",
    at: new Date(),
    says: "somebody else moved it",
    calledFor: "inc_other" as IncidentId,
  });
  await room.reaches(id, "frozen");
  assert.deepEqual([...(await room.pages())], []);
});

test("a failed recovery stops and calls a person, with the state of each step", async () => {
  await using store = await startDatabase();
  const { room } = await guiltyRoom(store.db);
  await using _ = room;
  room.say();
  const { id, recovery } = await room.only("decided");
  await room.tell(recovery ?? "", "contained");
  await room.tell(recovery ?? "", "failed");
  const incident = await room.reaches(id, "frozen");
  assert.equal(incident.severity, "critical");
  assert.equal((await room.pages()).length, 1);
});

test("taking an incident keeps automation off its services until it is done or handed back", async () => {
  await using store = await startDatabase();
  const { room } = await guiltyRoom(store.db, { config: { ...twoServices, mode: "propose" } });
  await using _ = room;
  room.say();
  const { id, recovery } = await room.only("decided");
  const free = () => room.incidents.takenBy([{ layer: "code", target: "api" }]);
  assert.equal(await free(), null);
  await takeIncident(room.deps, id, "token:ann", "I restart it");
  assert.deepEqual(await free(), { incident: id, by: "token:ann" });
  assert.equal(await room.incidents.takenBy([{ layer: "code", target: "billing" }]), null);
  assert.deepEqual(await room.incidents.takenBy([{ layer: "runtime", target: "content-api" }]), {
    incident: id,
    by: "token:ann",
  });
  await room.tell(recovery ?? "", "resumed");
  assert.equal((await room.incidents.show(id as IncidentId)).state, "taken");
  await assert.rejects(takeIncident(room.deps, id, "token:bob", ""), { code: "state_forbids" });
  await handBackIncident(room.deps, id, "token:ann", "");
  assert.equal(await free(), null);
  const again = await room.reaches(id, "decided");
  assert.equal(again.timeline.filter(({ event }) => event === "incident.decided").length, 2);
});

test("done makes Lastgood prove it by a recovery without changes, in the person's name, and write up", async () => {
  await using store = await startDatabase();
  const { room } = await guiltyRoom(store.db, { config: { ...twoServices, mode: "watch" } });
  await using _ = room;
  room.say();
  const { id } = await room.only("decided");
  await takeIncident(room.deps, id, "token:ann", "");
  await finishIncident(room.deps, id, "token:ann", "recreated the index");
  const proof = await room.eventually("the proof to run", async () => room.outside.ran[0]);
  const { undo } = room.outside.recoveries.get(proof.id) ?? {};
  assert.equal(proof.actor, "token:ann");
  assert.deepEqual(undo?.changes, []);
  assert.deepEqual(undo.services, ["content-api"]);
  await through(room, proof.id);
  const closed = await room.reaches(id, "closed");
  assert.equal(closed.outcome, "mended");
  assert.ok(
    closed.timeline.some(
      ({ actor, text }) => actor === "token:ann" && text === "recreated the index",
    ),
  );
  assert.equal((await room.pages())[0]?.resolved, true);
});

test("done with nothing to replay waits until the rules hold", async () => {
  await using store = await startDatabase();
  const unplannable = new Fault("nothing_to_revert", "nothing to do");
  await using room = await startRoom(store.db, { unplannable });
  room.say();
  const { id } = await room.only("decided");
  await takeIncident(room.deps, id, "token:ann", "");
  await finishIncident(room.deps, id, "token:ann", "mended");
  await room.eventually(
    "a turn",
    async () => (await room.incidents.show(id as IncidentId)).state === "mended",
  );
  room.outside.states.set("content-api.latency", "well");
  assert.equal((await room.reaches(id, "closed")).outcome, "mended");
});

test("two actors on one target are one incident and exactly one page, however often it is seen", async () => {
  await using store = await startDatabase();
  await using room = await startRoom(store.db);
  const contradiction = {
    target: "runtime:content-api",
    actors: ["scaler-a", "scaler-b"] as const,
    changes: [] as ChangeId[],
    because: "one scales up, the other down",
    occurrence: "a",
  };
  const ids = await Promise.all([
    room.incidents.reportContradiction(contradiction),
    room.incidents.reportContradiction(contradiction),
  ]);
  ids.push(await room.incidents.reportContradiction({ ...contradiction, occurrence: "b" }));
  assert.equal(new Set(ids).size, 1);
  const incident = await room.reaches(ids[0] ?? "", "frozen");
  assert.equal(incident.severity, "critical");
  assert.equal(incident.kind, "contradiction");
  assert.equal(incident.service, "content-api");
  assert.equal(incident.timeline.filter(({ event }) => event === "contradiction.seen").length, 2);
  assert.equal((await room.pages()).length, 1);
  await closeIncident(room.deps, incident.id, "token:ann", "scaler-b was removed");
  assert.equal((await room.pages())[0]?.resolved, true);
  assert.equal(await room.incidents.reportContradiction(contradiction), incident.id);
  assert.deepEqual(await room.open(), [], "what was seen before it was settled is nothing new");
});

test("pushing again what was rolled back is told in the incident, and calls nobody anew", async () => {
  await using store = await startDatabase();
  const { room, guilty } = await guiltyRoom(store.db);
  await using _ = room;
  room.say();
  const { id, recovery } = await room.only("decided");
  await through(room, recovery ?? "");
  await room.reaches(id, "closed");
  const barred = {
    repository: "api",
    commit: guilty.commit,
    agent: "backend",
    incident: null,
    because: "it was rolled back",
  };
  await room.incidents.reportBarred(barred);
  await room.incidents.reportBarred(barred);
  const { timeline } = await room.incidents.show(id as IncidentId);
  assert.equal(timeline.filter(({ event }) => event === "change.barred").length, 1);
  assert.deepEqual([...(await room.pages())], []);
});

test("what holds again by itself and has nobody to blame has subsided after a quiet time", async () => {
  await using store = await startDatabase();
  await using room = await startRoom(store.db, { quietMs: 0 });
  room.say();
  const { id } = await room.only("decided");
  room.outside.states.set("content-api.latency", "unknown");
  await room.eventually("a turn", async () => {
    room.say({ service: "billing", rule: "billing.errors" });
    return (await room.open()).some(
      (each) => each.service === "billing" && each.state === "decided",
    );
  });
  assert.equal(
    (await room.incidents.show(id as IncidentId)).state,
    "decided",
    "silence is not well",
  );
  room.outside.states.set("content-api.latency", "well");
  assert.equal((await room.reaches(id, "closed")).outcome, "subsided");
});

test("what a person took back while Lastgood only watched is closed as mended by that person", async () => {
  await using store = await startDatabase();
  let asked = 0;
  const wantingByHand = async () => (++asked < 3 ? "no check yet" : null);
  const { room, guilty } = await guiltyRoom(store.db, {
    config: { ...twoServices, mode: "watch" },
    quietMs: 0,
    writeUps: { wantingByHand },
  });
  await using _ = room;
  room.say();
  const { id } = await room.only("decided");
  room.outside.states.set("content-api.latency", "well");
  await store.db`
    insert into changes (id, at, layer, kind, target, agent, reverts)
    values (gen_random_uuid(), now(), 'code', 'commit', 'api', 'ann', ${[guilty.change]}::uuid[])`;
  const closed = await room.reaches(id, "closed");
  assert.equal(asked, 3, "as long as what it wants is not there it stays open");
  assert.equal(closed.outcome, "mended");
  assert.match(closed.because, /ann took it back/);
  const [plan] = room.outside.recoveries.values();
  assert.equal(plan?.state, "refused", "nothing is left to approve");
  assert.ok(room.outside.letGo.has(closed.id));
});

test("a verdict that could not be taken in is taken in when it is said again", async () => {
  await using store = await startDatabase();
  await using room = await startRoom(store.db);
  await store.db`alter table incidents rename to incidents_away`;
  room.say();
  await store.db`alter table incidents_away rename to incidents`;
  const incident = await room.eventually("the incident", async () => {
    room.say();
    return (await room.open())[0];
  });
  assert.equal(incident.symptoms.length, 1);
});

test("a decision that a killed process left on record is handed over by the next", async () => {
  await using store = await startDatabase();
  const { room: first, guilty } = await guiltyRoom(store.db);
  const run = first.deps.recoveries.run;
  // The first process dies between its decision and its word to the recovery room.
  first.deps.recoveries.run = async () => {
    throw new Error("killed");
  };
  first.say();
  const { recovery, id } = await first.only("decided");
  await first.stop();
  assert.deepEqual(first.outside.ran, []);
  first.deps.recoveries.run = run;

  await using second = await startRoom(store.db, { holder: "second" }, first.outside);
  await second.eventually("the recovery to be run", async () => second.outside.ran.length === 1);
  assert.equal(second.outside.ran[0]?.id, recovery);
  // And where the recovery's own words were lost, its state tells.
  second.outside.recoveries.set(recovery as RecoveryId, {
    ...required(second.outside.recoveries.get(recovery as RecoveryId)),
    state: "verified",
    endedAt: new Date(),
  });
  const closed = await second.reaches(id, "closed");
  assert.equal(closed.outcome, "recovered");
  assert.deepEqual(closed.decision?.changes, [guilty.change]);
});

test("while a person has a service in hand, another incident's recovery on it waits", async () => {
  await using store = await startDatabase();
  const { room } = await guiltyRoom(store.db);
  await using _ = room;
  const held = await room.incidents.reportContradiction({
    target: "runtime:content-api",
    actors: ["scaler-a", "scaler-b"],
    changes: [],
    because: "one scales up, the other down",
    occurrence: "a",
  });
  await takeIncident(room.deps, held, "token:ann", "");
  room.outside.steps = [
    {
      layer: "runtime",
      stage: "relieve",
      action: { do: "set-revision", service: "content-api" as ServiceName, from: null, to: "good" },
      says: "serve good",
    },
  ];
  room.say();
  const { id } = await room.only("decided");
  await room.eventually("a few turns", async () => room.outside.asked > 3);
  assert.deepEqual(room.outside.ran, []);
  await closeIncident(room.deps, held, "token:ann", "settled");
  await room.eventually("the recovery to be run", async () => room.outside.ran.length === 1);
  assert.equal((await room.incidents.show(id as IncidentId)).state, "decided");
});

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("it is not there");
  return value;
}
