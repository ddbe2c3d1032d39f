import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { accept, shows } from "../../src/learning/check.ts";

const runs = (text: string) =>
  [...text].map((each) => ({ outcome: each === "r" ? ("bad" as const) : ("good" as const) }));
const steady = { good: 40, bad: 0 };
const flaky = { good: 32, bad: 8 };

test("a check that never failed on what is good is believed after two runs of each colour", () => {
  assert.equal(accept(runs("rr"), runs("gg"), steady).accepted, true);
  assert.deepEqual(
    accept(runs("rr"), runs("gg"), steady).because,
    "2 of 2 red on the bad revision, 2 of 2 green on the good one",
  );
});

test("one red run of a flaky check shows nothing, and a run of reds on the good revision does not hide its greens", () => {
  assert.equal(shows(runs("r"), "bad", flaky), false);
  assert.equal(shows(runs("rrrr"), "bad", flaky), true);
  assert.equal(shows(runs("rrrg"), "good", flaky), false);
  assert.equal(shows(runs("rrrggg"), "good", flaky), true);
});

test("a check that is red on both revisions, or green on both, is not accepted", () => {
  assert.equal(accept(runs("rrrr"), runs("rrrr"), flaky).accepted, false);
  assert.equal(accept(runs("gg"), runs("gg"), steady).accepted, false);
});

test("no runs show both at once", () => {
  fc.assert(
    fc.property(fc.nat(12), fc.nat(12), fc.nat(200), fc.nat(200), (red, green, good, bad) => {
      const seen = runs("r".repeat(red) + "g".repeat(green));
      assert.ok(!(shows(seen, "bad", { good, bad }) && shows(seen, "good", { good, bad })));
    }),
  );
});

test("of 2,000 flaky checks of a mended revision, run at most 12 times, all but a few are accepted", () => {
  let state = 42;
  const chance = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
  let refused = 0;
  for (let each = 0; each < 2_000; each++) {
    let seen = "";
    do seen += chance() < 0.2 ? "r" : "g";
    while (seen.length < 12 && !shows(runs(seen), "good", flaky));
    if (!shows(runs(seen), "good", flaky)) refused += 1;
  }
  assert.ok(refused <= 2, `${refused} of 2,000 refused`);
});
