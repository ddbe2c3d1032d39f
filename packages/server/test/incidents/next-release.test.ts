/** One release after the other goes bad, in a server whose judge says what the test tells it to. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { Client } from "@lastgood/sdk";
import { pinned, reaches, start, startRouter } from "../rollouts/world.ts";
import { until } from "../support/until.ts";

function openOf(client: Client, kind: "regression" | "drift") {
  return until(`an incident of ${kind}`, async () =>
    (await client.incidents()).incidents.find((each) => each.kind === kind),
  );
}

test("after a bad release that a person turned back, a plan is proposed for the next one too", async () => {
  await using server = await startRouter({ automatic: "propose" });
  const { client, judge } = server;
  const first = await start(client);
  await reaches(client, first.id, "canary", 10);
  judge.say("regression");
  const { incident } = await reaches(client, first.id, "frozen", 10);
  await client.backRollout(first.id, { because: "by hand", now: true });
  await reaches(client, first.id, "rolled-back");
  judge.say("insufficient");
  const second = await start(client, "v15");
  await reaches(client, second.id, "canary", 10);
  judge.say("regression");
  const stopped = await reaches(client, second.id, "frozen", 10);
  assert.notEqual(stopped.incident, incident);
  const { decision, recovery } = await client.incident(stopped.incident ?? "");
  assert.equal(decision?.act, "propose");
  const { steps } = await client.recovery(recovery ?? "");
  assert.ok(steps.some(({ layer }) => layer === "versions"));
});

test("after a release whose way back was not passable and a person's turning it, the next one goes back by itself", async () => {
  const startsOnceMended = ["sh", "-c", 'test "$VERSION" != v13 || test -e mended'];
  await using server = await startRouter({ probe: { start: startsOnceMended } });
  const { client, judge, folder } = server;
  const first = await start(client);
  await reaches(client, first.id, "canary", 10);
  judge.say("regression");
  const { id } = await openOf(client, "regression");
  await until("its recovery to fail", async () => (await client.incident(id)).state === "frozen");
  await client.backRollout(first.id, { because: "by hand", now: true, unchecked: true });
  await reaches(client, first.id, "rolled-back");
  judge.say("insufficient");
  await writeFile(join(folder, "mended"), "");
  const second = await start(client, "v15");
  await reaches(client, second.id, "canary", 10);
  judge.say("regression");
  await reaches(client, second.id, "rolled-back");
  assert.equal(await pinned(client), "v13:100");
});

test("a release that fell with what serves beside it stays where it is, and somebody hears of it", async () => {
  await using server = await startRouter({}, { pages: { containWithin: "300ms" } });
  const { client, judge } = server;
  const { id } = await start(client);
  await reaches(client, id, "canary", 10);
  judge.say("drift", { controlIsWell: false, says: "accuracy fell, of v13 as well" });
  const drift = await openOf(client, "drift");
  const told = await until("what is made of it", async () => {
    const { decision, timeline } = await client.incident(drift.id);
    const called = timeline.some(({ event }) => event === "person.called");
    return decision !== null && called ? { decision, timeline } : null;
  });
  assert.equal(told.decision.act, "none");
  const said = told.timeline.find(({ event }) => event === "drift.detected");
  assert.match(said?.text ?? "", /of v13 as well/);
  assert.equal((await client.rollout(id)).phase, "canary");
  assert.deepEqual((await client.recoveries()).recoveries, []);
});
