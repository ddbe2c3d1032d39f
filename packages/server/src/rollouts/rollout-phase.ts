/**
 * Between the state machine and its rows: what only one phase knows is kept as JSON and narrowed when it is
 * read. Whatever a row says that no phase allows is a bug, and throws.
 */
import type { RampPlan } from "@lastgood/sdk";
import { z } from "zod";
import { modeSchema } from "../config/config.ts";
import type { ChangeId, IncidentId, RecoveryId } from "../ids.ts";
import type { Hand, Rollout } from "./rollout.ts";

const hand = z
  .object({ by: z.string(), at: z.coerce.date(), did: z.string() })
  .transform((each): Hand => each)
  .nullable();
const prior = z.object({ version: z.string(), epoch: z.number() });
const stand = z.object({ at: z.coerce.date(), epoch: z.number() });
const incident = z
  .string()
  .transform((id) => id as IncidentId)
  .nullable();
const turning = z.object({
  why: z.string(),
  by: z.string(),
  incident,
  recovery: z
    .string()
    .transform((id) => id as RecoveryId)
    .nullable(),
  change: z.string().transform((id) => id as ChangeId),
  now: z.boolean(),
  unchecked: z.boolean(),
});
/** Whole where a ramp says it; a dial that was split by hand may stand anywhere. */
const percent = z.number().min(0).max(100);
const step = z.object({ percent, holdMs: z.number() });
const planSchema: z.ZodType<RampPlan> = z.object({
  ramp: z.array(step),
  reverse: z.array(step),
  bakeMs: z.number(),
  holdback: z.number(),
  automatic: modeSchema,
});

const shadow = z.object({ phase: z.literal("shadow"), hand });
const canary = z.object({
  ...{ phase: z.literal("canary"), hand, prior, percent, stand },
  step: z.number().int().min(0),
});
const live = z.object({
  ...{ phase: z.literal("live"), hand, prior, percent, stand },
  bakedAt: z.coerce.date().nullable(),
});
const rollingBack = z.object({
  ...{ phase: z.literal("rolling-back"), hand, prior, percent, stand, turning },
  passed: z.boolean(),
});
const stopped = { why: z.string(), by: z.string(), at: z.coerce.date(), incident };

const stateSchema = z.union([
  z.object({ phase: z.literal("candidate"), hand }),
  shadow,
  z.object({ phase: z.literal("refused"), hand, why: z.string(), by: z.string() }),
  canary,
  live,
  z.object({
    ...{ phase: z.literal("frozen"), hand, prior, ...stopped },
    was: z.discriminatedUnion("phase", [canary, live, rollingBack]),
  }),
  z.object({ phase: z.literal("frozen"), hand, ...stopped, was: shadow }),
  z.object({ phase: z.literal("superseded"), hand, by: z.string(), why: z.string() }),
  rollingBack,
  z.object({ phase: z.literal("rolled-back"), hand, prior, stand, turning }),
]);

/** What every phase knows, as the row's own columns. */
export type Facts = Omit<Extract<Rollout, { phase: "candidate" }>, "phase" | "hand">;

/** What only the rollout's phase knows, as plain JSON. */
export function stateOf(rollout: Rollout): Record<string, unknown> {
  const { id, environment, artifact, candidate, purpose, plan, ...rest } = rollout;
  const { startedBy, startedAt, because, ...own } = rest;
  if (own.phase !== "frozen") return own;
  return { ...own, was: stateOf(own.was) };
}

/** The rollout of a row. */
export function withState(facts: Facts, state: unknown): Rollout {
  const parsed = stateSchema.parse(state);
  if (parsed.phase !== "frozen") return { ...facts, ...parsed };
  // The two kinds of frozen differ by whether anything was served.
  if ("prior" in parsed) return { ...facts, ...parsed, was: { ...facts, ...parsed.was } };
  return { ...facts, ...parsed, was: { ...facts, ...parsed.was } };
}

export function planOf(json: unknown): RampPlan {
  return planSchema.parse(json);
}
