/** Hands that more than one incident holds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { configSchema } from "../../src/config/config.ts";
import { createFleetLayer } from "../../src/fleet/fleet-layer.ts";
import {
  containAgent,
  containmentsInForce,
  reinstateAgent,
  tokensOf,
} from "../../src/fleet/fleet-store.ts";
import type { AgentName, IncidentId } from "../../src/ids.ts";
import type { Step, Undo } from "../../src/layers/layer.ts";
import { findChanges } from "../../src/ledger/ledger-store.ts";
import { newChangeId, realWorld } from "../../src/world.ts";
import { startServer } from "../support/server.ts";
import { until } from "../support/until.ts";

const backend = "backend" as AgentName;
const config = { agents: { backend: {} } };
const signal = AbortSignal.timeout(60_000);

async function startFleet() {
  const server = await startServer(config);
  const { db } = server.lastgood;
  await server.tokenAs("agent", "backend");
  const layer = createFleetLayer({
    ...{ db, world: realWorld, inboxes: { tell: async () => {} }, fence: async () => {} },
    configuration: { base: "/", current: () => configSchema.parse(config) },
  });
  return {
    ...{ server, db, layer },
    async planFor(incident: string) {
      const undo: Undo = {
        ...{ changes: [], agents: [backend], services: [], since: new Date() },
        ...{ incident: incident as IncidentId, because: `bad pushes in ${incident}` },
      };
      const [contain, reinstate] = (await layer.plan(undo, signal)).steps;
      assert.ok(contain !== undefined && reinstate !== undefined);
      return { contain, reinstate };
    },
    async apply(step: Step<"fleet">) {
      const changeId = newChangeId(realWorld);
      const context = { changeId, actor: "recovery:rec_1", reason: "test" };
      await layer.apply(step, context, signal);
      await layer.apply(step, context, signal);
      const verified = await layer.verify(step, signal);
      assert.ok(verified.ok === true, JSON.stringify(verified));
      return verified.observed.join();
    },
    async holding() {
      const rows = await containmentsInForce(db, backend);
      const suspended = (await tokensOf(db, backend)).map((token) => token.suspended);
      return [rows.map(({ incident }) => `${incident}`).sort(), suspended];
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

test("a hand that two incidents hold is free when the last of them ends", async () => {
  await using fleet = await startFleet();
  const first = await fleet.planFor("inc_1");
  const second = await fleet.planFor("inc_2");
  await fleet.apply(first.contain);
  await fleet.apply(second.contain);
  assert.deepEqual(await fleet.holding(), [["inc_1", "inc_2"], [true]]);
  assert.match(await fleet.apply(second.reinstate), /still held for inc_1: bad pushes in inc_1/);
  assert.deepEqual(await fleet.holding(), [["inc_1"], [true]]);
  await fleet.apply(first.reinstate);
  assert.deepEqual(await fleet.holding(), [[], [false]]);
});

test("a person who releases a contained agent frees it of every incident", async () => {
  await using fleet = await startFleet();
  const { client } = fleet.server;
  for (const incident of ["inc_1", "inc_2"]) {
    await fleet.apply((await fleet.planFor(incident)).contain);
  }
  assert.equal((await client.agent("backend")).state, "contained");
  const free = await client.releaseAgent("backend", "it was not its doing");
  assert.notEqual(free.state, "contained");
  assert.deepEqual(await fleet.holding(), [[], [false]]);
  const [change] = await findChanges(fleet.db, { layer: "fleet", limit: 1 });
  assert.deepEqual(
    [change?.kind, change?.agent, change?.reason],
    ["reinstate", "token:admin", "it was not its doing"],
  );
  await assert.rejects(client.releaseAgent("backend", "again"), { code: "state_forbids" });
});

test("two incidents that free and hold a hand at the same time leave it as the one that holds it says", async () => {
  await using fleet = await startFleet();
  const first = await fleet.planFor("inc_1");
  await fleet.apply(first.contain);
  const row = { agent: backend, at: new Date(), because: "bad pushes in inc_2" };
  const id = newChangeId(realWorld);
  const held = Promise.withResolvers<void>();
  const freed = fleet.db.begin(async (tx) => {
    await reinstateAgent(tx, backend, "inc_1" as IncidentId, new Date());
    const holds = fleet.db.begin(async (other) => {
      await containAgent(other, { ...row, incident: "inc_2" as IncidentId, id });
    });
    holds.then(held.resolve, held.reject);
    await until("the other to wait for this one", async () => {
      const [waits] = await fleet.db`
        select 1 from pg_stat_activity
        where wait_event_type = 'Lock' and datname = current_database()`;
      return waits !== undefined;
    });
  });
  await freed;
  await held.promise;
  assert.deepEqual(await fleet.holding(), [["inc_2"], [true]]);
});
