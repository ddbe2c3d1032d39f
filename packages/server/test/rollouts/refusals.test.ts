import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { configSchema } from "../../src/config/config.ts";
import { startLastgood } from "../../src/main.ts";
import { until } from "../support/until.ts";
import { handJudge, pinned, production, reaches, start, startRouter } from "./world.ts";

test("where the house only watches a worse candidate is stopped, and what would be done is on record", async () => {
  await using server = await startRouter({}, { mode: "watch" });
  const { client, judge } = server;
  const { id } = await start(client);
  await reaches(client, id, "canary", 10);
  judge.say("regression");
  const frozen = await reaches(client, id, "frozen", 10);
  const incident = await client.incident(frozen.incident ?? "");
  assert.deepEqual([incident.decision?.act, incident.decision?.would], ["watch", "run"]);
  assert.equal(await pinned(client), "v13:90 v14:10");
  const { decisions } = await client.wouldHave();
  assert.equal(decisions[0]?.incident, incident.id);
});

test("where it proposes a person approves the very plan, and the dial turns back", async () => {
  await using server = await startRouter({ automatic: "propose" });
  const { client, judge } = server;
  const { id } = await start(client);
  await reaches(client, id, "canary", 10);
  judge.say("regression");
  const { incident } = await reaches(client, id, "frozen", 10);
  const recovery = await until("the plan to wait", async () => {
    const found = (await client.recoveries({ incident: incident ?? "" })).recoveries[0];
    return found?.state === "awaiting-approval" ? found : null;
  });
  await client.approveRecovery(recovery.id, recovery.digest);
  await reaches(client, id, "rolled-back");
  assert.equal(await pinned(client), "v13:100");
});

test("with nothing left to compare with a person is called, and nothing moves", async () => {
  await using server = await startRouter({ ramp: [100] });
  const { client, judge } = server;
  const { id } = await start(client);
  await reaches(client, id, "canary", 100);
  judge.say("well");
  await reaches(client, id, "live");
  await until("it to be watched alone", () => {
    return judge.watched.get("production/router")?.control === null;
  });
  judge.say("regression", { method: "floor" });
  const frozen = await reaches(client, id, "frozen", 100);
  const { decision, state } = await client.incident(frozen.incident ?? "");
  assert.deepEqual([state, decision?.act], ["frozen", "freeze"]);
  assert.match(decision?.because.join() ?? "", /nothing served beside it/);
  assert.equal(await pinned(client), "v14:100");
});

test("what has no policy, no review, no prior or no release is refused before anything moves", async () => {
  await using server = await startRouter();
  const { client } = server;
  await client.declareArtifact("prompt", { kind: "prompt" });
  await client.publishRelease("prompt", { version: "1", content: "hello" });
  const prompt = (version: string, more = {}) =>
    client.startRollout(production, "prompt", { version, ...more });
  await assert.rejects(prompt("1"), { code: "policy_missing" });
  await assert.rejects(prompt("1", { inFlight: "switch" }), (error: Error) => {
    assert.match(
      error.message,
      /Nothing of prompt is pinned in production.*lastgood deploy prompt:1/,
    );
    return true;
  });
  assert.equal((await client.artifact("prompt")).inFlight, null, "nothing was chosen either");
  await client.declareArtifact("router", { review: "required" });
  await assert.rejects(start(client), { code: "review_missing" });
  await assert.rejects(start(client, "v99"), { code: "not_found" });
  await assert.rejects(start(client, "latest"), { code: "bad_input" });
  await assert.rejects(start(client, "v13"), { code: "state_forbids" });
  for (const ramp of [[50], [100, 10], [10, 10, 100], [0.5, 100], [101], []]) {
    await assert.rejects(start(client, "v14", { ramp }), { code: "bad_input" }, String(ramp));
  }
  await assert.rejects(start(client, "v14", { expect: 7 }), { code: "version_conflict" });
  const reviewer = await server.clientAs("operator", "bob");
  await reviewer.approveRelease("router", "v14");
  await client.deployRelease(production, "router", { version: "v14", percent: 50 });
  await reviewer.approveRelease("router", "v15");
  await assert.rejects(start(client, "v15"), (error: Error) => {
    assert.match(error.message, /router is split by hand in production \(v13:50 v14:50\)/);
    return true;
  });
  assert.deepEqual((await client.rollouts()).rollouts, []);
  assert.equal(await pinned(client), "v13:50 v14:50");
});

test("an agent that redeploys what goes back again and again is stopped, and a person begins the next", async () => {
  const agents = { trainer: { deploys: ["**"] } };
  await using server = await startRouter({}, { agents, caps: { recoveriesInARow: 2 } });
  const { client, judge } = server;
  const trainer = await server.clientAs("agent", "trainer");
  for (const version of ["v14", "v15"]) {
    judge.say("insufficient");
    const { id } = await start(trainer, version);
    await reaches(client, id, "canary", 10);
    judge.say("regression");
    await reaches(client, id, "rolled-back");
  }
  await until(
    "both recoveries to be proved, though the next release came right after",
    async () => {
      const { recoveries } = await client.recoveries();
      return recoveries.length === 2 && recoveries.every(({ state }) => state === "verified");
    },
  );
  await client.publishRelease("router", { version: "v16", content: { model: "v16" } });
  await assert.rejects(start(trainer, "v16"), { code: "cap_reached" });
  await assert.rejects(trainer.deployRelease(production, "router", { version: "v16" }), {
    code: "cap_reached",
  });
  judge.say("insufficient");
  const { id } = await start(client, "v16");
  await reaches(client, id, "canary", 10);
});

test("two servers over one database take each step of a ramp once", async () => {
  await using server = await startRouter({ ramp: [10, 20, 30, 40, 50, 100] });
  const { client, judge } = server;
  const other = handJudge();
  const config = configSchema.parse({
    mode: "auto",
    rollouts: { router: { ramp: [100], hold: "0ms", guardrails: [{ signal: "accuracy" }] } },
  });
  const second = await startLastgood({
    ...{ home: `${server.folder}/second`, host: "127.0.0.1", port: 0 },
    databaseUrl: server.databaseUrl,
    configuration: { base: server.folder, current: () => config },
    log: pino({ level: "silent" }),
    seams: { judge: other },
  });
  try {
    const { id } = await start(client);
    await reaches(client, id, "canary", 10);
    await until("one of them to watch", () => judge.watched.size + other.watched.size > 0);
    judge.say("well");
    other.say("well");
    await reaches(client, id, "live");
    const { history } = await client.pin(production, "router");
    const shares = history.map((pin) => pin.shares.find(({ version }) => version === "v14")?.share);
    assert.deepEqual(shares, [100, 50, 40, 30, 20, 10, undefined]);
  } finally {
    await second.stop();
  }
});
