/** When a check that hears nothing of a signal stops leaving it to others. Pure, with a hand clock. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createUnheard } from "../../src/signals/unheard.ts";

/** Asks until it is said that nothing comes, or 50 times; each ask comes so long after the one before. */
function asksUntilSaid(everyMs: number, forMs: number): number {
  let now = 0;
  const unheard = createUnheard(() => now);
  for (let asks = 1; asks <= 50; asks++) {
    if (unheard.still("await the baseline", forMs)) return asks;
    now += everyMs;
  }
  return Number.POSITIVE_INFINITY;
}

test("what hears nothing of a signal that comes every 30 s says so, though it asks once in 95 s", () => {
  // Three of its pauses are waited for a sample, and the loop looks again after 5 s.
  assert.equal(asksUntilSaid(95_000, 2 * 300_000), 8);
});

test("what hears nothing for as long as a step may wait at most says so as well", () => {
  assert.equal(asksUntilSaid(305_000, 2 * 300_000), 3);
});

test("who did not ask for long asks about something else", () => {
  assert.equal(asksUntilSaid(700_000, 2 * 300_000), Number.POSITIVE_INFINITY);
});
