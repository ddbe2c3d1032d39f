import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { test } from "node:test";
import type { CheckResult } from "@lastgood/sdk";
import fc from "fast-check";
import type { BankCheck } from "../../src/checks/check.ts";
import { lookedAt, suspicious, turnOf } from "../../src/gate/live.ts";
import { type LoopTurn, loopTurns } from "../../src/loop.ts";
import { until } from "../support/until.ts";
import { capitalsCheck, production, publish, router, startGateWorld } from "./world.ts";

const result = (check: string, outcome: CheckResult["outcome"]): CheckResult => ({
  ...{ check, bank: "checks", outcome, passed: 0, cases: 1, says: outcome, results: [] },
});

const whole = { waiting: 0, tooLarge: [], faulty: 0 };

function bankOf(sizes: readonly number[]): readonly BankCheck[] {
  return sizes.map((many, index) => ({
    ...{ name: `c${String(index).padStart(2, "0")}`, cases: Array(many).fill({}) },
  })) as unknown as readonly BankCheck[];
}

const namesOf = (checks: readonly BankCheck[]) => checks.map(({ name }) => name);

test("only what passed before can fail now, and only where the release before passes it still", () => {
  const failed = [result("a", "failed"), result("b", "passed")];
  assert.equal(lookedAt(failed, [], null, whole).ok, true, "it never passed");
  assert.deepEqual(suspicious(failed, ["a", "b"]), ["a"]);
  const ok = (outcome: CheckResult["outcome"]) =>
    lookedAt(failed, ["a", "b"], [result("a", outcome)], whole).ok;
  assert.deepEqual([ok("passed"), ok("failed"), ok("cannot-tell")], [false, true, null]);
  assert.equal(lookedAt(failed, ["a"], null, whole).ok, null, "there is none to ask");
  const unknown = lookedAt([result("a", "cannot-tell")], ["a"], null, { ...whole, waiting: 2 });
  assert.deepEqual([unknown.ok, unknown.known], [null, ["a"]]);
  assert.match(
    unknown.says,
    /^0 of 1 checks passed; 1 could not be told; 2 others have their turn next/,
  );
  assert.deepEqual(lookedAt(failed, ["c"], null, whole).known, ["c", "b"]);
  const unread = lookedAt([result("a", "passed")], [], null, { ...whole, faulty: 1 });
  assert.deepEqual([unread.ok, /is no check: 1 of the files/.test(unread.says)], [null, true]);
  const tooLarge = lookedAt([], [], null, { ...whole, tooLarge: ["a"] });
  assert.equal(tooLarge.ok, null, "nothing was asked");
  assert.match(tooLarge.says, /a: more cases than `live\.cases`, so never asked/);
});

test("where the bank has too many cases for one look, each check has its turn, those that failed before again and again", () => {
  const bank = bankOf([3, 5, 2, 9]);
  const begun = turnOf(bank, 6, { after: null, failing: [] });
  assert.deepEqual([namesOf(begun.asked), begun.after], [["c00"], "c00"]);
  assert.deepEqual(namesOf(begun.tooLarge), ["c03"]);
  const next = turnOf(bank, 6, { after: "c00", failing: ["c02"] });
  assert.deepEqual(
    [namesOf(next.asked), next.after],
    [["c01"], "c01"],
    "c02 does not fit beside it",
  );
  const third = turnOf(bank, 6, { after: "c01", failing: ["c00"] });
  assert.deepEqual(namesOf(third.asked), ["c00", "c02"]);
  assert.deepEqual(namesOf(turnOf(bank, 10, { after: "c01", failing: [] }).asked), ["c02"]);
  const all = turnOf(bank, 19, { after: "c01", failing: [] });
  assert.deepEqual([namesOf(all.asked), all.after], [namesOf(bank), null]);

  const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 20 });
  const failing = fc.array(fc.uniqueArray(fc.nat({ max: 19 })), { minLength: 20 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 6, max: 40 }), failing, (many, casesMax, failures) => {
      const checks = bankOf(many);
      const seen = new Set<string>();
      let after: string | null = null;
      for (let look = 0; look < checks.length; look++) {
        const failed = failures[look]?.flatMap((at) => checks[at]?.name ?? []) ?? [];
        const turn = turnOf(checks, casesMax, { after, failing: failed });
        const cases = turn.asked.reduce((sum, check) => sum + check.cases.length, 0);
        assert.ok(cases <= casesMax);
        assert.equal(new Set(namesOf(turn.asked)).size, turn.asked.length);
        for (const name of namesOf(turn.asked)) seen.add(name);
        after = turn.after;
      }
      const asked = checks.filter(({ cases }) => cases.length <= casesMax);
      assert.deepEqual([...seen].toSorted(), namesOf(asked));
    }),
  );
});

test("looks at a bank that is too large for one take turns, each going on after the last", async () => {
  await using world = await startGateWorld({ live: { every: "never", cases: 2 } });
  const { client } = world;
  await world.put("a.yaml", capitalsCheck);
  await world.put("b.yaml", capitalsCheck.replace("because: ", "because: b "));
  await publish(client, "14", { capitals: "general" }, true);
  const looks = [];
  for (let index = 0; index < 3; index++) looks.push(await client.lookAtLive(production, router));
  assert.deepEqual(
    looks.map(({ failing }) => failing.map(({ check }) => check)),
    [["a"], ["b"], ["a"]],
  );
  assert.match(looks[0]?.says ?? "", /0 of 1 checks passed; 1 others have their turn next/);
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
  // Once each: whoever looked by hand besides would add samples, or not, as it happens.
  const lookedAtByItself = (version: string) =>
    until(`${version} to be looked at`, async () => {
      const [look] = (await client.liveLooks()).looks;
      return look?.version === version ? look : null;
    });
  const well = await lookedAtByItself("13");
  assert.deepEqual([well.ok, well.prior], [true, null]);

  // Somebody moves the pin past the gate: it is looked at by itself.
  await publish(client, "14", { capitals: "general" }, true);
  const bad = await lookedAtByItself("14");
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

test("a look that broke off is not asked again at once: it may have asked much of a model", async () => {
  await using world = await startGateWorld();
  const { client, server, asked } = world;
  const turns: LoopTurn[] = [];
  const hear = (turn: unknown) => {
    const told = turn as LoopTurn;
    if (told.loop === "live-looks") turns.push(told);
  };
  subscribe(loopTurns, hear);
  try {
    await server.lastgood.db`alter table live_looks add check (false)`;
    await world.put("capitals.yaml", capitalsCheck);
    await publish(client, "13", {}, true);
    await until("it to be asked", () => asked.get("13") === 2);
    const before = turns.length;
    // The one that broke off, and the next.
    await until("two turns", () => turns.length >= before + 2);
    assert.ok(
      turns.some(({ ok }) => !ok),
      "one broke off",
    );
    assert.equal(asked.get("13"), 2);
  } finally {
    unsubscribe(loopTurns, hear);
  }
});
