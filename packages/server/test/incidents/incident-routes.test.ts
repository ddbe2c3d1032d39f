import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { mayAct } from "@lastgood/sdk";
import type { IncidentId } from "../../src/ids.ts";
import { beginInvestigation, decide, openIncident } from "../../src/incidents/incident.ts";
import {
  insertIncident,
  moveIncident,
  putSymptom,
  requireIncident,
} from "../../src/incidents/incident-store.ts";
import { symptomOf } from "../../src/incidents/notice.ts";
import { putSuspects } from "../../src/incidents/triage-store.ts";
import { recordChanges } from "../../src/ledger/ledger-store.ts";
import type { Db, Query } from "../../src/store/database.ts";
import { newChangeId, newId, realWorld } from "../../src/world.ts";
import { startServer } from "../support/server.ts";
import { regression } from "./room.ts";

const config = { services: { "content-api": {} } };

/** An incident that was decided in watch mode, with one suspect on record: at once, or the loop would go first. */
async function decidedIncident(db: Db): Promise<IncidentId> {
  return await db.begin(writeDecided);
}

async function writeDecided(db: Query): Promise<IncidentId> {
  const id = newId<IncidentId>(realWorld, "inc");
  const change = newChangeId(realWorld);
  const now = new Date();
  await recordChanges(db, [
    {
      id: change,
      at: now,
      layer: "code",
      kind: "commit",
      target: "api",
      agent: "backend",
      to: "b8e4d12".padEnd(40, "0"),
      reason: "refactor the schema",
    },
  ]);
  const symptom = symptomOf(regression());
  const opened = openIncident({
    id,
    kind: "regression",
    signature: "content-api/content-api.latency",
    severity: "high",
    service: "content-api",
    title: "content-api: latency went bad",
    onset: now,
    detectedAt: now,
    openedAt: now,
  });
  await insertIncident(db, opened, null);
  await putSymptom(db, id, symptom);
  const factors = { prior: 0.7, contrast: 99, scope: 1, time: 0.9, rerun: 99 };
  const observations = [
    "rerun in a sandbox: with it the check failed 3 of 3, without it failed 0 of 3",
  ];
  await putSuspects(
    db,
    id,
    [
      {
        ...{ change, factors, observations, excluded: null, posterior: 0.998 },
        ...{ witnesses: ["contrast", "rerun"], exposedAt: now, deploy: null, distance: 0 },
      },
    ],
    { prior: 0.3, commonCause: 1, posterior: 0.002, observations: ["no peer shows it"] },
    now,
  );
  const decided = decide(
    beginInvestigation(opened),
    {
      at: now,
      act: "watch",
      would: "run",
      mode: "watch",
      changes: [change],
      innocents: [],
      agents: [],
      posterior: 0.998,
      witnesses: ["contrast", "rerun"],
      because: ["one change at 99.8 %; witnesses: contrast, rerun", "the mode is watch"],
    },
    null,
  );
  await moveIncident(db, await requireIncident(db, id), decided);
  return id;
}

test("an incident is listed, shown with its evidence, taken, handed back and closed through the API", async () => {
  await using server = await startServer(config);
  const { client } = server;
  const nothing = await client.wouldHave({ since: "1d" });
  assert.deepEqual(nothing.decisions, []);
  const id = await decidedIncident(server.lastgood.db);
  const [listed] = (await client.incidents()).incidents;
  assert.equal(listed?.id, id);
  assert.equal(listed.because, "one change at 99.8 %; witnesses: contrast, rerun");

  const shown = await client.incident(id);
  assert.equal(shown.suspects[0]?.agent, "backend");
  assert.deepEqual(shown.suspects[0].witnesses, ["contrast", "rerun"]);
  assert.equal(shown.none?.posterior, 0.002);
  assert.ok(shown.next.includes(`lastgood incident take ${id}`));
  assert.equal(mayAct("done", shown.state), false);

  await assert.rejects(client.finishIncident(id, "mended"), { code: "state_forbids" });
  const taken = await client.takeIncident(id, "mine");
  assert.equal(taken.takenBy, "token:admin");
  await assert.rejects(client.takeIncident(id), { code: "state_forbids" });
  const closed = await client.closeIncident(id, "a load test");
  assert.equal(closed.outcome, "dismissed");
  assert.deepEqual((await client.incidents()).incidents, []);
  assert.equal((await client.incidents({ state: "closed" })).incidents[0]?.id, id);
  const events = (await client.incident(id)).timeline.map(({ event, actor }) => [event, actor]);
  assert.deepEqual(events, [
    ["incident.taken", "token:admin"],
    ["incident.dismissed", "token:admin"],
  ]);
});

test("everything automatic is frozen and thawed by an operator, and everybody sees it", async () => {
  await using server = await startServer(config);
  const operator = await server.clientAs("operator");
  const viewer = await server.clientAs("viewer");
  assert.equal((await viewer.frozen()).freeze, null);
  await operator.freeze("a migration");
  assert.equal((await viewer.frozen()).freeze?.reason, "a migration");
  assert.equal((await operator.thaw()).was?.by, "token:operator");
  assert.equal((await viewer.frozen()).freeze, null);
});

test("bad input and missing rights are refused, and change nothing", async () => {
  await using server = await startServer(config);
  const { client } = server;
  const id = await decidedIncident(server.lastgood.db);
  const viewer = await server.clientAs("viewer");
  const agent = await server.clientAs("agent");
  await assert.rejects(client.incident("inc_none"), { code: "not_found" });
  await assert.rejects(client.takeIncident("../../etc"), { code: "not_found" });
  await assert.rejects(client.closeIncident(id, ""), { code: "bad_input" });
  await assert.rejects(client.closeIncident(id, "x".repeat(2_001)), { code: "bad_input" });
  await assert.rejects(client.freeze(""), { code: "bad_input" });
  await assert.rejects(client.wouldHave({ since: "yesterday" }), { code: "bad_input" });
  await assert.rejects(client.incidents({ limit: 0 }), { code: "bad_input" });
  await assert.rejects(viewer.takeIncident(id), { code: "forbidden" });
  await assert.rejects(agent.freeze("mine"), { code: "forbidden" });
  assert.equal((await client.incident(id)).state, "decided");
  assert.deepEqual((await client.incident(id)).timeline, []);
});

test("the command line shows what is broken, what did it and how sure, and what you can do", async () => {
  await using server = await startServer(config);
  const id = await decidedIncident(server.lastgood.db);
  const bin = join(import.meta.dirname, "../../bin/lastgood.js");
  const env = {
    ...process.env,
    LASTGOOD_URL: server.lastgood.url,
    LASTGOOD_TOKEN: await server.tokenAs("operator"),
  };
  const run = async (...args: readonly string[]) =>
    (
      await promisify(execFile)(process.execPath, ["--conditions=development", bin, ...args], {
        env,
      })
    ).stdout;
  const shown = await run("incident", "show");
  for (const says of [
    /HIGH {2}content-api: latency went bad/,
    /99\.8 % {2,}#+ +api b8e4d12 +backend +x 99 +- +x 0\.9 +x 99 +contrast \+ rerun/,
    /0\.2 % +\.+ +none of them/,
    /the check failed 3 of 3, without it failed 0 of 3/,
    /only watches; would have put it back \(mode watch\)/,
    new RegExp(`lastgood incident take ${id}`),
  ]) {
    assert.match(shown, says);
  }
  assert.match(await run("incident", "list"), new RegExp(`${id} +high +decided`));
  const json = JSON.parse(await run("--json", "incident", "show", id)) as { id: string };
  assert.equal(json.id, id);
  await run("freeze", "a test");
  assert.match(await run("incident", "list"), /frozen by token:operator: a test/);
  assert.match(await run("thaw"), /Thawed/);
});
