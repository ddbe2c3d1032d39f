import type { Command } from "commander";
import { parseDuration } from "../../duration.ts";
import { Fault } from "../../fault.ts";
import { type Simulated, simulate, usualGuardrail } from "../../signals/simulate.ts";
import { createTerminal, type Terminal } from "../terminal.ts";

interface Options {
  readonly level: number;
  readonly to: number;
  readonly traffic: number;
  readonly share: number;
  readonly alpha: number;
  readonly delta: number;
  readonly floor?: number;
  readonly sustain: string;
  readonly minSamples: number;
  readonly lines: number;
  readonly watched: number;
  readonly samples: number;
  readonly runs: number;
  readonly seed: number;
  readonly json?: boolean;
}

/** alpha of a release, where it is not asked for another. */
const usualAlpha = 0.05;

export function simulateCommands(program: Command): void {
  program
    .command("simulate")
    .summary("how soon a bad release would be found, and how often a good one blamed")
    .description(
      "Plays worlds with a known truth against the very detectors that judge releases; no server is needed. " +
        "With --share 100 nothing serves beside the release, and it is held to a floor.\n\n" +
        "  lastgood simulate --level 0.95 --to 0.80 --traffic 10 --share 10\n" +
        "  lastgood simulate --level 0.95 --to 0.90 --share 100 --floor 0.93",
    )
    .option("--level <share>", "of answers that the release before has right", Number, 0.95)
    .option("--to <share>", "of answers that the bad release has right", Number, 0.8)
    .option("--traffic <n>", "samples a second, of both releases together", Number, 10)
    .option("--share <percent>", "of the traffic that the new release serves", Number, 10)
    .option("--alpha <share>", "of good releases that may be blamed", Number, usualAlpha)
    .option("--delta <share>", "how much worse is still not worse", Number, usualGuardrail.delta)
    .option("--floor <share>", "the objective; without it, it is estimated (--share 100)", Number)
    .option("--sustain <span>", "how long damage must have lasted", "2s")
    .option("--min-samples <n>", "of the new release", Number, usualGuardrail.minSamples)
    .option("--lines <n>", "guardrails and segments that share alpha", Number, 1)
    .option("--watched <n>", "lines of releases that the whole fleet compares", Number, 1)
    .option("--samples <n>", "of the new release that a run has", Number, 2_000)
    .option("--runs <n>", "of each world", Number, 400)
    .option("--seed <n>", "the same seed plays the same worlds", Number, 1)
    .action(async function run(this: Command) {
      const options = this.optsWithGlobals<Options>();
      requireSound(options);
      const terminal = createTerminal(options.json === true);
      const simulated = simulate(playOf(options));
      terminal.result({ ...options, ...simulated });
      showSimulated(terminal, options, simulated);
    });
}

function playOf(options: Options) {
  const { level, to, runs, seed, samples, traffic, share, lines, watched } = options;
  return {
    ...{ level, to, runs, seed, horizon: samples, everyMs: 1_000 / traffic },
    ...{ share: share / 100, compared: watched, sharers: (lines * usualAlpha) / options.alpha },
    guardrail: {
      ...{ ...usualGuardrail, delta: options.delta, objective: options.floor ?? null },
      ...{ sustainMs: parseDuration(options.sustain, "sustain"), minSamples: options.minSamples },
    },
  };
}

/** Observations that one call may play: some 20 seconds. */
const workMax = 20_000_000;

function requireSound(options: Options): void {
  const { level, to, traffic, share, alpha, delta, floor, lines, watched, samples, runs, seed } =
    options;
  requireWithin("level", level, 0, 1);
  requireWithin("to", to, 0, 1);
  requireWithin("traffic", traffic, 1e-6, 1e6);
  requireWithin("share", share, 0.1, 100);
  requireWithin("alpha", alpha, 1e-6, 0.5);
  requireWithin("delta", delta, 0, 0.5);
  if (floor !== undefined) requireWithin("floor", floor, 0, 0.999);
  for (const [name, count] of Object.entries({
    ...{ "min-samples": options.minSamples, lines, watched, samples, runs },
    seed: seed + 1,
  })) {
    requireWithin(name, count, 1, 1e9);
    if (!Number.isInteger(count)) throw unsound(name, "is a whole number");
  }
  if ((3 * runs * samples * 100) / share > workMax * 10) {
    throw unsound(
      "runs",
      "and --samples are too many at this share: take fewer, or a larger share",
    );
  }
}

function requireWithin(name: string, value: number, least: number, most: number): void {
  if (value >= least && value <= most) return;
  throw unsound(name, `lies from ${least} to ${most}`);
}

function unsound(name: string, what: string): Fault {
  return new Fault("bad_input", `--${name} ${what}.`, { context: { path: name } });
}

function showSimulated(terminal: Terminal, options: Options, simulated: Simulated): void {
  const { level, to, share, samples, runs, seed } = options;
  const alone = share === 100;
  const does = alone ? "would alarm" : "would be rolled back";
  const bad = `a release that has ${percent(to)} right instead of ${percent(level)}`;
  terminal.line(
    alone
      ? "Nothing serves beside it: it is held to its floor."
      : `It serves ${share} % of the traffic, and is compared with what serves the rest.`,
  );
  terminal.table(
    ["WHAT", "SHARE", "SAMPLES", "TIME"],
    [
      [
        `${bad}: half of them found by`,
        "",
        count(simulated.medianSamples),
        time(simulated.medianSeconds),
      ],
      [
        "nine of ten found by",
        "",
        count(simulated.ninthDecileSamples),
        time(simulated.ninthDecileSeconds),
      ],
      [`found within ${samples} of its samples`, percent(simulated.found), "", ""],
      [`one as good as before ${does}`, percent(simulated.falseRollbacks), String(samples), ""],
      [
        `in an outage that strikes everything it ${does}`,
        percent(simulated.outageRollbacks),
        "60",
        "",
      ],
    ],
  );
  terminal.line(`${runs} runs of each, seed ${seed}.`);
}

function count(samples: number | null): string {
  return samples === null ? "not within them" : String(samples);
}

function time(seconds: number | null): string {
  if (seconds === null) return "";
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  return seconds < 7_200 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3_600).toFixed(1)} h`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
