/** The SDK's shapes as zod: a difference between the two does not compile. */
import type {
  Execution as ApiExecution,
  ExecutionBegun,
  ExecutionDetails,
  ExecutionStep,
  InFlightAccount,
  JsonValue,
} from "@lastgood/sdk";
import { z } from "zod";
import { artifactName as artifact } from "../config/release-settings.ts";
import { name as environment } from "../config/scalars.ts";
import { type Execution, keysMax, takenMax, type WholeExecution } from "./execution.ts";
import type { Outcome } from "./outcome-store.ts";

const states = z.enum([
  "running",
  "finished",
  "failed",
  "switched",
  "cancelled",
  "requeued",
  "retried",
]);

export const plain = (least: number, most: number) =>
  z
    .string()
    .min(least)
    .max(most)
    .refine((text) => text.isWellFormed() && !text.includes("\0"), "well-formed text without NUL");
const agentName = z.string().regex(/^[A-Za-z0-9][\w.@-]{0,99}$/, "an agent's name");
export const executionId = z
  .string()
  .regex(/^exe_[0-9a-f]{32}$/, "an execution's id: `exe_` and 32 hex digits");
const version = plain(1, 200);
const epoch = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const key = plain(1, 300);
const session = plain(1, 200);
const moment = z.iso.datetime({ offset: true });
const weekMs = 7 * 86_400_000;
const hourMs = 3_600_000;

export const dimensionsSchema = z
  .record(z.string().regex(/^[A-Za-z0-9][\w.-]{0,99}$/, "a dimension's name"), plain(1, 100))
  .refine((given) => Object.keys(given).length <= 4, "at most 4 dimensions");

export const beginSchema = z.strictObject({
  artifact,
  key,
  id: executionId.optional(),
  environment: environment.optional(),
  target: plain(1, 300).optional(),
  agent: agentName.optional(),
  session: session.optional(),
  dimensions: dimensionsSchema.optional(),
  input: z.unknown().optional(),
  door: z.enum(["sdk", "http", "gateway"]).default("http"),
  expireMs: z.number().int().min(1_000).max(weekMs).default(hourMs),
  late: z.strictObject({ version, epoch, begunAt: moment }).optional(),
});

export const endSchema = z.strictObject({
  state: z.enum(["finished", "failed"]),
  error: plain(1, 2_000).optional(),
  output: z.unknown().optional(),
  keepOutput: z.boolean().default(true),
  at: moment.optional(),
});

export const requeueSchema = z.strictObject({
  environment: environment.optional(),
  artifact,
  version,
  keys: z.array(key).min(1).max(keysMax).optional(),
  because: plain(0, 2_000).default(""),
});

export const takeSchema = z.strictObject({
  environment: environment.optional(),
  artifact,
  agent: agentName.optional(),
  session: session.optional(),
  limit: z.number().int().min(1).max(takenMax).default(1),
});

export const querySchema = z.strictObject({
  environment: environment.optional(),
  artifact: artifact.optional(),
  version: version.optional(),
  state: states.optional(),
  key: key.optional(),
  agent: agentName.optional(),
  session: session.optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});

export const ofPin = z.strictObject({ environment, artifact });
export const accountQuery = z.strictObject({
  epoch: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
});

const json: z.ZodType<JsonValue> = z.json();
const shape = {
  id: z.string(),
  environment: z.string(),
  artifact: z.string(),
  key: z.string(),
  attempt: z.number(),
  target: z.string(),
  version: z.string(),
  epoch: z.number(),
  state: states,
  door: z.enum(["sdk", "http", "gateway", "mirror"]),
  agent: z.string().nullable(),
  session: z.string().nullable(),
  dimensions: z.record(z.string(), z.string()),
  error: z.string().nullable(),
  spared: z.string().nullable(),
  previous: z.string().nullable(),
  next: z.string().nullable(),
  mirrorOf: z.string().nullable(),
  score: z.number().nullable(),
  begunAt: z.string(),
  endedAt: z.string().nullable(),
};
export const executionSchema: z.ZodType<ApiExecution> = z.object(shape);
export const detailsSchema: z.ZodType<ExecutionDetails> = z.object({
  ...shape,
  input: json,
  output: json,
  outcomes: z.array(
    z.object({
      at: z.string(),
      by: z.string(),
      score: z.number(),
      expected: json,
      note: z.string(),
    }),
  ),
});
export const begunSchema: z.ZodType<ExecutionBegun> = z.object({
  go: z.enum(["run", "done"]),
  execution: executionSchema,
});
export const stepSchema: z.ZodType<ExecutionStep> = z.object({
  go: z.enum(["on", "switch", "cancelled"]),
  execution: executionSchema,
});
export const accountSchema: z.ZodType<InFlightAccount> = z.object({
  environment: z.string(),
  artifact: z.string(),
  epoch: z.number(),
  at: z.string(),
  inFlight: z.number(),
  running: z.number(),
  finished: z.number(),
  switched: z.number(),
  retried: z.number(),
  failed: z.number(),
  waiting: z.number(),
  spared: z.number(),
});

export function toApi(execution: Execution): ApiExecution {
  const { outputDigest: _digest, expiresAt: _at, expireMs: _ms, ...rest } = execution;
  return {
    ...rest,
    dimensions: execution.dimensions ?? {},
    begunAt: execution.begunAt.toISOString(),
    endedAt: execution.endedAt?.toISOString() ?? null,
  };
}

export function toDetails(
  { input, output, ...execution }: WholeExecution,
  outcomes: readonly Outcome[],
): ExecutionDetails {
  return {
    ...toApi(execution),
    // What was read from a JSON column is JSON.
    input: input as JsonValue,
    output: output as JsonValue,
    outcomes: outcomes.map((each) => ({
      ...each,
      at: each.at.toISOString(),
      expected: each.expected as JsonValue,
    })),
  };
}
