import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { leastToStandOut } from "../../src/signals/fleet-evidence.ts";
import { gain } from "../../src/signals/floor.ts";
import {
  addToPair,
  newPairing,
  type Pair,
  pairFloor,
  pairFractions,
  pairScore,
} from "../../src/signals/paired.ts";
import { sharedOutage, simulate } from "../../src/signals/simulate.ts";
import { chance, seed, standardError } from "./chance.ts";
import {
  convictionMedian,
  convictions,
  pairedCrossings,
  pairedMedian,
  peekingFalseAlarms,
} from "./paired-simulations.ts";

const says = `seed ${seed}`;
const unit = fc.double({ min: 0, max: 1, noNaN: true });

test("no stake gains on average while the difference is delta or less, and none can lose everything", () => {
  fc.assert(
    fc.property(unit, unit, unit, (delta, below, one) => {
      const mean = delta - (1 + delta) * below;
      for (const fraction of pairFractions) {
        assert.ok(1 + gain(fraction, pairFloor(delta), pairScore(mean)) <= 1);
        assert.ok(1 + gain(fraction, pairFloor(delta), pairScore(-one)) > 0);
        const exact = 1 + (fraction * (one - delta)) / (1 + delta);
        assert.ok(Math.abs(1 + gain(fraction, pairFloor(delta), pairScore(one)) - exact) < 1e-12);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("a pair is the difference of what came of both since the last one, at any share", () => {
  const pairing = newPairing();
  const pairs: (Pair | null)[] = [];
  for (const x of [1, 1, 0, 1]) pairs.push(addToPair(pairing, "control", x, null));
  pairs.push(addToPair(pairing, "candidate", 0, "e1"));
  assert.deepEqual(pairs, [null, null, null, null, { y: 0.75, key: "e1" }]);
  assert.equal(addToPair(pairing, "candidate", 1, "e2"), null, "each observation counts once");
  assert.equal(addToPair(pairing, "candidate", 0, "e3"), null);
  assert.deepEqual(addToPair(pairing, "control", 1, null), { y: 0.5, key: "e3" });
});

for (const p of [0.95, 0.8]) {
  test(`two releases that are right with ${p} are told apart with a chance of at most alpha`, () => {
    const runs = 300;
    const arms = { control: p, candidate: p };
    const share = pairedCrossings(arms, chance(seed), { runs, horizon: 2_000 });
    assert.ok(share <= 0.05 + 3 * standardError(0.05, runs), `${share}, ${says}`);
    const peeking = peekingFalseAlarms(p, chance(seed), { runs, horizon: 2_000 });
    assert.ok(peeking > 0.25, `what looking at p < .05 after every pair does: ${peeking}, ${says}`);
  });
}

for (const [candidate, most] of [
  [0.9, 390],
  [0.8, 68],
  [0.5, 17],
] as const) {
  test(`a canary that falls from .95 to ${candidate} is proved worse within ${most} of its samples`, () => {
    const arms = { control: 0.95, candidate };
    const median = pairedMedian(arms, chance(seed + 1), { runs: 2_000, horizon: 20_000 });
    // A twentieth more: so many runs do not tell the median more exactly.
    assert.ok(median <= most * 1.05, `${median}, ${says}`);
  });
}

test("an outage that both releases share rolls back next to none, and a bad release is still found", () => {
  const how = { runs: 60, horizon: 1_000, everyMs: 100 };
  const shared = convictions(sharedOutage(0.97, how.horizon), chance(seed + 2), how);
  assert.ok(shared <= 0.05, `${shared}, ${says}`);
  const bad = () => ({ control: 0.95, candidate: 0.8 });
  const median = convictionMedian(bad, chance(seed + 3), { ...how, runs: 40 });
  assert.ok(median < 300, `${median}, ${says}`);
});

test("the more is compared, the more it takes to stand out; several that do lower it for each other", () => {
  assert.equal(leastToStandOut([]), Math.log(100));
  assert.equal(leastToStandOut([Math.log(150)]), Math.log(150));
  const quiet = Array.from({ length: 9 }, () => 0);
  assert.ok(leastToStandOut([Math.log(150), ...quiet]) > Math.log(150), "one of ten needs 1,000");
  assert.equal(leastToStandOut([Math.log(1_000), ...quiet]), Math.log(1_000));
  const three = [Math.log(400), Math.log(350), Math.log(340)];
  assert.equal(leastToStandOut([...three, ...quiet.slice(2)]), Math.log(340));
});

test("of many that are as good, what stands out is next to never more than the level", () => {
  const random = chance(seed + 4);
  const runs = 2_000;
  let wrong = 0;
  for (let run = 0; run < runs; run++) {
    // Eleven times double or nothing: a fair game, so the mean of each is 1.
    const all = Array.from({ length: 20 }, () =>
      random() < 2 ** -11 ? 11 * Math.log(2) : Number.NEGATIVE_INFINITY,
    );
    const least = leastToStandOut(all);
    if (all.some((logE) => logE >= least)) wrong += 1;
  }
  assert.ok(wrong / runs <= 0.01 + 3 * standardError(0.01, runs), `${wrong} of ${runs}, ${says}`);
});

test("what is simulated with the same seed is the same, and says what the detectors do", () => {
  const play = { level: 0.95, to: 0.7, runs: 40, seed, horizon: 800, everyMs: 100, share: 0.5 };
  const simulated = simulate(play);
  assert.deepEqual(simulate(play), simulated);
  assert.equal(simulated.found, 1);
  assert.ok((simulated.medianSamples ?? 0) <= (simulated.ninthDecileSamples ?? 0));
  assert.ok(simulated.falseRollbacks <= 0.05 && simulated.outageRollbacks <= 0.05);
  const alone = simulate({ ...play, share: 1 });
  assert.equal(alone.found, 1);
  assert.ok(alone.outageRollbacks > 0.5, "a floor alone cannot tell a shared outage");
});
