import assert from "node:assert/strict";
import { test } from "node:test";
import { drillMsMax, passes } from "./run-drill.ts";

const seed = Number(process.env.SEED ?? 1);

test("september is recovered, verified and written up, and so is the same damage again, to which its playbook led; --json prints one object and nothing else", {
  timeout: drillMsMax,
}, async (t) => {
  const report = await passes(["september", "--seed", String(seed), "--again"]);
  t.diagnostic(`SEED=${seed}: injected to verified ${report.ms.injectedToVerified} ms`);
  t.diagnostic(`SEED=${seed}: ${report.gain?.says ?? "the same was not done again"}`);
  assert.ok(report.proofs.some(({ what }) => what === "again: playbook.put-right"));
  assert.equal(report.seed, seed);
});
