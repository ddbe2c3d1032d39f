/** What lastgood.yaml says of the gate: how a release is asked, and what it is held to before it serves anybody. */
import { z } from "zod";
import { parseDuration } from "../duration.ts";
import { evaluatorSchema, jsonPath } from "./evaluator-settings.ts";
import { artifactName } from "./release-settings.ts";
import { argv, duration, variable, wait } from "./scalars.ts";

const webUrl = z.url({ protocol: /^https?$/, error: "write an http or https URL" }).max(2_000);

const runSchema = z.strictObject({
  command: argv
    .optional()
    .describe(
      "Gets release and input as JSON on its standard input, and writes the answer as JSON.",
    ),
  http: webUrl
    .optional()
    .describe("Gets release and input as JSON in a POST, and answers with the answer as JSON."),
  model: z
    .literal(true)
    .optional()
    .describe(
      "Asks the model endpoint that the release names, without tools, as the gateway would.",
    ),
  keyEnv: variable
    .optional()
    .describe("The environment variable that holds the bearer token for `http`."),
  envFrom: z
    .array(variable)
    .max(50)
    .default([])
    .describe("Variables of Lastgood's own environment that `command` gets; by default none."),
  timeout: duration("10ms", "10m").prefault("30s").describe("How long one answer may take."),
  parallel: z.number().int().min(1).max(64).default(4).describe("How many are asked at once."),
});

const shadowSchema = z
  .strictObject({
    inputs: z
      .number()
      .int()
      .min(0)
      .max(5_000)
      .default(200)
      .describe("How many inputs candidate and live release are compared on; 0: none."),
    from: z
      .enum(["recorded", "live"])
      .default("recorded")
      .describe("The inputs recorded last, or those that come from now on."),
    within: wait("5m", "100ms").describe("How long live inputs are waited for."),
    atLeast: z
      .number()
      .int()
      .min(1)
      .max(5_000)
      .default(20)
      .describe(
        "With fewer inputs whose right answer is known, the shadow says nothing of quality.",
      ),
    delta: z.number().min(0).max(0.5).default(0.02).describe("How much worse is not worse."),
    alpha: z.number().min(0.0001).max(0.2).default(0.05),
    compare: evaluatorSchema
      .prefault({ kind: "exact" })
      .describe("What judges an answer by what turned out to be right."),
  })
  .prefault({});

const dropMax = 50;
const dropped = jsonPath.refine(
  (path) => path !== "$",
  "$ is all of the input: name the parts of it that are left out, such as $.customer.name",
);
const learnSchema = z
  .strictObject({
    drop: z
      .array(dropped)
      .max(dropMax)
      .default([])
      .describe(
        "Parts of inputs that a learned check leaves out, as JSON paths: $.customer, $..email.",
      ),
  })
  .prefault({});

const everySays = "write a span of time from 1s to 7d, or never";
const liveSchema = z
  .strictObject({
    every: z
      .string()
      .regex(/^(never|\d{1,9}(ms|s|m|h|d))$/, everySays)
      .transform((text) => (text === "never" ? ("never" as const) : parseDuration(text)))
      .refine((every) => every === "never" || (every >= 1_000 && every <= 604_800_000), everySays)
      .prefault("1h")
      .describe("How often the bank is asked of the release that serves; never: not at all."),
    cases: z
      .number()
      .int()
      .min(1)
      .max(2_000)
      .default(200)
      .describe(
        "So many cases are asked at a time; where the bank has more, its checks take turns.",
      ),
  })
  .prefault({});

export const gateSchema = z.record(
  artifactName,
  z.strictObject({
    run: runSchema.describe("How a release of it is asked: one of command, http and model."),
    shadow: shadowSchema,
    live: liveSchema.describe("How what serves is held to the bank."),
    learn: learnSchema.describe("How checks are made of what failed."),
    emptyBank: z
      .enum(["refuse", "allow"])
      .default("refuse")
      .describe("What becomes of a candidate that no check is about."),
  }),
);
export type GateSettings = z.infer<typeof gateSchema>[string];

export const bankSchema = z
  .string()
  .min(1)
  .max(1_000)
  .default(".lastgood/checks")
  .describe("The folder of the bank of checks, from that of lastgood.yaml.");
