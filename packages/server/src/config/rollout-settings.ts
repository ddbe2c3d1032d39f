/** What lastgood.yaml says of rollouts, by artifact: how the dial is turned, what it is held to, how a release is tried. */
import { z } from "zod";
import { age, argv, duration, name, wait } from "./scalars.ts";

const percents = z.array(z.number().int().min(0).max(100)).min(1).max(20);

/** T1 of rollouts/ramp.ts, said where the file is read. */
function rises(ramp: readonly number[]): boolean {
  const inOrder = ramp.every((each, index) => index === 0 || each > (ramp[index - 1] ?? 0));
  return inOrder && ramp.at(-1) === 100;
}
const ramp = percents.refine(
  rises,
  "whole percents that rise and end at 100, such as [1, 10, 50, 100]",
);

const guardrailSchema = z.strictObject({
  signal: name.describe("A signal whose samples carry the label of the release that served."),
  good: z
    .strictObject({ atMost: z.number().optional(), atLeast: z.number().optional() })
    .optional()
    .describe("How a measured value becomes good or bad; without it samples carry `ok`."),
  delta: z.number().min(0).max(0.5).default(0.02).describe("How much worse is still not worse."),
  objective: z
    .number()
    .min(0)
    .max(0.999)
    .optional()
    .describe("The floor where nothing is left to compare with; without it, it is estimated."),
  sustain: age("2s"),
  minSamples: z.number().int().min(1).max(1_000_000).default(20),
  dimensions: z.array(name).max(4).default([]),
});

const probeSchema = z.strictObject({
  start: argv
    .optional()
    .describe("Exits 0 when the release starts; RELEASE_FILE, ARTIFACT and VERSION are set."),
  health: argv.optional().describe("Exits 0 when what was started is well."),
  smoke: z.array(argv).max(20).default([]).describe("Each exits 0 when it holds."),
  every: wait("5m", "1s").describe("How often what a rollback would go to is tried."),
  timeout: duration("100ms", "5s").prefault("5s").describe("All of it together."),
});

export const rolloutSchema = z.strictObject({
  ramp: ramp.default([1, 10, 50, 100]).describe("Percent of the keys that the candidate gets."),
  hold: wait("10m", "0ms").describe("How long each step lasts at least."),
  reverse: ramp
    .default([10, 100])
    .describe("Percent that the release before gets on the way back."),
  reverseHold: wait("30s", "0ms"),
  bake: wait("1h", "0ms").describe("How long it is looked at closely once it serves everybody."),
  holdback: z
    .number()
    .int()
    .min(0)
    .max(5)
    .default(0)
    .describe("Percent that the release before keeps, so that there is something to compare with."),
  automatic: z
    .enum(["watch", "propose", "auto"])
    .default("auto")
    .describe("When the candidate is worse; the general mode and `modes.versions` bound it."),
  guardrails: z.array(guardrailSchema).max(10).default([]),
  probe: probeSchema.prefault({}),
});

export type RolloutSettings = z.infer<typeof rolloutSchema>;

/** What counts for an artifact that the file does not name. */
export const usualRollout: RolloutSettings = rolloutSchema.parse({});
