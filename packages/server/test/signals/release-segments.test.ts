import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { leftOutOf } from "../../src/signals/left-out.ts";
import { judgementToApi } from "../../src/signals/release-status.ts";
import { newTrial, type Trial, takeInto } from "../../src/signals/release-trial.ts";
import { chance, seed } from "./chance.ts";
import { beside, guardrail, startJudge } from "./releases-world.ts";

const byCustomer = {
  ...beside,
  guardrails: [{ ...guardrail, dimensions: ["customer"] }],
};

test("a segment that comes when 32 others have every place gets one as soon as one of them falls silent, and is convicted", () => {
  const world = startJudge();
  const random = chance(seed);
  world.judge.watch(byCustomer);
  const both = (customer: string, p: number) => {
    world.feed("v13", random() < 0.95 ? 1 : 0, { dimensions: { customer } });
    world.feed("v14", random() < p ? 1 : 0, { dimensions: { customer } });
  };
  for (let index = 0; index < 40; index++) both(`once-${index}`, 0.95);
  for (let index = 0; index < 4_000 && world.said()?.kind !== "regression"; index++) {
    if (random() < 0.12) both("acme", 0.6);
    else both("others", 0.95);
  }
  assert.equal(world.said()?.kind, "regression", `${world.said()?.says}, seed ${seed}`);
  assert.equal(world.said()?.dimension, "customer=acme");
});

test("samples whose segment finds no place are counted, and the busiest such segments are named", () => {
  const world = startJudge();
  world.judge.watch(byCustomer);
  const feed = (version: string, customer: string) =>
    world.feed(version, 1, { dimensions: { customer } });
  for (let round = 0; round < 25; round++) {
    for (let index = 0; index < 32; index++) feed("v14", `c${index}`);
  }
  for (let index = 0; index < 200; index++) {
    feed("v14", index % 2 === 0 ? "acme" : `rare-${index}`);
    feed("v13", "acme");
  }
  const [judged] = world.judge.trials();
  const shown = judged === undefined ? null : judgementToApi(judged);
  assert.equal(shown?.lines.length, 33, "all, and 32 segments");
  const [left] = shown?.leftOut ?? [];
  assert.deepEqual(
    [left?.signal, left?.samples],
    ["quality", 200],
    "the control's count for nobody",
  );
  assert.equal(left?.busiest[0], "customer=acme");
  assert.ok((left?.busiest.length ?? 0) <= 5);
});

interface Sent {
  readonly customer: number;
  readonly pauseMs: number;
}

test("whatever comes, at most 32 places are taken, none that was judged is lost, and each sample is in one or counted", () => {
  const sent: fc.Arbitrary<Sent> = fc.record({
    customer: fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 60 })),
    pauseMs: fc.oneof(
      { weight: 20, arbitrary: fc.nat({ max: 2_000 }) },
      { weight: 1, arbitrary: fc.nat({ max: 2_000_000 }) },
    ),
  });
  fc.assert(
    fc.property(fc.array(sent, { minLength: 100, maxLength: 600 }), (samples) => {
      const trial = newTrial(byCustomer, () => null, 0);
      const judged = new Set<string>();
      let at = 1_800_000_000_000;
      for (const { customer, pauseMs } of samples) {
        at += pauseMs;
        const before = placed(trial);
        take(trial, at, customer);
        const after = placed(trial);
        const name = `customer=${customer}`;
        const isCounted = after.left === before.left + 1;
        const isIn = after.n(name) === before.n(name) + 1 || after.n(name) === 1;
        assert.notEqual(isCounted, isIn);
        assert.ok(after.names.length <= 32);
        for (const each of after.names) if (after.n(each) >= 20) judged.add(each);
        for (const each of judged) assert.ok(after.names.includes(each), `${each} was judged`);
      }
    }),
    { numRuns: 40 },
  );
});

function take(trial: Trial, at: number, customer: number): void {
  const sample = {
    ...{ service: "router", signal: "quality", at, ok: null, value: 1, hard: null, key: null },
    ...{ dimensions: { customer: String(customer) }, release: "router:v14" },
  };
  takeInto(trial, "candidate", sample, () => null);
}

function placed({ lines }: Trial) {
  const { segments, leftOut } = lines.quality ?? assert.fail();
  const sizes = new Map(Object.entries(segments).map(([name, line]) => [name, line.candidate.n]));
  return {
    names: [...sizes.keys()],
    n: (name: string) => sizes.get(name) ?? 0,
    left: leftOut.samples,
  };
}

test("equals are rolled back no more often where segments come and go", () => {
  let wrong = 0;
  for (let run = 0; run < 20; run++) {
    const world = startJudge();
    const random = chance(seed + run);
    world.judge.watch(byCustomer);
    for (let index = 0; index < 1_500; index++) {
      for (const version of ["v13", "v14"]) {
        const customer = String(Math.floor(1 / (0.004 + random())));
        world.feed(version, random() < 0.9 ? 1 : 0, { dimensions: { customer } });
      }
    }
    if (world.told.some(({ verdict }) => verdict.kind === "regression")) wrong += 1;
  }
  assert.ok(wrong <= 1, `${wrong} of 20, seed ${seed}`);
});

test("of what is left out the busiest are known, however many there are", () => {
  const names = fc.array(fc.nat({ max: 300 }), { maxLength: 400 });
  fc.assert(
    fc.property(names, (others) => {
      const left = { samples: 0, busiest: {} };
      const all = others.flatMap((other) => [`x=${other}`, "x=busy"]);
      for (const name of all) leftOutOf(left, name);
      assert.equal(left.samples, all.length);
      assert.ok(Object.keys(left.busiest).length <= 32);
      if (all.length > 0) assert.ok("x=busy" in left.busiest, "it has half of all");
    }),
  );
});
