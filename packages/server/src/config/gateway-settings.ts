/** What lastgood.yaml says of the gateway: the endpoints of models, and what is kept of what passes. */
import { z } from "zod";
import { artifactName } from "./release-settings.ts";
import { age, name, variable, wait } from "./scalars.ts";

const endpointSchema = z.strictObject({
  url: z
    .url({ protocol: /^https?$/, error: "write an http or https URL" })
    .max(2_000)
    .describe(
      "What a client of that API takes as its base URL: with /v1 for openai, without for anthropic.",
    ),
  api: z.enum(["openai", "anthropic"]),
  keyEnv: variable
    .optional()
    .describe("The environment variable that holds the endpoint's key; it is never logged."),
  usage: z
    .boolean()
    .default(true)
    .describe("openai: ask for the tokens of streamed answers; some endpoints refuse that."),
  firstByteWithin: wait("60s", "10ms").describe("How long the answer may take to begin."),
  stallAfter: wait("30s", "10ms").describe("A stream that is silent for longer is cut."),
  longest: wait("10m", "100ms").describe("How long a whole answer may take."),
});

export const gatewaySchema = z
  .strictObject({
    host: z.string().min(1).max(200).default("127.0.0.1"),
    port: z.number().int().min(0).max(65_535).default(7_442),
    endpoints: z
      .record(name, endpointSchema)
      .default({})
      .describe("Where models answer. Without any there is no gateway."),
    inFlight: z
      .number()
      .int()
      .min(1)
      .max(100_000)
      .default(1_000)
      .describe("Requests at once; more is answered 429."),
    record: z
      .record(artifactName, z.number().int().min(1).max(100_000))
      .default({})
      .describe(
        "Artifacts whose requests and answers are kept, and how many: for checks and shadows.",
      ),
    keep: age("7d").describe("How long what passed is known as executions, without its content."),
    keepLast: z
      .number()
      .int()
      .min(1_000)
      .max(100_000_000)
      .default(1_000_000)
      .describe("How many of these are known at most, the last ones; looked at every ten minutes."),
  })
  .prefault({});

export type GatewayConfig = z.infer<typeof gatewaySchema>;
export type EndpointConfig = GatewayConfig["endpoints"][string];
