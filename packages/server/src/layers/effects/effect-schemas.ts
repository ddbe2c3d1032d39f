/** The SDK's shapes as zod: a difference between the two does not compile. */
import type { Effect as ApiEffect, EffectBegun, JsonValue } from "@lastgood/sdk";
import { z } from "zod";
import type { Effect } from "./effect.ts";

export const effectStates = ["intended", "dispatched", "confirmed", "failed", "unknown"] as const;
export const natures = ["read-only", "reversible", "compensable", "irreversible"] as const;

const plain = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .refine((text) => text.isWellFormed() && !text.includes("\0"), "well-formed text without NUL");

export const session = plain(200);
export const attempt = plain(100).optional();
export const text = plain(2_000);
export const effectId = z
  .string()
  .regex(/^eff_[0-9a-f]{24}$/, "an effect's id: `eff_` and 24 hex digits");

export const newEffectSchema = z.strictObject({
  session,
  key: plain(300),
  task: plain(200).optional(),
  kind: plain(100).default("effect"),
  nature: z.enum(natures).default("irreversible"),
  request: z.unknown().optional(),
  dispatch: z.boolean().default(true),
  attempt,
});

export const querySchema = z.strictObject({
  agent: plain(100).optional(),
  session: session.optional(),
  task: plain(200).optional(),
  state: z.enum(effectStates).optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});

export const settleSchema = z.strictObject({
  happened: z.boolean(),
  result: z.unknown().optional(),
  because: text,
  session: session.optional(),
});

const json: z.ZodType<JsonValue> = z.json();
export const effectSchema: z.ZodType<ApiEffect> = z.object({
  id: z.string(),
  agent: z.string(),
  fork: z.string(),
  session: z.string(),
  task: z.string().nullable(),
  key: z.string(),
  kind: z.string(),
  nature: z.enum(natures),
  state: z.enum(effectStates),
  request: json,
  result: json,
  error: z.string().nullable(),
  attempts: z.number(),
  replayed: z.number(),
  intendedAt: z.string(),
  dispatchedAt: z.string().nullable(),
  settledAt: z.string().nullable(),
  settledBy: z.string().nullable(),
  settledBecause: z.string().nullable(),
  late: z
    .object({
      state: z.enum(["confirmed", "failed"]),
      session: z.string(),
      result: json,
      error: z.string().nullable(),
      at: z.string(),
    })
    .nullable(),
});
export const begunSchema: z.ZodType<EffectBegun> = z.object({
  effect: effectSchema,
  go: z.enum(["run", "replay", "look-up", "wait"]),
});

export function toApi(effect: Effect): ApiEffect {
  const { phase, late } = effect;
  const settled = "settled" in phase ? phase.settled : null;
  return {
    ...{ id: effect.id, agent: effect.agent, fork: effect.fork, session: effect.session },
    ...{ task: effect.task, key: effect.key, kind: effect.kind, nature: effect.nature },
    state: phase.state,
    request: effect.request as JsonValue,
    result: phase.state === "confirmed" ? (phase.result as JsonValue) : null,
    error: "error" in phase ? phase.error : null,
    ...{ attempts: effect.attempts, replayed: effect.replayed },
    intendedAt: effect.intendedAt.toISOString(),
    dispatchedAt: effect.dispatchedAt?.toISOString() ?? null,
    settledAt: settled?.at.toISOString() ?? null,
    settledBy: settled?.by ?? null,
    settledBecause: settled?.because ?? null,
    late:
      late === null
        ? null
        : { ...late, result: late.result as JsonValue, at: late.at.toISOString() },
  };
}
