import assert from "node:assert/strict";
import { test } from "node:test";
import { drillMsMax, passes } from "./run-drill.ts";

const seed = Number(process.env.SEED ?? 36);

test("a live model that a surge makes misroute goes back, and its bias does not come through again", {
  timeout: drillMsMax,
}, async (t) => {
  const report = await passes(["support-router", "--seed", String(seed), "--variant", "surge"]);
  t.diagnostic(`SEED=${seed}: the surge was confirmed after ${report.ms.injectedToDetected} ms`);
  assert.deepEqual(report.details.reverted, ["14"]);
});

test("a live model that an outage makes fail stays where it is: the one before suffers alike", {
  timeout: drillMsMax,
}, async (t) => {
  const report = await passes(["support-router", "--seed", String(seed), "--variant", "outage"]);
  t.diagnostic(`SEED=${seed}: the outage was noticed after ${report.ms.injectedToDetected} ms`);
  assert.deepEqual(report.details.reverted, []);
});
