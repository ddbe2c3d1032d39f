import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../src/fault.ts";
import type { ChangeId, RecoveryId, ServiceName } from "../../src/ids.ts";
import { closeIncident } from "../../src/incidents/takeover.ts";
import { emptyPlan, type Step } from "../../src/layers/layer.ts";
import { recordChanges } from "../../src/ledger/ledger-store.ts";
import { insertRecovery } from "../../src/recovery/recovery-store.ts";
import type { Db } from "../../src/store/database.ts";
import { newChangeId, newId, realWorld } from "../../src/world.ts";
import { patienceMs, startBrokenWorld, startHandling } from "../recovery/broken-world.ts";
import { startDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";
import { startRoom } from "./room.ts";

const bad = "b".repeat(40);
const good = "c".repeat(40);

/** A recovery that serves the good revision again, in this state. */
async function recovered(db: Db, state: "running" | "verified", endedAt: Date | null) {
  const id = newId<RecoveryId>(realWorld, "rec");
  const step: Step<"runtime"> = {
    layer: "runtime",
    stage: "relieve",
    action: { do: "set-revision", service: "content-api" as ServiceName, from: bad, to: good },
    says: "serve the good one",
  };
  await insertRecovery(db, {
    id,
    undo: {
      changes: [],
      agents: [],
      services: [],
      since: new Date(),
      incident: null,
      because: "latency",
    },
    plan: { ...emptyPlan, steps: [step], blastRadius: 1, undoWith: "" },
    digest: "d".repeat(64),
    targets: ["runtime:content-api"],
    plannedBy: "lastgood",
    plannedAt: new Date(),
    automatic: true,
    replaces: null,
    undoes: null,
    steps: [{ step, changeId: newChangeId(realWorld) }],
  });
  await db`update recoveries set state = ${state}, ended_at = ${endedAt} where id = ${id}`;
  await db`
    update recovery_steps set state = 'verified', applied_at = ${new Date(Date.now() - 1_000)}
    where recovery = ${id}`;
  return id;
}

async function deploy(
  db: Db,
  agent: string,
  to: string,
  { withdrawn = [], at = new Date() }: { withdrawn?: readonly string[]; at?: Date } = {},
) {
  const id: ChangeId = newChangeId(realWorld);
  const change = { id, at, layer: "runtime", kind: "deploy", agent, to } as const;
  await recordChanges(db, [{ ...change, target: "content-api", details: { withdrawn } }]);
  return id;
}

test("what a recovery put back and another actor moves away at once is one incident and one page", async () => {
  await using store = await startDatabase();
  await using room = await startRoom(store.db);
  const recovery = await recovered(store.db, "running", null);
  await deploy(store.db, "token:ann", "d".repeat(40), { withdrawn: [good] });
  const incident = await room.only("frozen");
  assert.equal(incident.kind, "contradiction");
  assert.equal(incident.severity, "critical");
  assert.match(incident.because, new RegExp(`token:ann moved away what ${recovery} had put back`));
  await deploy(store.db, "scaler", bad);
  await room.eventually("the second to be told", async () => {
    const { timeline } = await room.incidents.show(incident.id as never);
    return timeline.filter(({ event }) => event === "contradiction.seen").length === 2;
  });
  assert.equal((await room.open()).length, 1);
  assert.equal((await room.pages()).length, 1);
  await closeIncident(room.deps, incident.id, "token:ann", "settled between us");
  await deploy(store.db, "another-scaler", bad);
  const anew = await room.only("frozen");
  const seen = anew.timeline.filter(({ event }) => event === "contradiction.seen");
  assert.equal(seen.length, 1, "what was told before it was settled is not told again");
  assert.match(seen[0]?.text ?? "", /another-scaler/);
});

test("a deploy that keeps what was put back, one of Lastgood's own, or one long after, is none", async () => {
  await using store = await startDatabase();
  await using room = await startRoom(store.db);
  await recovered(store.db, "verified", new Date(Date.now() - 6 * 60_000));
  // Before the next one had put anything back.
  await deploy(store.db, "token:ann", bad, { at: new Date(Date.now() - 5_000) });
  await recovered(store.db, "running", null);
  await deploy(store.db, "lastgood", bad);
  await deploy(store.db, "recovery:rec_other", bad);
  await deploy(store.db, "token:ann", "d".repeat(40), { withdrawn: ["e".repeat(40)] });
  // Told after those: whatever was to be told of them has been.
  await deploy(store.db, "scaler", bad);
  const incident = await room.only("frozen");
  const seen = incident.timeline.filter(({ event }) => event === "contradiction.seen");
  assert.deepEqual(
    seen.map(({ text }) => /and (\S+) contradict/.exec(text)?.[1]),
    ["scaler"],
  );
});

test("an automatic recovery that contradicts another actor's is left to whoever was called for both", async () => {
  await using store = await startDatabase();
  const context = { recovery: "rec_anns", contradiction: "inc_both" };
  const refused = new Fault("target_busy", "rec_anns is already moving it", { context });
  const bad = new Set<string>();
  await using room = await startRoom(store.db, {
    refused,
    check: (revision) => (bad.has(revision) ? "bad" : "good"),
  });
  const [guilty] = await room.push("api", ["backend"]);
  bad.add(guilty?.commit ?? "");
  room.say();
  const incident = await room.only("frozen");
  assert.match(incident.because, /rec_anns is already moving it/);
  assert.deepEqual([...(await room.pages())], [], "one is called for the contradiction itself");
});

test("a second actor's recovery of what one is moving is refused, and calls a person once", {
  timeout: 400_000,
}, async () => {
  await using world = await startBrokenWorld();
  const held = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  const client = await world.start({
    async reached(_, point) {
      if (point !== "0:running") return;
      reached.resolve();
      await held.promise;
    },
  });
  try {
    const planned = await world.breakAndPlan(client);
    const [commit] = planned.steps.filter(({ layer }) => layer === "code");
    assert.ok(commit);
    const { changes } = await client.changes({ layer: "code" });
    const only = changes.filter(({ to }) => (commit.action.commits as string[]).includes(to ?? ""));
    const other = await world.as("somebody-else");
    const second = await other.planRecovery({
      changes: only.map(({ id }) => id),
      because: "only the commit",
    });
    await client.runRecovery(planned.id, planned.digest);
    await reached.promise;
    for (let times = 0; times < 2; times++) {
      await assert.rejects(other.runRecovery(second.id, second.digest), {
        code: "target_busy",
        message: /contradict each other, and a person is called/,
      });
    }
    const { incidents } = await client.incidents({ state: "all" });
    const found = incidents.filter(({ kind }) => kind === "contradiction");
    assert.deepEqual(
      found.map(({ state, service }) => [state, service]),
      [["frozen", "content-api"]],
    );
    const { pages } = await client.pages();
    assert.deepEqual(
      pages.map(({ incident }) => incident),
      [found[0]?.id],
    );
  } finally {
    held.resolve();
  }
});

test("whoever serves again at once what a recovery took away contradicts it, and a person is called once", {
  timeout: 400_000,
}, async () => {
  await using world = await startBrokenWorld();
  const client = await world.start();
  const planned = await world.breakAndPlan(client);
  const bad = world.origin.tip();
  const stop = startHandling(client);
  await client.runRecovery(planned.id, planned.digest);
  const isVerified = async () => (await client.recovery(planned.id)).state === "verified";
  await until("the recovery to be verified", isVerified, patienceMs);
  await stop();
  const other = await world.as("somebody-else");
  const order = { revision: bad, override: true, reason: "it was fine" };
  await other.deployService("content-api", order);
  const found = await until("the contradiction", async () => {
    const { incidents } = await client.incidents({ state: "all" });
    return incidents.find(({ kind }) => kind === "contradiction");
  });
  assert.equal(found.state, "frozen");
  assert.match(found.title, /runtime:content-api: token:test and token:somebody-else contradict/);
  assert.deepEqual(
    (await client.pages()).pages.map(({ incident }) => incident),
    [found.id],
  );
});
