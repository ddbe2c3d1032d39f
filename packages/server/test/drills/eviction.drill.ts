import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { drillMsMax, passes } from "./run-drill.ts";

const seed = Number(process.env.SEED ?? 5);

test(
  "a writer that is killed is followed by one that goes on from the word that is there",
  {
    timeout: drillMsMax,
  },
  async (t) => await evicted(t, "plain"),
);

test(
  "a writer that does not come back is followed by another of its role",
  {
    timeout: drillMsMax,
  },
  async (t) => await evicted(t, "takeover"),
);

async function evicted(t: TestContext, variant: string): Promise<void> {
  const report = await passes(["eviction", "--seed", String(seed), "--variant", variant]);
  t.diagnostic(`SEED=${seed}: killed to noticed ${report.ms.injectedToDetected} ms`);
  assert.equal(report.variant, variant);
  assert.equal(report.duplicated.effects, 0);
}
