import assert from "node:assert/strict";
import { test } from "node:test";
import { drillMsMax, passes } from "./run-drill.ts";

const seed = Number(process.env.SEED ?? 4);

test("a spec that refuses what is owed is switched back in one step, and each refund that failed is paid once", {
  timeout: drillMsMax,
}, async (t) => {
  const report = await passes(["refund-spec", "--seed", String(seed)]);
  const { queuedAgain, inFlight } = report.details;
  t.diagnostic(`SEED=${seed}, in flight: ${inFlight}; ${queuedAgain} were queued again`);
  assert.ok(Number(queuedAgain) >= 200, `SEED=${seed}`);
  assert.deepEqual([report.duplicated.effects, report.lost.executions], [0, 0]);
});
