import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { Learning } from "@lastgood/sdk";
import {
  type GateWorld,
  handle,
  production,
  publish,
  type Rules,
  router,
  startGateWorld,
} from "../gate/world.ts";
import { handJudge, reaches } from "../rollouts/world.ts";
import { until } from "../support/until.ts";

const bad: Rules = { capitals: "general" };
const tickets = Array.from({ length: 6 }, (_, index) => `refund order ${index}`).flatMap((text) => [
  { text, customer: { name: "Ada Byron", mail: "ada@example.org" } },
  { text: text.toUpperCase(), customer: { name: "Grace Hopper", mail: "grace@example.org" } },
]);
const shouted = tickets.filter(({ text }) => text === text.toUpperCase());
const drop = ["$.customer.name", "$..mail"];

async function learn({ client }: GateWorld, rollout?: string): Promise<Learning> {
  const { id } = await client.learnFromRollback(production, router, { rollout });
  return await until("it to be learned", async () => {
    const learning = await client.learning(id, { waitMs: 20_000 });
    return learning.state === "ended" && learning;
  });
}

test("what failed under a release that a person took back becomes a check, without what is to be left out", async () => {
  await using world = await startGateWorld({ learn: { drop } });
  const { client, server } = world;
  await publish(client, "13", {}, true);
  await assert.rejects(client.learnFromRollback(production, router), {
    code: "state_forbids",
    message: /Nothing of support-router was rolled back in production/,
  });
  await publish(client, "14", bad, true);
  await handle(client, tickets, bad);
  await client.rollBackRelease(production, router, { because: "refunds went to general" });

  const { checks, fault } = await learn(world);
  const [check] = checks;
  assert.ok(check?.accepted, check?.because ?? fault ?? "no check");
  assert.deepEqual([check.badRevision, check.goodRevision], [`${router}:14`, `${router}:13`]);
  assert.deepEqual(
    [...new Set(check.runs.map(({ revision, outcome }) => `${revision} ${outcome}`))],
    [`${router}:14 bad`, `${router}:13 good`],
  );
  const said = /left out of the inputs: \$\.customer\.name \(6\), \$\.\.mail \(6\)/;
  assert.match(check.because, said);
  const name = check.command.at(-1) ?? "";
  const stored = await client.bankCheck(name);
  assert.deepEqual(
    new Set(stored.check.cases.map(({ input }) => JSON.stringify(input))),
    new Set(shouted.map(({ text }) => JSON.stringify({ text, customer: {} }))),
  );
  const file = await readFile(join(server.folder, ".lastgood/checks", stored.file), "utf8");
  assert.match(file.replaceAll(/\s+/g, " "), said);
  const kept = JSON.stringify([file, checks]);
  for (const secret of ["Grace", "Hopper", "example.org", "REFUND ORDER 0-1"]) {
    assert.ok(!kept.includes(secret), `${secret} is kept`);
  }

  const again = await learn(world);
  assert.match(again.checks[0]?.because ?? "", /^it was learned before/);
  assert.equal((await client.checkBank({ artifact: router })).checks.length, 1);
  assert.deepEqual((await client.incidents()).incidents, []);
  await publish(client, "15", { capitals: "spam" });
  const next = await world.judge("15");
  assert.match(next.verdict?.because ?? "", new RegExp(`^the check ${name} fails`));
});

test("a rollout is learned from when it was rolled back, and where nothing failed it says what is missing", async () => {
  const judge = handJudge();
  const rollouts = {
    [router]: { ramp: [50, 100], hold: "1h", reverse: [100], reverseHold: "0ms" },
  };
  const gate = { emptyBank: "allow" };
  await using world = await startGateWorld(gate, { rollouts }, { judge });
  const { client } = world;
  await publish(client, "13", {}, true);
  await publish(client, "14", bad);
  const { id } = await client.startRollout(production, router, { version: "14" });
  await reaches(client, id, "canary", 50);
  await assert.rejects(client.learnFromRollback(production, router, { rollout: id }), {
    code: "state_forbids",
    message: /is canary: there is something to learn from one that was rolled back/,
  });
  await client.backRollout(id, { because: "refunds went to general" });
  await reaches(client, id, "rolled-back");
  for (const learning of [await learn(world, id), await learn(world)]) {
    const [check] = learning.checks;
    assert.deepEqual(
      [check?.accepted, check?.badRevision, check?.goodRevision],
      [false, `${router}:14`, `${router}:13`],
    );
    assert.match(check?.because ?? "", /^nothing that failed under support-router:14 is recorded/);
  }
  const asAgent = await world.server.clientAs("agent");
  await assert.rejects(asAgent.learnFromRollback(production, router), { code: "forbidden" });
});
