import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../support/until.ts";
import { outcomesOf } from "../support/work.ts";
import { pinned, production, reaches, start, startRouter } from "./world.ts";

test("a release goes up its ramp while the judge says well, and what served before is superseded", async () => {
  await using server = await startRouter();
  const { client, judge } = server;
  const { id, phase } = await start(client);
  assert.equal(phase, "candidate");
  const canary = await reaches(client, id, "canary", 10);
  assert.equal(canary.prior, "v13");
  assert.equal(await pinned(client), "v13:90 v14:10");
  await until("it to be watched beside v13", () => {
    return judge.watched.get("production/router")?.control === "v13";
  });
  judge.say("well");
  await reaches(client, id, "live", 100);
  assert.equal(await pinned(client), "v14:100");
  await until("the live one to be watched alone", () => {
    return judge.watched.get("production/router")?.control === null;
  });
  const { events } = await client.rollout(id);
  assert.deepEqual(
    events
      .filter(({ event }) => event.startsWith("rollout"))
      .map(({ event, details }) => [event, details.epoch]),
    [
      ["rollout.started", undefined],
      ["rollout.shadowed", undefined],
      ["rollout.admitted", 2],
      ["rollout.raised", 3],
      ["rollout.promoted", 4],
    ],
  );
  const { changes } = await client.changes({ layer: "versions", target: "router" });
  assert.deepEqual(
    changes.filter(({ kind }) => kind === "deploy").map(({ agent, to }) => [agent, to]),
    [
      [`rollout:${id}`, "v14"],
      [`rollout:${id}`, "v13:50 v14:50"],
      [`rollout:${id}`, "v13:90 v14:10"],
      ["token:admin", "v13"],
    ],
  );
  const next = await start(client, "v15");
  await reaches(client, next.id, "live");
  assert.equal((await reaches(client, id, "superseded")).says.includes("v15"), true);
});

test("a candidate that is worse is turned back by an incident, with proof, and is barred", async () => {
  await using server = await startRouter({ ramp: [50, 100] });
  const { client, judge } = server;
  const { id } = await start(client);
  await reaches(client, id, "canary", 50);
  const agent = await server.clientAs("agent", "answerer");
  await agent.pollPins(production, "answerer-1", { epoch: 2 });
  judge.say("regression");
  const back = await reaches(client, id, "rolled-back");
  assert.equal(await pinned(client), "v13:100");
  await agent.pollPins(production, "answerer-1", { epoch: 3 });
  const incident = await until("the incident to be over", async () => {
    const found = await client.incident(back.incident ?? "");
    return ["resumed", "closed"].includes(found.state) ? found : null;
  });
  assert.equal(incident.recovery, back.recovery);
  assert.equal(incident.decision?.act, "run");
  assert.match(incident.decision?.because[0] ?? "", /router:v14 against v13/);
  const recovery = await client.recovery(back.recovery ?? "");
  assert.equal(recovery.state, "verified");
  const [step] = recovery.steps;
  assert.equal(step?.action.do, "turn-back");
  assert.match(step?.observed.join("; ") ?? "", /1 of 1 consumers say that they follow it/);
  const { barred } = await client.release("router", "v14");
  assert.equal(barred?.incident, incident.id);
  await assert.rejects(start(client), { code: "was_rolled_back" });
  const post = await until("the post-mortem", async () => {
    const written = await client.postMortem(incident.id);
    return !written.draft && written;
  });
  assert.equal(post.cause?.target, "router");
  const events = (await client.rollout(id)).events.map(({ event }) => event);
  assert.deepEqual(events.slice(-4), [
    "rollout.frozen",
    "rollout.turned-back",
    "reverse-gate.passed",
    "rollout.rolled-back",
  ]);
});

test("of two that begin a rollout at once one is refused, and hears who was first", async () => {
  await using server = await startRouter();
  const bob = await server.clientAs("operator", "bob");
  const { done, codes } = await outcomesOf([start(server.client), start(bob, "v15")]);
  assert.deepEqual([done, codes], [1, ["target_busy"]]);
  const { rollouts } = await server.client.rollouts({ state: "open" });
  const [first] = rollouts;
  assert.equal(rollouts.length, 1);
  await assert.rejects(start(bob, "v15"), (error: Error) => {
    assert.match(error.message, new RegExp(`${first?.startedBy} is rolling out .*${first?.id}`));
    return true;
  });
});
