import assert from "node:assert/strict";
import { test } from "node:test";
import type { CheckResult } from "@lastgood/sdk";
import type { BankCheck } from "../../src/checks/check.ts";
import { lookedAt, suspicious, withinCases } from "../../src/gate/live.ts";
import { until } from "../support/until.ts";
import { capitalsCheck, production, publish, router, startGateWorld } from "./world.ts";

const result = (check: string, outcome: CheckResult["outcome"]): CheckResult => ({
  ...{ check, bank: "checks", outcome, passed: 0, cases: 1, says: outcome, results: [] },
});

const whole = { leftOut: 0, faulty: 0 };

test("only what passed before can fail now, and only where the release before passes it still", () => {
  const failed = [result("a", "failed"), result("b", "passed")];
  assert.equal(lookedAt(failed, [], null, whole).ok, true, "it never passed");
  assert.deepEqual(suspicious(failed, ["a", "b"]), ["a"]);
  const ok = (outcome: CheckResult["outcome"]) =>
    lookedAt(failed, ["a", "b"], [result("a", outcome)], whole).ok;
  assert.deepEqual([ok("passed"), ok("failed"), ok("cannot-tell")], [false, true, null]);
  assert.equal(lookedAt(failed, ["a"], null, whole).ok, null, "there is none to ask");
  const unknown = lookedAt([result("a", "cannot-tell")], ["a"], null, { ...whole, leftOut: 2 });
  assert.deepEqual([unknown.ok, unknown.known], [null, ["a"]]);
  assert.match(unknown.says, /^0 of 1 checks passed; 1 could not be told; 2 left out/);
  assert.deepEqual(lookedAt(failed, ["c"], null, whole).known, ["c", "b"]);
  const unread = lookedAt([result("a", "passed")], [], null, { ...whole, faulty: 1 });
  assert.deepEqual([unread.ok, /is no check: 1 of the files/.test(unread.says)], [null, true]);
  const bank = [3, 5, 2].map((many, index) => ({
    ...{ name: `${index}`, cases: Array(many).fill({}) },
  })) as unknown as readonly BankCheck[];
  assert.deepEqual(
    withinCases(bank, 6).map(({ name }) => name),
    ["0", "2"],
  );
});

test("what serves is held to the bank again and again: what passed before and fails now is told of it, and nothing moves", async () => {
  await using world = await startGateWorld(
    {},
    {
      services: { [router]: {} },
      rules: { live: { service: router, signal: "checks", detector: "hard" } },
    },
  );
  const { client, server } = world;
  await world.put("support-router/capitals.yaml", capitalsCheck);
  await publish(client, "13", {}, true);
  const well = await client.lookAtLive(production, router);
  assert.deepEqual([well.version, well.ok, well.prior], ["13", true, null]);

  // Somebody moves the pin past the gate: it is looked at by itself.
  await publish(client, "14", { capitals: "general" }, true);
  const bad = await until(
    "what serves now to be looked at",
    async () => {
      const [look] = (await client.liveLooks()).looks;
      return look?.version === "14" ? look : null;
    },
    20_000,
  );
  assert.deepEqual([bad.ok, bad.prior, bad.passed, bad.checks], [false, "13", 0, 1]);
  assert.match(
    bad.failing[0]?.why ?? "",
    /^it passed before, and the release before passes it still: 1 of 2 cases passed; shouted/,
  );
  const { samples, level, verdict } = await until("it to be a sample", async () => {
    const { rules } = await client.signals({ service: router });
    const rule = rules.find((each) => each.rule === "live");
    return rule !== undefined && rule.samples >= 2 ? rule : null;
  });
  assert.deepEqual([samples, level, verdict], [2, 0, "hold"], "one alone is no regression");
  assert.equal((await client.pin(production, router)).shares[0]?.version, "14", "nothing moved");
  assert.deepEqual((await client.incidents()).incidents, []);

  await client.rollBackRelease(production, router, { because: "capitals" });
  assert.equal((await client.lookAtLive(production, router)).ok, true);
  await assert.rejects(client.lookAtLive(production, "nothing"), { code: "not_found" });
  await client.declareArtifact("spec", { kind: "spec", inFlight: "switch" });
  await client.publishRelease("spec", { version: "1", content: "x" });
  await client.deployRelease(production, "spec", { version: "1" });
  await assert.rejects(client.lookAtLive(production, "spec"), {
    code: "state_forbids",
    message: /set gate\.spec\.run/,
  });
  assert.ok(server.lastgood.url);
});
