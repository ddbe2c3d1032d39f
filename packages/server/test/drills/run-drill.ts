/** A drill as anyone runs it: by the command line, in a process of its own, to its end. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import type { DrillReport } from "../../src/drills/drill.ts";

const bin = join(import.meta.dirname, "../../bin/lastgood.js");
/** Of a test that runs one. */
export const drillMsMax = 170_000;

/** Fails where a proof does not hold, with the whole timeline; else what it printed with `--json`, which is that alone. */
export async function passes(args: readonly [drill: string, ...string[]]): Promise<DrillReport> {
  const { code, stdout, stderr } = await lastgood(["drill", "run", ...args, "--json"]);
  assert.match(stdout, /^\{.*\}\n$/s, stderr);
  const report = JSON.parse(stdout) as DrillReport;
  assert.ok("proofs" in report, stdout);
  const against = report.proofs.filter(({ holds }) => !holds);
  assert.deepEqual(against, [], `${args.join(" ")}: ${JSON.stringify(report.timeline, null, 1)}`);
  assert.equal(report.ok, true);
  assert.equal(code, 0);
  return report;
}

async function lastgood(args: readonly string[]) {
  return await new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(
      process.execPath,
      ["--conditions=development", bin, ...args],
      { timeout: drillMsMax - 5_000, maxBuffer: 10_000_000 },
      (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }),
    );
  });
}
