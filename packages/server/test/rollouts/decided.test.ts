/** What a person decides while Lastgood is at it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client } from "@lastgood/sdk";
import { until } from "../support/until.ts";
import { pinned, production, reaches, start, startRouter } from "./world.ts";

/** Nothing of v13 starts, so that no way leads back to it. */
const nothingStarts = ["sh", "-c", 'test "$VERSION" != v13'];

async function nobodyIsCalled(client: Client): Promise<void> {
  await until("every page to be over", async () => {
    return (await client.incidents()).incidents.every(({ state }) => state === "closed");
  });
}

test("what a person resumed after the recovery was planned, that does not turn back", async () => {
  const captured = Promise.withResolvers<void>();
  const resumed = Promise.withResolvers<void>();
  await using server = await startRouter(
    { ramp: [10, 100], hold: "1h" },
    {},
    {
      async reached(_recovery, point) {
        if (point !== "captured") return;
        captured.resolve();
        await resumed.promise;
      },
    },
  );
  const { client, judge } = server;
  const { id } = await start(client);
  await reaches(client, id, "canary", 10);
  judge.say("regression");
  await reaches(client, id, "frozen", 10);
  await captured.promise;
  judge.say("well");
  await client.resumeRollout(id, { because: "I looked: it is the new prompt" });
  resumed.resolve();
  const [{ state, id: recovery } = { state: "", id: "" }] = (await client.recoveries()).recoveries;
  assert.notEqual(state, "verified");
  await until("the recovery to find that a person decided", async () => {
    return (await client.recovery(recovery)).state === "failed";
  });
  assert.equal((await client.rollout(id)).phase, "canary");
  assert.equal(await pinned(client), "v13:90 v14:10");
});

test("a person who was called for a dial is told once another deployed by hand", async () => {
  await using server = await startRouter({ probe: { start: nothingStarts } });
  const { client } = server;
  const { id } = await start(client);
  await reaches(client, id, "canary", 10);
  await client.backRollout(id, { because: "back" });
  const frozen = await reaches(client, id, "frozen");
  assert.ok(frozen.incident);
  await client.deployRelease(production, "router", { version: "v15" });
  await reaches(client, id, "superseded");
  await nobodyIsCalled(client);
  const { outcome } = await client.incident(frozen.incident);
  assert.equal(outcome, "mended");
});

test("nobody stays called for a way back that was found impassable while a person went without looking", async () => {
  await using server = await startRouter({
    probe: { start: ["sh", "-c", 'test "$VERSION" != v13 || { sleep 1; exit 1; }'] },
  });
  const { client } = server;
  const { id } = await start(client);
  await reaches(client, id, "canary", 10);
  await client.backRollout(id, { because: "back" });
  await client.backRollout(id, { because: "at once", now: true, unchecked: true });
  await reaches(client, id, "rolled-back");
  await until("the way back to be found impassable", async () => {
    return (await client.incidents({ state: "all" })).incidents.length > 0;
  });
  await nobodyIsCalled(client);
});
