/**
 * `npm run drills:seeds -- [DRILL] [--from 1] [--count 20] [--variant NAME]`: runs a drill with one seed after
 * another, prints a row for each, and exits 1 when one of them was not ok.
 */
import { execFile } from "node:child_process";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { DrillReport } from "../packages/server/src/drills/drill.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    from: { type: "string", default: "1" },
    count: { type: "string", default: "20" },
    variant: { type: "string" },
  },
});
const drill = positionals[0] ?? "september";
const [from, count] = [Number(values.from), Number(values.count)];
const program = join(resolve(import.meta.dirname, ".."), "packages/server/bin/lastgood.js");
const drillMsMax = 320_000;

console.log("seed  ok   detected  decided  contained  verified  resumed  pages  variant");
let failed = 0;
for (let seed = from; seed < from + count; seed++) {
  const report = await run(seed);
  if (report === null || !report.ok) failed += 1;
  console.log(
    report === null ? `${String(seed).padStart(4)}  NO   it ended without a report` : rowOf(report),
  );
}
console.log(`${count - failed} of ${count} seeds of ${drill} ok, one after another.`);
process.exitCode = failed === 0 ? 0 : 1;

async function run(seed: number): Promise<DrillReport | null> {
  const variant = values.variant === undefined ? [] : ["--variant", values.variant];
  const args = [program, "drill", "run", drill, "--seed", String(seed), "--json", ...variant];
  const stdout = await new Promise<string>((resolve) => {
    execFile(
      process.execPath,
      ["--conditions=development", ...args],
      { timeout: drillMsMax, maxBuffer: 64 * 1_048_576 },
      (_, out) => resolve(out),
    );
  });
  const told = JSON.parse(stdout || "null") as DrillReport | { error: unknown } | null;
  return told === null || "error" in told ? null : told;
}

/** Milliseconds from the injection on, but for `decided` and `contained`: since the moment before. */
function rowOf({ seed, ok, ms, pages, variant, proofs }: DrillReport): string {
  const cell = (value: number | null, width: number) =>
    (value === null ? "never" : String(value)).padStart(width);
  const against = proofs
    .filter(({ holds }) => !holds)
    .map(({ what, seen }) => `\n      ${what}: ${seen}`);
  return [
    `${String(seed).padStart(4)}  ${ok ? "ok " : "NO "}`,
    cell(ms.injectedToDetected, 8),
    cell(ms.detectedToDecided, 7),
    cell(ms.decidedToContained, 9),
    cell(ms.injectedToVerified, 8),
    cell(ms.injectedToResumed, 7),
    `${String(pages).padStart(5)}  ${variant}${against.join("")}`,
  ].join("  ");
}
