/** What is live, and the next one, on one dial. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { orAborted } from "../../src/abort.ts";
import type { Gate } from "../../src/rollouts/neighbours.ts";
import { until } from "../support/until.ts";
import { pinned, production, reaches, start, startRouter } from "./world.ts";

/** Lets v14 through, and keeps every other until `verdict` says what becomes of it. */
function slowGate() {
  const { promise, resolve } = Promise.withResolvers<"promote" | "refuse">();
  const gate: Gate = {
    async judge({ candidate }, _progress, signal) {
      const told = candidate === "v14" ? "promote" : await orAborted(promise, signal);
      return { kind: told, because: "as told", scores: [], failed: [] };
    },
  };
  return { gate, decide: resolve };
}

/** v14 is live before v13, and v15 is at the gate. */
async function nextAtGate(more: Readonly<Record<string, unknown>> = {}) {
  const { gate, decide } = slowGate();
  const server = await startRouter({}, more, { gate });
  const { client, judge } = server;
  const live = await start(client);
  await reaches(client, live.id, "canary", 10);
  judge.say("well");
  await reaches(client, live.id, "live");
  const next = await start(client, "v15");
  await reaches(client, next.id, "shadow");
  return { ...server, decide, live: live.id, next: next.id };
}

test("what is live is watched, and stopped, while the next one is at the gate, which gives way", async () => {
  await using world = await nextAtGate();
  const { client, judge, live, next } = world;
  assert.deepEqual(
    [...judge.watched.values()].map(({ candidate, prior, control }) => [candidate, prior, control]),
    [["v14", "v13", null]],
  );
  judge.say("regression");
  const stopped = await reaches(client, live, "frozen", 100);
  assert.equal((await client.incident(stopped.incident ?? "")).decision?.act, "freeze");
  const refused = await reaches(client, next, "refused");
  assert.match(refused.says, /v14, which it was to be compared with, is stopped or goes back/);
  await client.backRollout(live, { because: "it is v14", now: true });
  await reaches(client, live, "rolled-back");
  await start(client, "v15");
});

test("what is live is told of while the next one is frozen at the gate, and a drift of it too", async () => {
  await using world = await nextAtGate();
  const { client, judge, next } = world;
  await client.freezeRollout(next, { because: "let us look" });
  await reaches(client, next, "frozen");
  judge.say("drift", { controlIsWell: false, says: "both fell" });
  const incident = await until("an incident of what fell", async () => {
    return (await client.incidents()).incidents[0] ?? null;
  });
  assert.equal(incident.kind, "drift");
  assert.equal(await pinned(client), "v14:100", "nothing is put back for it");
});

test("refused at the gate, the next one leaves what is live watched with the floor that it had", async () => {
  await using world = await nextAtGate();
  const { client, judge, decide, live, next } = world;
  const before = judge.watched.get(`${production}/router`);
  decide("refuse");
  await reaches(client, next, "refused");
  assert.equal(judge.watched.get(`${production}/router`), before, "it was never told anew");
  judge.say("regression");
  await reaches(client, live, "frozen", 100);
});

test("a person stops or turns back what is live while the next one is at the gate, and not while it turns the dial", async () => {
  await using world = await nextAtGate();
  const { client, judge, decide, live, next } = world;
  decide("promote");
  judge.say("insufficient");
  await reaches(client, next, "canary", 10);
  for (const turned of [
    () => client.freezeRollout(live, { because: "stop" }),
    () => client.backRollout(live, { because: "back" }),
  ]) {
    await assert.rejects(turned(), { code: "target_busy", message: new RegExp(`freeze ${next}`) });
  }
  await client.backRollout(next, { because: "not this one", now: true });
  await reaches(client, next, "rolled-back");
  await until("what is live to be watched again", () => {
    return judge.watched.get(`${production}/router`)?.candidate === "v14";
  });
  await client.backRollout(live, { because: "nor that one", now: true });
  await reaches(client, live, "rolled-back");
  assert.equal(await pinned(client), "v13:100");
});

test("who deploys the candidate to everybody by hand makes it live in the place of what was", async () => {
  await using world = await nextAtGate();
  const { client, judge, decide, live, next } = world;
  decide("promote");
  judge.say("insufficient");
  await reaches(client, next, "canary", 10);
  await client.deployRelease(production, "router", { version: "v15", because: "it is urgent" });
  await reaches(client, next, "live");
  await reaches(client, live, "superseded");
  await client.publishRelease("router", { version: "v16", content: { model: "v16" } });
  await start(client, "v16");
});

test("who moves on by hand while it goes back is not failed: what was to go is gone, and proved to be", async () => {
  await using server = await startRouter({
    ramp: [50, 100],
    reverse: [60, 100],
    reverseHold: "1h",
  });
  const { client, judge } = server;
  const { id } = await start(client);
  await reaches(client, id, "canary", 50);
  judge.say("regression");
  await reaches(client, id, "rolling-back", 40);
  await client.deployRelease(production, "router", { version: "v15", because: "mended" });
  await reaches(client, id, "superseded");
  await until("the recovery to be proved", async () => {
    const [recovery] = (await client.recoveries()).recoveries;
    return recovery?.state === "verified";
  });
  assert.equal(await pinned(client), "v15:100");
  await assert.rejects(client.deployRelease(production, "router", { version: "v14" }), {
    code: "was_rolled_back",
  });
});
