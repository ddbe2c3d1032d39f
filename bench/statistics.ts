/**
 * `npm run statistics`: every figure that the statistics are held to, by Monte Carlo, with what was reached.
 * `SEED=2 RUNS=20000 npm run statistics` plays other worlds, or more of them; the default is 2,000 runs of each,
 * and 20,000 where a median is asked for. Ends with 1 where a figure is missed.
 */

import { sharedOutage } from "../packages/server/src/signals/simulate.ts";
import { chance, seed, standardError } from "../packages/server/test/signals/chance.ts";
import { askedOften } from "../packages/server/test/signals/matched-simulations.ts";
import {
  convictionMedian,
  convictions,
  pairedCrossings,
  pairedMedian,
  peekingFalseAlarms,
} from "../packages/server/test/signals/paired-simulations.ts";
import {
  bareMeanFalseAlarms,
  dependentWorld,
  driftingWorld,
  estimatedFloorFalseAlarms,
  floorCrossings,
  greatestFactor,
  lateOnsetDelay,
  lateOnsetRunLength,
  marginalWorld,
  sharedOutageRollbacks,
  steadyFalseAlarms,
} from "../packages/server/test/signals/simulations.ts";

const runs = Number(process.env.RUNS ?? 2_000);
const many = Math.max(20_000, runs);
const few = Math.max(50, Math.round(runs / 10));
const random = chance(seed);
const began = performance.now();
let missed = 0;

type Goal = { readonly most: number } | { readonly least: number } | { readonly none: string };

function row(what: string, got: number, goal: Goal): void {
  const [said, isMet] =
    "most" in goal
      ? [`<= ${short(goal.most)}`, got <= goal.most]
      : "least" in goal
        ? [`>= ${short(goal.least)}`, got >= goal.least]
        : [goal.none, true];
  if (!isMet) missed += 1;
  const cells = [what.padEnd(86), said.padStart(16), short(got).padStart(10)];
  process.stdout.write(`${cells.join("  ")}${isMet ? "" : "  MISSED"}\n`);
}

function short(value: number): string {
  return Number.isInteger(value) || value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function heading(what: string): void {
  process.stdout.write(`\n${what.padEnd(86)}  ${"goal".padStart(16)}  ${"reached".padStart(10)}\n`);
}

/** A share that is not to exceed `p`, as well as so many runs can tell. */
const atMost = (p: number, n: number) => ({ most: p + 3 * standardError(p, n) });
const steady = (p: number) => () => () => (random() < p ? 1 : 0);
const one = { runs, horizon: 2_000 };

process.stdout.write(`seed ${seed}; ${runs} runs, ${many} for medians, ${few} of the long ones\n`);

heading("Paired: evidence alone, alpha .05, one control for each of 2,000 canary samples");
for (const p of [0.95, 0.8]) {
  const arms = { control: p, candidate: p };
  row(`false alarms at ${p} / ${p}`, pairedCrossings(arms, random, one), { most: 0.05 });
}
for (const [candidate, most] of [
  [0.9, 390],
  [0.8, 68],
  [0.5, 17],
] as const) {
  const arms = { control: 0.95, candidate };
  const median = pairedMedian(arms, random, { runs: many, horizon: 20_000 });
  row(`median canary samples to the alarm, .95 -> ${candidate}`, median, { most });
}
for (const p of [0.95, 0.8]) {
  const peeking = peekingFalseAlarms(p, random, one);
  row(`for comparison: looking at p < .05 after every pair, ${p} / ${p}`, peeking, {
    none: "far above .05",
  });
}

heading("Paired: the whole judge (evidence among the fleet, delta .02, sustain, 20 samples)");
for (const share of [0.5, 0.1, 0.01]) {
  const how = { horizon: 2_000, everyMs: 100, share, runs: share < 0.1 ? few : runs };
  const good = convictions(() => ({ control: 0.95, candidate: 0.95 }), random, how);
  row(`rolled back although as good, .95 / .95, canary at ${share * 100} %`, good, { most: 0.05 });
}
for (const share of [0.5, 0.1]) {
  const how = { horizon: 1_000, everyMs: 100, share, runs };
  const outage = convictions(sharedOutage(0.97, 1_000), random, how);
  row(`rolled back in a shared outage, canary at ${share * 100} %`, outage, { most: 0.05 });
}
for (const candidate of [0.9, 0.8, 0.5]) {
  const how = { horizon: 20_000, everyMs: 100, runs: few };
  const median = convictionMedian(() => ({ control: 0.95, candidate }), random, how);
  row(`median canary samples to the rollback, .95 -> ${candidate}`, median, { none: "no goal" });
}

heading("Floor: is the mean below m?");
row("greatest factor 1 + lam (m - p) over p >= m, floors and differences", greatestFactor(random), {
  most: 1,
});
for (const p of [0.5, 0.8, 0.95, 0.99]) {
  const crossed = floorCrossings(p, steady(p), one);
  row(`evidence ever reaches 20 at p = m = ${p}`, crossed, atMost(0.05, runs));
}
row(
  "the same, the mean drifting above m",
  floorCrossings(0.9, () => driftingWorld(random), one),
  atMost(0.05, runs),
);
row(
  "the same, each sample depending on the one before, E[x | past] >= m",
  floorCrossings(0.9, () => dependentWorld(random), one),
  atMost(0.05, runs),
);
row(
  "for comparison: only the marginal mean is m, correlation .5 (A does not hold)",
  floorCrossings(0.9, () => marginalWorld(0.9, 0.5, random), one),
  { none: "above .05" },
);
for (const p of [0.8, 0.95, 0.99]) {
  const long = { runs: few, horizon: 20_000 };
  const alarms = estimatedFloorFalseAlarms(p, random, long);
  row(`m measured over 500 samples, then 20,000 equally good ones, p = ${p}`, alarms, {
    most: 0.05,
  });
}
for (const horizon of [2_000, 20_000]) {
  const bare = bareMeanFalseAlarms(0.95, random, { runs: few, horizon });
  row(`for comparison: the bare mean as m, ${horizon} samples`, bare, { none: "above .05" });
}
for (const p of [0.5, 0.8, 0.95, 0.99]) {
  const young = steadyFalseAlarms(p, random, { runs, horizon: 1_000, everyMs: 1_000 });
  row(`whole detector, young, 1,000 samples, p = ${p}`, young, atMost(0.05, runs));
  const long = steadyFalseAlarms(p, random, { runs: few, horizon: 20_000, everyMs: 86_400 });
  row(`whole detector, 20,000 samples in 20 days, p = ${p}`, long, atMost(0.05, few));
}

heading("Late onset: e-SR, m = .95, a change after 200 samples at .97");
for (const [after, most] of [
  [0.9, 140],
  [0.8, 36],
  [0.5, 9],
] as const) {
  const delay = lateOnsetDelay(after, random, many);
  row(`mean samples to the alarm, B = 1,000, .97 -> ${after}`, delay, { most });
}
for (const [budget, about] of [
  [1e5, 71],
  [1e6, 86],
] as const) {
  const delay = lateOnsetDelay(0.8, random, many, budget);
  row(`for comparison: B = ${budget}, .97 -> .8`, delay, { none: `about ${about}` });
}
row("mean samples to a false alarm at p = m, B = 1,000", lateOnsetRunLength(0.95, random, runs), {
  least: 1_000,
});

heading("A shared outage (both give 60 samples at .3), held to a floor alone");
const both = { treated: 0.3, control: 0.3 };
const plain = sharedOutageRollbacks(both, random, { runs: few, gated: false });
row("for comparison: a plain floor rule", plain, { none: "1.0" });
const gated = sharedOutageRollbacks(both, random, { runs: few, gated: true });
row("a floor alarm that asks whether the control is fine", gated, { most: 0.05 });

heading("Copies: each held against its own request, 4 requests a second");
const copying = { horizon: 3_000, everyMs: 250, copied: 0.9, isMatched: true, runs: few };
for (const [hard, noise] of [
  [0.08, 0],
  [0, 0.1],
  [0.2, 0.2],
] as const) {
  const { convicted } = askedOften({ hard, noise, worse: 0 }, random, copying);
  row(`rolled back although as good, both wrong ${hard}, each alone ${noise}`, convicted, {
    most: 0.05,
  });
}
for (const worse of [0.11, 0.3]) {
  const fell = { hard: 0.08, noise: 0, worse };
  const matched = askedOften(fell, random, { ...copying, copied: 1 });
  row(`median requests to the rollback, .92 -> ${short(0.92 * (1 - worse))}`, matched.median, {
    none: "no goal",
  });
  const half = askedOften(fell, random, { ...copying, copied: 0.5, isMatched: false });
  row("for comparison: half of them copied, held against all", half.median, { none: "more" });
}

const seconds = Math.round((performance.now() - began) / 1_000);
process.stdout.write(
  `\n${missed === 0 ? "Every goal is reached" : `${missed} goals are missed`}; ${seconds} s.\n`,
);
process.exitCode = missed === 0 ? 0 : 1;
