import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import type { DrillReport } from "../../src/drills/drill.ts";

const seed = Number(process.env.SEED ?? 1);
const bin = join(import.meta.dirname, "../../bin/lastgood.js");

test("september is recovered, verified and written up, and so is the same damage again, to which its playbook led; --json prints one object and nothing else", {
  timeout: 170_000,
}, async (t) => {
  const { code, stdout, stderr } = await drill(
    "september",
    "--seed",
    String(seed),
    "--again",
    "--json",
  );
  assert.match(stdout, /^\{.*\}\n$/s, stderr);
  const report = JSON.parse(stdout) as DrillReport;
  t.diagnostic(`SEED=${seed}: injected to verified ${report.ms.injectedToVerified} ms`);
  t.diagnostic(`SEED=${seed}: ${report.gain?.says ?? "the same was not done again"}`);
  const against = report.proofs.filter(({ holds }) => !holds);
  assert.deepEqual(against, [], `SEED=${seed}: ${JSON.stringify(report.timeline, null, 1)}`);
  assert.equal(report.ok, true);
  assert.ok(report.proofs.some(({ what }) => what === "again: playbook.put-right"));
  assert.equal(code, 0);
  assert.equal(report.seed, seed);
});

async function drill(...args: readonly string[]) {
  const command = ["--conditions=development", bin, "drill", "run", ...args];
  return await new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(
      process.execPath,
      command,
      { timeout: 165_000, maxBuffer: 10_000_000 },
      (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }),
    );
  });
}
