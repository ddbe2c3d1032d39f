import assert from "node:assert/strict";
import { test } from "node:test";
import type { IncidentId } from "../../src/ids.ts";
import { startDatabase } from "../support/database.ts";
import { regression, startRoom, twoServices } from "./room.ts";

test("a change deployed alone is convicted by contrast and a rerun pair, and put back within seconds", async () => {
  await using store = await startDatabase();
  const bad = new Set<string>();
  await using room = await startRoom(store.db, {
    check: (revision) => (bad.has(revision) ? "bad" : "good"),
  });
  const [base] = await room.push("api", ["frontend"], { at: new Date(Date.now() - 3_600_000) });
  const [guilty] = await room.push("api", ["backend"]);
  assert.ok(base && guilty);
  bad.add(guilty.commit);
  room.deps.signals.contrast = async (_, __, exposedAt) => ({
    evidence: exposedAt.getTime() < Date.now() - 60_000 ? 0.001 : 5_000,
    before: { mean: 0.99, n: 500 },
    after: { mean: 0.1, n: 60 },
  });

  const began = performance.now();
  room.say();
  const incident = await room.only("decided");
  const tookMs = performance.now() - began;

  assert.ok(tookMs < 20_000, `decided after ${tookMs} ms`);
  assert.equal(incident.decision?.act, "run");
  assert.deepEqual(incident.decision.changes, [guilty.change]);
  assert.deepEqual(incident.decision.witnesses, ["contrast", "rerun"]);
  assert.ok((incident.suspects[0]?.posterior ?? 0) >= 0.99);
  assert.ok(
    (incident.suspects[0]?.observations ?? []).some((line) => /rerun in a sandbox/.test(line)),
  );
  const { undo } = [...room.outside.recoveries.values()][0] ?? {};
  assert.deepEqual(undo?.changes, [guilty.change]);
  assert.deepEqual(undo.agents, ["backend"]);
  assert.deepEqual(undo.services, ["content-api"]);
  await room.eventually("the recovery to be run", async () => room.outside.ran.length === 1);
  assert.deepEqual(room.outside.ran[0]?.actor, "lastgood");
  assert.deepEqual([...(await room.pages())], []);
});

for (const oneIn of [Number.POSITIVE_INFINITY, 5]) {
  test(`of five commits deployed together the guilty alone is convicted, with a check that flakes ${100 / oneIn} %`, async () => {
    await using store = await startDatabase();
    let guilty = "";
    let order: readonly string[] = [];
    const runs = new Map<string, number>();
    // By the revision and how often it was run, whichever of the lanes comes first. What comes right before the guilty
    // cannot be left out, and flakes at once.
    const flakes = (revision: string) => {
      const run = runs.get(revision) ?? 0;
      runs.set(revision, run + 1);
      return (run + 2 * order.indexOf(revision) + 2) % oneIn === oneIn - 1;
    };
    await using room = await startRoom(store.db, {
      check: (revision) => {
        const isBad = order.includes(revision) && order.indexOf(revision) >= order.indexOf(guilty);
        return isBad || flakes(revision) ? "bad" : "good";
      },
    });
    await room.push("api", ["frontend"], { at: new Date(Date.now() - 100 * 3_600_000) });
    const pushed = await room.push("api", ["a", "b", "backend", "c", "d"]);
    order = pushed.map((each) => each.commit);
    guilty = order[2] ?? "";

    room.say();
    const incident = await room.only("decided", "frozen");
    const told = JSON.stringify([
      incident.reruns.map((each) => [order.indexOf(each.revision), each.outcome]),
      incident.suspects.map(({ to, factors, posterior }) => ({ to, posterior, ...factors })),
    ]);
    const flaked = incident.reruns.some(
      ({ revision, outcome }) => order.indexOf(revision) < 2 && outcome === "bad",
    );
    assert.equal(flaked, Number.isFinite(oneIn), told);
    assert.equal(incident.decision?.act, "run", `${incident.because} ${told}`);
    assert.deepEqual(incident.decision.changes, [pushed[2]?.change]);
    assert.deepEqual(incident.decision.innocents, []);
    assert.equal(incident.suspects.length, 5);
    assert.ok(room.outside.openMost <= 3, `${room.outside.openMost} sandboxes at once`);
    assert.equal(incident.reruns.length, room.outside.runs.length);
    await room.eventually("every sandbox to be closed", async () => room.outside.openNow === 0);
  });
}

test("an upstream outage convicts nobody: the check passes on every revision", async () => {
  await using store = await startDatabase();
  await using room = await startRoom(store.db);
  await room.push("api", ["a", "b", "c"]);
  room.say();
  const incident = await room.only("decided");
  assert.equal(incident.decision?.act, "none");
  assert.equal(room.outside.recoveries.size, 0);
  assert.ok((incident.none?.posterior ?? 0) > 0.2);
});

test("without a sandbox contrast alone is one witness: it stops and calls a person, with a plan to approve", async () => {
  await using store = await startDatabase();
  const { sandbox: _, ...service } = twoServices.services["content-api"];
  const config = { ...twoServices, services: { ...twoServices.services, "content-api": service } };
  await using room = await startRoom(store.db, { config });
  await room.push("api", ["backend"]);
  room.say();
  const incident = await room.only("frozen");
  assert.equal(incident.decision?.act, "freeze");
  assert.match(incident.because, /2 distinct witnesses are needed/);
  const [page] = await room.pages();
  assert.equal(page?.incident, incident.id);
  await room.eventually(
    "the plan to wait for approval",
    async () => [...room.outside.recoveries.values()][0]?.state === "awaiting-approval",
  );
  assert.deepEqual(incident.next.slice(0, 2), [
    `lastgood recover show ${incident.recovery}`,
    `lastgood approve ${incident.recovery}`,
  ]);
});

test("nothing that went live after the onset, long ago, elsewhere, or was taken back is a suspect", async () => {
  await using store = await startDatabase();
  await using room = await startRoom(store.db);
  const hour = 3_600_000;
  const onset = new Date(Date.now() - 10_000);
  const ago = (ms: number) => new Date(onset.getTime() - ms);
  await room.push("api", ["old"], { at: ago(80 * hour) });
  const [reverted] = await room.push("api", ["undone"], { at: ago(2 * hour) });
  await store.db`
    insert into changes (id, at, layer, kind, target, agent, reverts)
    values (gen_random_uuid(), ${ago(hour)}, 'code', 'commit', 'api', 'ann',
            ${[reverted?.change ?? ""]}::uuid[])`;
  await room.push("billing", ["elsewhere"], { in: ["billing"], at: ago(1_000) });
  await room.push("site", ["downstream"], { in: ["website"], at: ago(1_000) });
  const [suspect] = await room.push("api", ["backend"], { at: ago(1_000) });
  await room.push("api", ["late"], { at: new Date(onset.getTime() + 5_000) });
  room.say({ onset });
  const incident = await room.only("decided", "frozen");
  assert.deepEqual(
    incident.suspects.map((each) => each.change),
    [suspect?.change],
  );
});

test("a document that the failing service reads is suspected as soon as it is written", async () => {
  await using store = await startDatabase();
  const services = { portal: { reads: ["permissions/*"], customerFacing: true } };
  await using room = await startRoom(store.db, { config: { mode: "auto", services } });
  const at = new Date(Date.now() - 3_000);
  await store.db`
    insert into changes (id, at, layer, kind, target, agent) values
      (gen_random_uuid(), ${at}, 'state', 'put', 'permissions/editors', 'drafter'),
      (gen_random_uuid(), ${at}, 'state', 'put', 'posts/1', 'marketing')`;
  room.say({ service: "portal", rule: "portal.errors" });
  const incident = await room.only("frozen");
  assert.deepEqual(
    incident.suspects.map((each) => [each.target, each.distance]),
    [["permissions/editors", 0]],
  );
});

test("killed in mid-investigation, the next process resumes it and repeats no rerun", async () => {
  await using store = await startDatabase();
  const bad = new Set<string>();
  const third = Promise.withResolvers<void>();
  const woken = Promise.withResolvers<void>();
  await using first = await startRoom(store.db, {
    holder: "first",
    check: async (revision, run) => {
      // The first process hangs in its third run, as a stopped one does.
      if (run >= 2) {
        third.resolve();
        await woken.promise;
      }
      return bad.has(revision) ? "bad" : "good";
    },
  });
  await first.push("api", ["frontend"], { at: new Date(Date.now() - 100 * 3_600_000) });
  const [guilty] = await first.push("api", ["backend"]);
  bad.add(guilty?.commit ?? "");
  first.say();
  await third.promise;
  const before = await first.eventually("two runs on record", async () => {
    const { reruns } = await first.only("investigating");
    return reruns.length >= 2 ? reruns : null;
  });

  // Nothing of it goes on: its lease is given to the next one, as if it had run out.
  await store.db`update leases set expires_at = now() - interval '1 s', holder = 'nobody'`;
  await using second = await startRoom(
    store.db,
    { holder: "second", check: (revision) => (bad.has(revision) ? "bad" : "good") },
    first.outside,
  );
  const incident = await second.only("decided");
  assert.equal(incident.decision?.act, "run");
  assert.deepEqual(incident.decision.changes, [guilty?.change]);
  assert.deepEqual(incident.reruns.slice(0, before.length), before);
  assert.equal(incident.timeline.filter(({ event }) => event === "incident.opened").length, 1);

  // The first wakes up late, finds its lease gone, and adds nothing.
  woken.resolve();
  await first.stop();
  const after = await second.incidents.show(incident.id as IncidentId);
  assert.deepEqual(after.reruns, incident.reruns);
  assert.equal(after.timeline.filter(({ event }) => event === "incident.decided").length, 1);
});

test("what contrast lacks is waited for while the reruns are already sure", async () => {
  await using store = await startDatabase();
  const bad = new Set<string>();
  let evidence = 1;
  await using room = await startRoom(store.db, {
    check: (revision) => (bad.has(revision) ? "bad" : "good"),
    evidence: () => evidence,
  });
  const [guilty] = await room.push("api", ["backend"]);
  bad.add(guilty?.commit ?? "");
  room.say();
  await room.eventually("the reruns to be over", async () => {
    const [incident] = await room.open();
    return (incident?.suspects[0]?.factors.rerun ?? 0) >= 20;
  });
  assert.equal((await room.open())[0]?.state, "investigating");
  evidence = 500;
  const incident = await room.only("decided");
  assert.equal(incident.decision?.act, "run");
});

test("a regression with nothing new live for longer than freshFor is drift, and nothing goes back", async () => {
  await using store = await startDatabase();
  await using room = await startRoom(store.db);
  await room.push("api", ["backend"], { at: new Date(Date.now() - 20 * 86_400_000) });
  room.say(regression());
  const incident = await room.only("decided");
  assert.equal(incident.decision?.act, "none");
  assert.match(incident.because, /drifted/);
  const told = incident.timeline.find(({ event }) => event === "drift.detected");
  assert.match(told?.text ?? "", /latency is good 10 % of the time/);
});
