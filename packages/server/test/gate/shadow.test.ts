import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type CaseResult,
  type CheckCase,
  type CheckResult,
  resultOf,
} from "../../src/checks/check.ts";
import { decide, type Evidence } from "../../src/gate/gate.ts";
import { type Pair, pairedScores, quantile } from "../../src/gate/shadow.ts";
import { withoutTools } from "../../src/gate/without-tools.ts";

const strictness = { delta: 0.02, alpha: 0.05, atLeast: 20 };

function pairs(count: number, of: (index: number) => Partial<Pair>): readonly Pair[] {
  return Array.from({ length: count }, (_, index) => ({
    ...{ key: String(index), live: 1, candidate: 1, dimensions: {} },
    ...of(index),
  }));
}

function chances(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test("quantiles of the normal distribution are those of the tables", () => {
  for (const [p, z] of [
    [0.95, 1.6449],
    [0.975, 1.96],
    [0.999, 3.0902],
    [0.5, 0],
  ] as const) {
    assert.ok(Math.abs(quantile(p) - z) < 5e-4, `${p}: ${quantile(p)}`);
  }
});

test("of 2,000 candidates that are as good as the live one, hardly any is called worse; of those ten points worse most are", () => {
  const chance = chances(7);
  const share = (candidate: number) => {
    let worse = 0;
    for (let run = 0; run < 2_000; run++) {
      const seen = pairs(200, () => ({
        live: chance() < 0.92 ? 1 : 0,
        candidate: chance() < candidate ? 1 : 0,
      }));
      if (pairedScores("right", seen, strictness)[0]?.worse) worse += 1;
    }
    return worse / 2_000;
  };
  assert.ok(share(0.92) <= 0.05);
  assert.ok(share(0.9) <= 0.07, "within delta of it");
  assert.ok(share(0.82) >= 0.7);
});

test("what is worse in one segment of 8 % is called worse there, though the whole does not show it", () => {
  const seen = pairs(300, (index) => ({
    candidate: index % 12 === 0 ? 0.4 : 1,
    dimensions: { style: index % 12 === 0 ? "capitals" : "plain" },
  }));
  const found = pairedScores("right", seen, { ...strictness, delta: 0.06 });
  assert.deepEqual(
    found.filter(({ worse }) => worse).map(({ of, inputs }) => [of, inputs]),
    [["right: style=capitals", 25]],
  );
});

test("too few inputs say nothing", () => {
  assert.deepEqual(
    pairedScores(
      "right",
      pairs(19, () => ({ candidate: 0 })),
      strictness,
    ),
    [],
  );
});

const result = (
  check: string,
  outcome: "passed" | "failed" | "cannot-tell",
  bank: "checks" | "adversarial" = "checks",
) => ({
  ...{ check, bank, outcome, passed: outcome === "passed" ? 2 : 1, cases: 2 },
  ...{ says: `${check} says`, results: [] },
});
const evidence: Evidence = {
  ...{ candidate: "15", live: "13", emptyBank: "refuse", faulty: [], shadow: null },
  checks: [result("a", "passed")],
  liveChecks: new Map(),
};

test("only what passes all that the live release passes is promoted", () => {
  assert.equal(decide(evidence).kind, "promote");
  const failing = { ...evidence, checks: [result("a", "passed"), result("b", "failed")] };
  const passesLive = { ...failing, liveChecks: new Map([["b", result("b", "passed")]]) };
  assert.equal(decide(passesLive).kind, "refuse");
  assert.match(decide(passesLive).because, /^the check b fails, which 13 passes: b says/);
  const failsLive = decide({ ...failing, liveChecks: new Map([["b", result("b", "failed")]]) });
  assert.equal(failsLive.kind, "promote");
  assert.match(failsLive.because, /b fails, as it does with 13 .*holds nobody back/);
  assert.deepEqual(failsLive.failed, [{ check: "b", bank: "checks", why: "b says" }]);
});

test("a regression on the adversarial bank freezes, whatever else is found", () => {
  const bad = result("evil", "failed", "adversarial");
  const checks = [result("b", "cannot-tell"), bad];
  const frozen = decide({
    ...evidence,
    checks,
    liveChecks: new Map([["evil", { ...bad, outcome: "passed" }]]),
  });
  assert.equal(frozen.kind, "freeze");
  assert.match(frozen.because, /^the adversarial check evil fails, which 13 passes/);
  assert.equal(decide({ ...evidence, live: null, checks }).kind, "refuse");
});

type Outcomes = readonly CaseResult["outcome"][];

/** A check of the adversarial bank, all of whose cases must pass, as one release does on each of them. */
function adversarial(outcomes: Outcomes): CheckResult {
  const cases = outcomes.map((_, index) => ({ name: `case-${index}` })) as unknown as CheckCase[];
  const results = outcomes.map((outcome, index) => ({
    ...{ case: `case-${index}`, outcome, score: 0, says: outcome, answer: "", tookMs: 1 },
  }));
  return resultOf({ name: "evil", bank: "adversarial", atLeast: 1, cases }, results, null);
}

function held(candidate: Outcomes, live: Outcomes) {
  const liveChecks = new Map([["evil", adversarial(live)]]);
  return decide({ ...evidence, checks: [adversarial(candidate)], liveChecks });
}

test("an adversarial case that the live release passes freezes, whatever the live release fails besides", () => {
  const many = (count: number, outcome: CaseResult["outcome"]) => Array(count).fill(outcome);
  const nearlyAll: Outcomes = ["fail", ...many(299, "pass")];
  const worse = held(many(300, "fail"), nearlyAll);
  assert.equal(worse.kind, "freeze", worse.because);
  assert.match(
    worse.because,
    /^the adversarial check evil fails, and 299 of its 300 cases that 13 passes, such as case-1: /,
  );
  assert.deepEqual(
    worse.failed.map(({ bank, check }) => [bank, check]),
    [["adversarial", "evil"]],
  );
  assert.equal(held(nearlyAll, nearlyAll).kind, "promote", "both fail the same one");
  const late = held([...many(250, "fail"), "fail", "pass"], [...many(250, "fail"), "pass", "fail"]);
  assert.equal(late.kind, "freeze", "it passes as many, and fails another one");
  const away = held(["fail", "cannot-tell"], ["fail", "pass"]);
  assert.equal(away.kind, "refuse", "what cannot be told of it is not let through");
  assert.match(away.because, /of 1 of its 2 cases that 13 passes it could not be told/);
});

test("whatever both do in the adversarial bank: it freezes exactly where a case that the live release passes fails", () => {
  const outcome = fc.constantFrom<CaseResult["outcome"]>("pass", "fail", "cannot-tell");
  const both = fc.array(fc.tuple(outcome, outcome), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(both, (cases) => {
      const of = (which: 0 | 1) => cases.map((each) => each[which]);
      const { kind } = held(of(0), of(1));
      const isWorse = cases.some(([mine, live]) => mine === "fail" && live === "pass");
      const isOpen = cases.some(([mine, live]) => mine === "cannot-tell" && live === "pass");
      assert.equal(kind === "freeze", isWorse);
      if (isOpen) assert.notEqual(kind, "promote");
    }),
  );
});

test("an empty bank does not pass in silence, and what cannot be told does not pass", () => {
  const empty = decide({ ...evidence, checks: [] });
  assert.deepEqual([empty.kind, /^the bank is empty/.test(empty.because)], ["refuse", true]);
  const allowed = decide({ ...evidence, checks: [], emptyBank: "allow" });
  assert.equal(allowed.kind, "promote");
  assert.match(allowed.because, /the bank is empty: no check is about it/);
  assert.equal(decide({ ...evidence, checks: [result("a", "cannot-tell")] }).kind, "refuse");
  const faulty = [{ file: "x.yaml", artifact: null, says: "it is not YAML" }];
  assert.match(decide({ ...evidence, faulty }).because, /^x\.yaml of the bank is no check/);
});

test("what is asked of a model in shadow has no tools, and anything else stays as it is", () => {
  const messages = [{ role: "user", content: "hi" }];
  const tools = [{ type: "function" }];
  assert.deepEqual(withoutTools({ messages, tools, tool_choice: "auto", mcp_servers: [], n: 1 }), {
    messages,
    n: 1,
  });
  assert.deepEqual(withoutTools({ tools }), { tools });
  assert.equal(withoutTools("tools"), "tools");
});
