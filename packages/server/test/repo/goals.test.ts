import assert from "node:assert/strict";
import { test } from "node:test";
import { missedIn } from "../../../../bench/goals.ts";

test("a goal that a measurement misses is named, wherever it stands, and so is one that was not measured", () => {
  const gateway = { ratios: { firstWordP50ToGoal: 0.8, firstWordP99ToGoal: 1.54 }, cpuMs: 9 };
  const missed = missedIn({ gateway, pins: { ratios: { lastToGoal: Number.NaN } } });
  assert.deepEqual(
    missed.map(({ figure }) => figure),
    ["gateway.ratios.firstWordP99ToGoal", "pins.ratios.lastToGoal"],
  );
});
