/**
 * The error rates of the detectors, by Monte Carlo, with more runs than the tests have time for.
 * `SEED=2 RUNS=2000 npm run bench:statistics` plays another world for longer.
 */
import { chance, seed, standardError } from "../packages/server/test/signals/chance.ts";
import {
  estimatedFloorFalseAlarms,
  floorCrossings,
  lateOnsetDelay,
  lateOnsetRunLength,
  sharedOutageRollbacks,
  steadyFalseAlarms,
} from "../packages/server/test/signals/simulations.ts";

const runs = Number(process.env.RUNS ?? 1_000);
const few = Math.max(50, Math.round(runs / 5));
const random = chance(seed);
let failed = false;

function row(what: string, got: number, most: number, sense: "at most" | "at least"): void {
  const ok = sense === "at most" ? got <= most : got >= most;
  if (!ok) failed = true;
  const cells = [
    what.padEnd(66),
    got.toFixed(4).padStart(12),
    sense,
    most.toFixed(4),
    ok ? "" : "MISSED",
  ];
  process.stdout.write(`${cells.join("  ").trimEnd()}\n`);
}

const allowed = (p: number, n: number) => p + 3 * standardError(p, n);

process.stdout.write(`seed ${seed}, ${runs} runs (${few} of the long ones)\n`);
for (const p of [0.5, 0.8, 0.95, 0.99]) {
  const crossed = floorCrossings(p, () => () => (random() < p ? 1 : 0), { runs, horizon: 2_000 });
  row(`floor: evidence ever reaches 20 at p = m = ${p}`, crossed, allowed(0.05, runs), "at most");
}
for (const p of [0.8, 0.95, 0.99]) {
  const alarms = estimatedFloorFalseAlarms(p, random, { runs: few, horizon: 20_000 });
  row(
    `floor: m measured over 500, equally good for 20,000, p = ${p}`,
    alarms,
    allowed(0.05, few),
    "at most",
  );
}
for (const p of [0.5, 0.8, 0.95, 0.99]) {
  const alarms = steadyFalseAlarms(p, random, { runs, horizon: 1_000, everyMs: 1_000 });
  row(`whole detector, young, 1,000 samples, p = ${p}`, alarms, allowed(0.05, runs), "at most");
}
for (const p of [0.5, 0.8, 0.95, 0.99]) {
  const alarms = steadyFalseAlarms(p, random, { runs: few, horizon: 20_000, everyMs: 86_400 });
  row(`whole detector, 20,000 samples in 20 days, p = ${p}`, alarms, allowed(0.05, few), "at most");
}
for (const [after, most] of [
  [0.9, 140],
  [0.8, 36],
  [0.5, 9],
] as const) {
  row(
    `late onset: samples from .97 -> ${after} to the alarm`,
    lateOnsetDelay(after, random, runs),
    most,
    "at most",
  );
}
row(
  "late onset: samples to a false alarm at p = m = .95",
  lateOnsetRunLength(0.95, random, runs),
  1_000,
  "at least",
);
const outage = { treated: 0.3, control: 0.3 };
row(
  "shared outage, without a control",
  sharedOutageRollbacks(outage, random, { runs: few, gated: false }),
  0.95,
  "at least",
);
row(
  "shared outage, gated by the control",
  sharedOutageRollbacks(outage, random, { runs: few, gated: true }),
  0.05,
  "at most",
);
process.exitCode = failed ? 1 : 0;
