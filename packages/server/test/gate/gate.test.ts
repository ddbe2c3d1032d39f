import assert from "node:assert/strict";
import { test } from "node:test";
import { refused } from "../releases/world.ts";
import { until } from "../support/until.ts";
import { capitalsCheck, handle, production, publish, router, startGateWorld } from "./world.ts";

test("a candidate is held to the bank, and what it scored and failed is on the release", async () => {
  await using world = await startGateWorld();
  const { client } = world;
  await publish(client, "13", {}, true);
  await publish(client, "14", { capitals: "general" });
  await publish(client, "16", { capitals: "refunds" });

  const empty = await world.judge("16");
  assert.equal(empty.verdict?.kind, "refuse");
  assert.match(empty.verdict?.because ?? "", /^the bank is empty/);

  await world.put("support-router/capitals.yaml", capitalsCheck);
  const bad = await world.judge("14");
  assert.deepEqual([bad.live, bad.verdict?.kind], ["13", "refuse"]);
  assert.match(
    bad.verdict?.because ?? "",
    /^the check support-router\/capitals fails, which 13 passes: 1 of 2 cases passed; shouted: "general" instead of "refunds"/,
  );
  assert.match(bad.verdict?.because ?? "", /no inputs are recorded/);
  const { scores } = await client.release(router, "14");
  const kept = Object.fromEntries(scores.map(({ name, value, note }) => [name, [value, note]]));
  assert.equal(kept["gate.checks"]?.[0], 0);
  assert.equal(kept["check.support-router.capitals"]?.[0], 0.5);
  assert.match(String(kept["check.support-router.capitals"]?.[1]), /^failed: 1 of 2 cases passed/);

  const good = await world.judge("16");
  assert.equal(good.verdict?.kind, "promote", good.verdict?.because);
  assert.deepEqual(good.progress.done, good.progress.total);
  assert.equal((await client.pin(production, router)).shares[0]?.version, "13", "nothing moved");

  await world.put("other/broken.yaml", "artifact: support-router\ncases: 3\n");
  const unread = await world.judge("16");
  assert.equal(unread.verdict?.kind, "refuse");
  assert.match(
    unread.verdict?.because ?? "",
    /^other\/broken\.yaml of the bank is no check \(cases:/,
  );
  await world.put("other/broken.yaml", "artifact: somebody-else\ncases: 3\n");
  assert.equal((await world.judge("16")).verdict?.kind, "promote");
  const headers = { authorization: `Bearer ${await world.server.tokenAs("viewer")}` };
  const metrics = await (await fetch(`${world.server.lastgood.url}/metrics`, { headers })).text();
  for (const line of [
    'lastgood_gate_runs{outcome="refuse"} 3',
    'lastgood_gate_runs{outcome="promote"} 2',
    'lastgood_gate_last_verdict{artifact="support-router",verdict="promote"} 1',
  ]) {
    assert.ok(metrics.includes(`${line}\n`), line);
  }
  const { runs } = await client.gateRuns({ artifact: router, version: "16" });
  assert.deepEqual(
    runs.map(({ verdict }) => verdict?.kind),
    ["promote", "refuse", "promote", "refuse"],
  );
});

test("an adversarial regression freezes and calls a person once; a check that the live release fails too holds nobody back", async () => {
  await using world = await startGateWorld();
  const { client } = world;
  await publish(client, "13", {}, true);
  await publish(client, "14", { capitals: "general" });
  await world.put("adversarial/capitals.yaml", `bank: adversarial${capitalsCheck}`);
  const frozen = await world.judge("14");
  assert.equal(frozen.verdict?.kind, "freeze", frozen.verdict?.because);
  const { incidents } = await client.incidents();
  assert.deepEqual(
    incidents.map(({ id, state, severity }) => [id, state, severity]),
    [[frozen.verdict?.incident, "frozen", "critical"]],
  );
  assert.equal((await client.pages()).pages.length, 1);
  assert.equal((await client.pin(production, router)).shares[0]?.version, "13");

  await publish(client, "13.1", { capitals: "general" }, true);
  const both = await world.judge("14");
  assert.equal(both.verdict?.kind, "promote");
  assert.match(both.verdict?.because ?? "", /as it does with 13\.1/);
});

test("a candidate that is worse on what was asked lately is refused in shadow, and the segment is named", async () => {
  await using world = await startGateWorld({ emptyBank: "allow" });
  const { client } = world;
  await publish(client, "13", {}, true);
  await publish(client, "15", { capitals: "general" });
  await publish(client, "16", {});
  const plain = Array.from({ length: 40 }, (_, index) => ({ text: `refund order ${index}` }));
  const shouted = Array.from({ length: 25 }, (_, index) => ({ text: `REFUND ORDER ${index}` }));
  await handle(client, [...plain, ...shouted], {});

  const worse = await world.judge("15");
  assert.equal(worse.verdict?.kind, "refuse", worse.verdict?.because);
  assert.deepEqual(
    worse.shadow?.paired.map(({ of, inputs, live, candidate, worse: is }) => [
      of,
      inputs,
      live,
      Math.round(candidate * 100),
      is,
    ]),
    [
      ["right", 65, 1, 62, true],
      ["right: style=plain", 40, 1, 100, false],
      ["right: style=capitals", 25, 1, 0, true],
      ["answered", 65, 1, 100, false],
      ["answered: style=plain", 40, 1, 100, false],
      ["answered: style=capitals", 25, 1, 100, false],
    ],
  );
  assert.match(
    worse.verdict?.because ?? "",
    /such as REFUND ORDER .*"general" instead of "refunds"/,
  );
  assert.equal(
    world.asked.get("13"),
    undefined,
    "what it had answered already was not asked again",
  );
  const alike = await world.judge("16");
  assert.equal(alike.verdict?.kind, "promote");
  assert.deepEqual([alike.shadow?.inputs, alike.shadow?.same], [65, 65]);
  const { scores } = await client.release(router, "15");
  assert.equal(scores.find(({ name }) => name === "gate.shadow.right.live")?.value, 1);
});

test("a candidate that hangs is bounded and refused, the same run is not begun twice, and what nobody can ask is told", async () => {
  await using world = await startGateWorld({ answersWithin: "2s" });
  const { client } = world;
  await publish(client, "13", {}, true);
  await publish(client, "14", { hangs: true });
  await world.put("support-router/capitals.yaml", capitalsCheck);
  const [one, other] = [
    await client.startGateRun(router, "14"),
    await client.startGateRun(router, "14"),
  ];
  assert.equal(one.id, other.id);
  const run = await world.judge("14");
  assert.equal(run.verdict?.kind, "refuse");
  assert.match(
    run.verdict?.because ?? "",
    /0 of 2 cases passed.*no answer: it did not answer within 2000 ms/,
  );
  await client.declareArtifact("greeting", { kind: "prompt", inFlight: "switch" });
  await client.publishRelease("greeting", { version: "1", content: "hi" });
  await assert.rejects(
    client.startGateRun("greeting", "1"),
    refused("state_forbids", /set gate\.greeting\.run/),
  );
  await assert.rejects(
    client.startGateRun(router, "99"),
    refused("not_found", /no release support-router:99/),
  );
  await assert.rejects(
    client.startGateRun(router, "14", { only: ["support-router/none"] }),
    refused("not_found", /has no check support-router\/none/),
  );
});

test("in shadow on live inputs it waits for those that come, and says how far it is; what its server left is broken off", async () => {
  const shadow = { from: "live", inputs: 25, within: "2m" };
  // Nothing is asked but what hangs: the live release has answered already.
  const settings = { emptyBank: "allow", shadow, answersWithin: "400ms" };
  await using world = await startGateWorld(settings);
  const { client, server } = world;
  await publish(client, "13", {}, true);
  await publish(client, "14", { hangs: true });
  await handle(client, [{ text: "came before" }], {});
  const begun = await client.startGateRun(router, "14");
  await until("it to wait", async () => {
    const { progress } = await client.gateRun(begun.id);
    return progress.total === 25 && /waits for live inputs/.test(progress.says);
  });
  const tickets = Array.from({ length: 25 }, (_, index) => ({ text: `refund ${index}` }));
  await handle(client, tickets, {});
  const run = await world.judge("14");
  assert.equal(run.id, begun.id);
  assert.deepEqual([run.shadow?.source, run.shadow?.inputs], ["live", 25]);
  assert.equal(run.verdict?.kind, "refuse");
  assert.match(
    run.verdict?.because ?? "",
    /worse in shadow \(answered\): 0\.0 % of 25 inputs, where 13 has 100\.0 %/,
  );

  const { db } = server.lastgood;
  await db`
    insert into gate_runs (id, environment, artifact, candidate, state, by, started_at, seen_at)
    values ('gate_left', 'production', ${router}, '14', 'running', 'x', now() - interval '2 min',
            now() - interval '2 min')`;
  const left = await client.gateRun("gate_left");
  assert.deepEqual([left.state, left.verdict], ["broken-off", null]);
  assert.match(left.fault ?? "", /the server that ran it went away: run it again/);
});
