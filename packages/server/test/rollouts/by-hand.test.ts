import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../support/until.ts";
import { outcomesOf } from "../support/work.ts";
import { pinned, production, reaches, start, startRouter } from "./world.ts";

const because = "let me look";

test("frozen by a person nothing automatic moves it, neither up nor back; then it goes on", async () => {
  await using server = await startRouter();
  const { client, judge } = server;
  const { id } = await start(client);
  await reaches(client, id, "canary", 10);
  const frozen = await client.freezeRollout(id, { because });
  assert.deepEqual([frozen.phase, frozen.percent], ["frozen", 10]);
  // The same verdicts move another dial, so they were heard.
  await client.deployRelease("staging", "router", { version: "v13" });
  const other = await client.startRollout("staging", "router", { version: "v14" });
  judge.say("well");
  await reaches(client, other.id, "live");
  judge.say("regression");
  const { incident } = await reaches(client, other.id, "frozen");
  judge.say("well");
  await assert.rejects(start(client, "v15"), { code: "target_busy" });
  const { incidents } = await client.incidents();
  assert.deepEqual(
    incidents.map(({ id }) => id),
    [incident],
  );
  assert.equal(await pinned(client), "v13:90 v14:10");
  await client.resumeRollout(id, { because: "all is well" });
  const live = await reaches(client, id, "live");
  assert.equal(live.decidedBy, null, "who goes on with their own freeze overrules nobody");
});

test("who goes on with what Lastgood stopped is not overruled: a person is called, and nothing moves", async () => {
  await using server = await startRouter();
  const { client, judge } = server;
  const { id } = await start(client);
  await reaches(client, id, "canary", 10);
  await client.freeze("the provider is away");
  judge.say("regression");
  const stopped = await reaches(client, id, "frozen");
  const incident = await client.incident(stopped.incident ?? "");
  assert.deepEqual([incident.state, incident.decision?.act], ["frozen", "freeze"]);
  await client.thaw();
  await reaches(client, id, "rolled-back");
  assert.equal(await pinned(client), "v13:100");

  judge.say("insufficient");
  const second = await start(client, "v15");
  await reaches(client, second.id, "canary", 10);
  await client.freeze("again");
  judge.say("regression");
  await reaches(client, second.id, "frozen");
  const resumed = await client.resumeRollout(second.id, { because: "it is the new prompt" });
  assert.equal(resumed.decidedBy, "token:admin resumed");
  await client.thaw();
  const held = await until("the incident to wait for a person", async () => {
    const { incidents } = await client.incidents();
    const [found] = incidents;
    return found?.state === "frozen" && found.because.includes("token:admin resumed it")
      ? found
      : null;
  });
  assert.ok(held);
  assert.deepEqual(
    [(await client.rollout(second.id)).phase, await pinned(client)],
    ["canary", "v13:90 v15:10"],
  );
});

test("a person turns it back by the reverse ramp, or at once, and what goes is barred", async () => {
  await using server = await startRouter({ reverseHold: "1h" });
  const { client, judge } = server;
  const { id } = await start(client);
  await reaches(client, id, "canary", 10);
  judge.say("well");
  await reaches(client, id, "live");
  await client.backRollout(id, { because: "wrong language" });
  await reaches(client, id, "rolling-back", 90);
  assert.equal(await pinned(client), "v14:90 v13:10");
  await assert.rejects(start(client, "v14"), { code: "was_rolled_back" });
  await client.backRollout(id, { because: "faster", now: true });
  await reaches(client, id, "rolled-back");
  assert.equal(await pinned(client), "v13:100");
  const { changes } = await client.changes({ layer: "versions", target: "router" });
  const [last] = changes;
  assert.deepEqual(
    [last?.kind, last?.agent, last?.reason],
    ["rollback", "token:admin", "wrong language"],
  );
  assert.equal(last?.reverts.length, 4);
  await client.publishRelease("router", { version: "v14b", content: { model: "v14" } });
  await assert.rejects(start(client, "v14b"), (error: Error) => {
    assert.match(error.message, /router:v14b has the content of router:v14, which was rolled back/);
    return true;
  });
});

test("of two who move one rollout at once one is refused, and hears who was first", async () => {
  await using server = await startRouter();
  const { client } = server;
  const bob = await server.clientAs("operator", "bob");
  const { id } = await start(client);
  const { version: expect } = await reaches(client, id, "canary", 10);
  const { done, codes } = await outcomesOf([
    client.freezeRollout(id, { because, expect }),
    bob.promoteRollout(id, { because: "ship it", expect }),
  ]);
  assert.deepEqual([done, codes], [1, ["version_conflict"]]);
  await assert.rejects(bob.backRollout(id, { because, expect }), (error: Error) => {
    assert.match(
      error.message,
      /moved by another first: token:(admin|bob), at .*let me look|ship it/,
    );
    return true;
  });
  const { phase, percent } = await client.rollout(id);
  const shares = { frozen: "v13:90 v14:10", live: "v14:100" }[phase as "frozen" | "live"];
  assert.equal(await pinned(client), shares, "no half-moved dial");
  assert.equal(percent, phase === "live" ? 100 : 10);
});

test("who deploys by hand in mid-ramp has the dial, and the rollout follows", async () => {
  await using server = await startRouter({}, { agents: { trainer: { deploys: ["**"] } } });
  const { client, judge } = server;
  const trainer = await server.clientAs("agent", "trainer");
  const { id } = await start(client);
  await reaches(client, id, "canary", 10);
  await assert.rejects(
    trainer.deployRelease(production, "router", { version: "v15" }),
    (error: Error) => {
      assert.match(error.message, /token:admin rolls out v14 in ro_/);
      return true;
    },
  );
  await client.deployRelease(production, "router", { version: "v14", percent: 30 });
  const moved = await reaches(client, id, "frozen");
  assert.match(moved.says, /token:admin pinned v13:70 v14:30/);
  judge.say("well");
  const resumed = await client.resumeRollout(id, { because: "on from there" });
  assert.equal(resumed.percent, 30);
  await reaches(client, id, "live");

  const next = await start(client, "v15");
  await reaches(client, next.id, ["canary", "live"]);
  await client.deployRelease(production, "router", { version: "v13" });
  await reaches(client, next.id, "superseded");
  assert.equal(await pinned(client), "v13:100");
});

test("promoted by hand past its ramp, nothing automatic takes it back", async () => {
  await using server = await startRouter();
  const { client, judge } = server;
  const { id } = await start(client);
  await reaches(client, id, "canary", 10);
  const live = await client.promoteRollout(id, { because: "the old model goes away today" });
  assert.deepEqual([live.phase, live.percent], ["live", 100]);
  await until("it to be watched", () => judge.watched.size > 0);
  judge.say("regression");
  const incident = await until("a person to be called", async () => {
    const [found] = (await client.incidents()).incidents;
    return found?.state === "frozen" ? found : null;
  });
  assert.match(incident.because, /token:admin/);
  assert.deepEqual([(await client.rollout(id)).phase, await pinned(client)], ["live", "v14:100"]);
});

test("plain rollback takes the way of the rollout at once, and ends a drill first", async () => {
  await using server = await startRouter({ reverseHold: "1h" });
  const { client, judge } = server;
  const { id } = await start(client);
  await reaches(client, id, "canary", 10);
  judge.say("well");
  await reaches(client, id, "live");
  const drill = await client.startReverseDrill(production, "router", { holdMs: 60_000 });
  await reaches(client, drill.rollout, "canary", 10);
  assert.equal(await pinned(client), "v14:90 v13:10");
  const back = await client.rollBackRelease(production, "router", { because: "now" });
  assert.deepEqual(back.shares, [{ version: "v13", share: 100 }]);
  assert.equal((await client.rollout(id)).phase, "rolled-back");
  assert.equal((await client.rollout(drill.rollout)).phase, "rolled-back");
  assert.ok((await client.release("router", "v14")).barred);
  assert.equal((await client.release("router", "v13")).barred, null);
});

test("an automatic way back stops where a person takes the incident, and says what it waits for", async () => {
  await using server = await startRouter({ ramp: [100], holdback: 5, reverseHold: "1h" });
  const { client, judge } = server;
  const { id } = await start(client);
  await reaches(client, id, "canary", 100);
  judge.say("well");
  await reaches(client, id, "live", 95);
  await until("it to be watched beside v13", () => {
    return judge.watched.get("production/router")?.control === "v13";
  });
  judge.say("regression");
  const turning = await reaches(client, id, "rolling-back", 90);
  await client.takeIncident(turning.incident ?? "", because);
  const held = await until("it to wait", async () => {
    const { waits } = await client.rollout(id);
    return waits?.startsWith("token:admin took") ? waits : null;
  });
  assert.match(held, new RegExp(turning.incident ?? "none"));
  assert.equal(await pinned(client), "v14:90 v13:10");
  await client.backRollout(id, { because: "I finish it", now: true });
  await reaches(client, id, "rolled-back");
});
