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
  if (typeof report === "string" || !report.ok) failed += 1;
  console.log(
    typeof report === "string" ? `${String(seed).padStart(4)}  NO   ${report}` : rowOf(report),
  );
}
console.log(`${count - failed} of ${count} seeds of ${drill} ok, one after another.`);
process.exitCode = failed === 0 ? 0 : 1;

/** What it ended with where it has no report. */
async function run(seed: number): Promise<DrillReport | string> {
  const variant = values.variant === undefined ? [] : ["--variant", values.variant];
  const args = [program, "drill", "run", drill, "--seed", String(seed), "--json", ...variant];
  const { stdout, ended } = await new Promise<{ stdout: string; ended: string }>((resolve) => {
    execFile(
      process.execPath,
      ["--conditions=development", ...args],
      { timeout: drillMsMax, maxBuffer: 64 * 1_048_576 },
      (error, stdout, stderr) => {
        const how = error?.killed === true ? `after ${drillMsMax / 1_000} s` : "by itself";
        resolve({ stdout, ended: `it ended ${how} without a report: ${stderr.slice(-500)}` });
      },
    );
  });
  const told = JSON.parse(stdout || "null") as
    | DrillReport
    | { readonly error: { readonly code: string; readonly detail: string } }
    | null;
  if (told === null) return ended;
  return "error" in told ? `[${told.error.code}] ${told.error.detail}` : told;
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
