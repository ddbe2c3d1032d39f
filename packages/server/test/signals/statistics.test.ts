import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { floorFrom } from "../../src/signals/baseline.ts";
import {
  betFractions,
  floorMax,
  gain,
  logFloorEvidence,
  logFloorEvidenceOf,
  newFloor,
  observeFloor,
} from "../../src/signals/floor.ts";
import { newLateOnset, observeLateOnset, onsetOf } from "../../src/signals/late-onset.ts";
import { chance, seed, standardError } from "./chance.ts";
import {
  dependentWorld,
  driftingWorld,
  estimatedFloorFalseAlarms,
  floorCrossings,
  lateOnsetDelay,
  lateOnsetRunLength,
  sharedOutageRollbacks,
  steadyFalseAlarms,
} from "./simulations.ts";

const says = `seed ${seed}`;

test("no stake gains on average while the mean is at the floor or above, and none can lose everything", () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(share, share, share, (at, above, x) => {
      const m = at * floorMax;
      const p = m + (1 - m) * above;
      for (const fraction of betFractions) {
        assert.ok(1 + gain(fraction, m, p) <= 1);
        assert.ok(1 + gain(fraction, m, x) > 0);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("evidence counted in any order, or all at once, is the same", () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { maxLength: 200 }),
      fc.double({ min: 0.05, max: floorMax, noNaN: true }),
      (scores, m) => {
        const state = newFloor();
        for (const ok of scores) observeFloor(state, m, ok ? 1 : 0);
        const good = scores.filter(Boolean).length;
        const atOnce = logFloorEvidenceOf(m, good, scores.length - good);
        assert.ok(Math.abs(logFloorEvidence(state) - atOnce) < 1e-6);
      },
    ),
  );
});

const trials = { runs: 200, horizon: 2_000 };
const bound = 0.05 + 3 * standardError(0.05, trials.runs);

for (const p of [0.5, 0.8, 0.95, 0.99]) {
  test(`a steady mean of ${p} crosses 1/alpha with a chance of at most alpha`, () => {
    const random = chance(seed);
    const share = floorCrossings(p, () => () => (random() < p ? 1 : 0), trials);
    assert.ok(share <= bound, `${share} > ${bound}, ${says}`);
  });
}

test("neither drift above the floor nor dependence on the past raises that chance", () => {
  const random = chance(seed + 1);
  for (const world of [driftingWorld(random), dependentWorld(random)]) {
    const share = floorCrossings(0.9, () => world, trials);
    assert.ok(share <= bound, `${share} > ${bound}, ${says}`);
  }
});

test("the evidence is not shy: half of a .95 service lost is proved within 25 samples", () => {
  const random = chance(seed + 2);
  const share = floorCrossings(0.95, () => () => (random() < 0.5 ? 1 : 0), {
    runs: 300,
    horizon: 25,
  });
  assert.ok(share > 0.9, `${share}, ${says}`);
});

test("the bare mean as a floor would roll back good releases; the mean less its margin does not", () => {
  const random = chance(seed + 3);
  for (const p of [0.8, 0.95]) {
    const runs = 40;
    const share = estimatedFloorFalseAlarms(p, random, { runs, horizon: 20_000 });
    const most = 0.05 + 3 * standardError(0.05, runs);
    assert.ok(share <= most, `${share} > ${most} at ${p}, ${says}`);
  }
  // What the margin is for: the same floor without it.
  const random2 = chance(seed + 4);
  const bare = floorCrossings(0.96, () => () => (random2() < 0.95 ? 1 : 0), {
    runs: 40,
    horizon: 20_000,
  });
  assert.ok(bare > 0.9, `a floor one point too high is crossed in ${bare}, ${says}`);
});

test("a young service, its floor still provisional, raises no more false alarms than alpha", () => {
  const random = chance(seed + 5);
  for (const p of [0.5, 0.8, 0.95, 0.99]) {
    const runs = 120;
    const share = steadyFalseAlarms(p, random, { runs, horizon: 1_000, everyMs: 1_000 });
    const most = 0.05 + 3 * standardError(0.05, runs);
    assert.ok(share <= most, `${share} > ${most} at ${p}, ${says}`);
  }
});

test("a whole detector stays quiet over 20,000 samples of a steady service", () => {
  const random = chance(seed + 6);
  for (const p of [0.8, 0.99]) {
    const runs = 20;
    const share = steadyFalseAlarms(p, random, { runs, horizon: 20_000, everyMs: 86_400 });
    const most = 0.05 + 3 * standardError(0.05, runs);
    assert.ok(share <= most, `${share} > ${most} at ${p}, ${says}`);
  }
});

for (const [after, most] of [
  [0.9, 140],
  [0.8, 36],
  [0.5, 9],
] as const) {
  test(`a fall from .97 to ${after} is found within ${most} samples on average`, () => {
    const delay = lateOnsetDelay(after, chance(seed + 7), 600);
    assert.ok(delay <= most, `${delay}, ${says}`);
  });
}

test("at the floor itself a false alarm takes 1,000 samples or more on average", () => {
  const length = lateOnsetRunLength(0.95, chance(seed + 8), 300);
  assert.ok(length >= 1_000, `${length}, ${says}`);
});

test("the onset is the first bad observation of the run, not the last good one", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 3, max: 40 }), (good, bad) => {
      const state = newLateOnset();
      for (let at = 0; at < good; at++) observeLateOnset(state, 0.95, 1, at);
      for (let at = 0; at < bad; at++) observeLateOnset(state, 0.95, 0, good + at);
      assert.equal(onsetOf(state), good);
    }),
  );
});

test("a shared outage rolls back an innocent release without the control, and not with it", () => {
  const runs = 80;
  const both = { treated: 0.3, control: 0.3 };
  const plain = sharedOutageRollbacks(both, chance(seed + 9), { runs, gated: false });
  assert.ok(plain > 0.95, `${plain}, ${says}`);
  const gated = sharedOutageRollbacks(both, chance(seed + 9), { runs, gated: true });
  assert.ok(gated <= 0.05, `${gated}, ${says}`);
  const guilty = { treated: 0.3, control: 0.99 };
  const found = sharedOutageRollbacks(guilty, chance(seed + 10), { runs, gated: true });
  assert.ok(found > 0.9, `a guilty release is still found: ${found}, ${says}`);
});

test("a measured floor lies below the mean by its margin, and a young one lower still", () => {
  assert.equal(floorFrom(500, 500, 0.02), 0.98);
  assert.equal(floorFrom(500, 400, 0.02), 0.8 - 2 * Math.sqrt((0.8 * 0.2) / 500));
  assert.ok(floorFrom(20, 20, 0.02) < 0.8);
  fc.assert(
    fc.property(
      fc.integer({ min: 20, max: 2_000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (n, share) => {
        const good = Math.round(n * share);
        const floor = floorFrom(n, good, 0.02);
        assert.ok(floor >= 0 && floor <= floorMax);
        assert.ok(floor <= Math.max(0.2, good / n), "never above the mean of a service that works");
      },
    ),
  );
});
