import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  believe,
  chooseRevision,
  convicted,
  groupFactor,
  isExhausted,
  isSettled,
  type Line,
  rerunFactors,
  untried,
  withRun,
} from "../../src/incidents/bisection.ts";

function lineOf(suspects: number, history = { good: 0, bad: 0 }): Line {
  return {
    tallies: Array.from({ length: suspects + 1 }, () => untried),
    history,
    weights: Array.from({ length: suspects }, () => 0.7 / suspects),
  };
}

/** Small, fast and good enough to flip coins by seed. */
function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Played {
  readonly convicted: number | null;
  readonly runs: number;
  readonly opened: number;
}

/** Plays a bisection to its end; `guilty` counts from 1, 0: nobody. Two sandboxes, as in life. */
function play(seed: number, suspects: number, guilty: number, flake: number): Played {
  const random = chance(seed * 7_919 + suspects);
  let line = lineOf(suspects);
  const open: number[] = [];
  let opened = 0;
  let runs = 0;
  for (; runs < 80 && !isSettled(line, believe(line)); runs++) {
    const at = chooseRevision(line, { open: new Set(open), underWay: [], opening: 3 });
    if (at === null) break;
    if (!open.includes(at)) {
      opened += 1;
      open.push(at);
      if (open.length > 2) open.shift();
    }
    const isBad = guilty !== 0 && at >= guilty;
    const fails = random() < (isBad ? 0.99 : flake);
    line = withRun(line, at, fails ? "bad" : "good");
  }
  const found = convicted(line, believe(line));
  return { convicted: found === null ? null : found + 1, runs, opened };
}

const seeds = Array.from({ length: 300 }, (_, index) => index + 1);

for (const flake of [0, 0.2]) {
  test(`with a check that fails ${flake * 100} % of the time on good revisions the guilty is found`, () => {
    for (const suspects of [1, 2, 5, 8]) {
      const games = seeds.map((seed) => {
        const guilty = 1 + (seed % suspects);
        return { guilty, ...play(seed, suspects, guilty, flake) };
      });
      const wrong = games.filter(
        (game) => game.convicted !== null && game.convicted !== game.guilty,
      );
      const right = games.filter((game) => game.convicted === game.guilty);
      const mean = games.reduce((sum, game) => sum + game.runs, 0) / games.length;
      const told = `${suspects} suspects: ${wrong.length} wrong, ${right.length} right of ${games.length}, ${mean} runs`;
      assert.ok(wrong.length <= 0.01 * games.length, told);
      assert.ok(right.length >= 0.97 * games.length, told);
      assert.ok(mean <= 7 + 3 * Math.log2(suspects + 1), told);
    }
  });
}

test("where nobody is guilty, a check that fails one time in five convicts hardly anybody", () => {
  for (const suspects of [1, 2, 5, 8]) {
    const games = seeds.map((seed) => play(seed, suspects, 0, 0.2));
    const wrong = games.filter((game) => game.convicted !== null);
    assert.ok(
      wrong.length <= 0.01 * games.length,
      `${wrong.length} of ${games.length}, ${suspects} suspects`,
    );
  }
});

test("a check that always fails here convicts nobody", () => {
  for (const suspects of [1, 3]) {
    let line = lineOf(suspects);
    for (let runs = 0; runs < 60; runs++) {
      const at = chooseRevision(line, { open: new Set(), underWay: [], opening: 3 });
      if (at === null) break;
      line = withRun(line, at, "bad");
    }
    assert.equal(convicted(line, believe(line)), null);
    assert.ok(rerunFactors(line).every((factor) => factor < 20));
  }
});

const anyRun = fc.record({
  at: fc.nat(4),
  outcome: fc.constantFrom<"good" | "bad" | "cannot-tell">("good", "bad", "cannot-tell"),
});

test("the order of runs does not matter, beliefs add up to one, and factors keep their bounds", () => {
  fc.assert(
    fc.property(fc.array(anyRun, { maxLength: 25 }), (runs) => {
      const played = (of: typeof runs) =>
        of.reduce((line, { at, outcome }) => withRun(line, at, outcome), lineOf(4));
      const line = played(runs);
      const belief = believe(line);
      assert.deepEqual(believe(played(runs.toReversed())), belief);
      const sum = belief.posterior.reduce((total, each) => total + each, belief.none);
      assert.ok(Math.abs(sum - 1) < 1e-9);
      for (const factor of [...rerunFactors(line, belief), groupFactor(line, belief, [0, 1])]) {
        assert.ok(factor >= 1 / 99 - 1e-12 && factor <= 99 + 1e-9);
      }
    }),
  );
});

test("without a failure with it and a pass without it, nobody gets a witness", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3), { maxLength: 20 }), (positions) => {
      const onlyBad = positions.reduce((line, at) => withRun(line, at, "bad"), lineOf(3));
      const onlyGood = positions.reduce((line, at) => withRun(line, at, "good"), lineOf(3));
      for (const line of [onlyBad, onlyGood]) {
        assert.ok(rerunFactors(line).every((factor) => factor < 20));
        assert.equal(convicted(line, believe(line)), null);
      }
    }),
  );
});

test("a check known to be steady convicts after fewer runs than one that nobody knows", () => {
  const once = (history: { good: number; bad: number }) =>
    withRun(withRun(lineOf(1, history), 1, "bad"), 0, "good");
  const known = rerunFactors(once({ good: 100, bad: 0 }))[0] ?? 0;
  const unknown = rerunFactors(once({ good: 0, bad: 0 }))[0] ?? 0;
  const flaky = rerunFactors(once({ good: 80, bad: 20 }))[0] ?? 0;
  assert.ok(known >= 20, `${known}`);
  assert.ok(unknown < 20 && flaky < 20, `${unknown} ${flaky}`);
  assert.ok(flaky < known);
});

test("a commit that broke the check and was mended later does not hide the one that serves", () => {
  // 1 broke something of its own, 2 mended it, 3 is what fails in production.
  let line = lineOf(3);
  for (let run = 0; run < 6; run++) {
    for (const at of [1, 3]) line = withRun(line, at, "bad");
    for (const at of [0, 2]) line = withRun(line, at, "good");
  }
  assert.equal(convicted(line, believe(line)), 2);
});

test("a revision that only ever cannot tell is left out, and no revision is run without end", () => {
  assert.equal(isExhausted({ good: 0, bad: 0, cannotTell: 2 }), true);
  assert.equal(isExhausted({ good: 1, bad: 0, cannotTell: 2 }), false);
  assert.equal(isExhausted({ good: 6, bad: 6, cannotTell: 0 }), true);
  const line = withRun(withRun(lineOf(1), 1, "cannot-tell"), 1, "cannot-tell");
  assert.notEqual(chooseRevision(line, { open: new Set(), underWay: [], opening: 3 }), 1);
});

test("the second sandbox is opened where it teaches most beside the first", () => {
  const line = lineOf(6);
  const first = chooseRevision(line, { open: new Set(), underWay: [], opening: 3 });
  assert.ok(first !== null);
  const second = chooseRevision(line, { open: new Set(), underWay: [first], opening: 3 });
  assert.notEqual(second, null);
  assert.notEqual(second, first);
});
