/** The SDK's shapes as zod: a difference between the two does not compile. */
import {
  type Rollout as ApiRollout,
  type PriorProbe,
  type RampPlan,
  type ReverseDrill,
  type RolloutDetails,
  rolloutPhases,
} from "@lastgood/sdk";
import { z } from "zod";
import { modeSchema } from "../config/config.ts";
import { because, inFlight, note, version } from "../releases/release-schemas.ts";
import { headline, percentOf, type Rollout } from "./rollout.ts";
import type { Stored } from "./rollout-store.ts";

const epoch = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const holdMsMax = 7 * 86_400_000;
const percent = z.number().int().min(0).max(100);

export const startSchema = z.strictObject({
  version,
  because: note.default(""),
  ramp: z.array(percent).min(1).max(20).optional(),
  holdMs: z.number().int().min(0).max(holdMsMax).optional(),
  blueGreen: z.boolean().default(false),
  expect: epoch.optional(),
  inFlight: inFlight.optional(),
  override: because.optional(),
});

export const turnSchema = z.strictObject({ because, expect: epoch.optional() });
export const backSchema = z
  .strictObject({
    because,
    expect: epoch.optional(),
    now: z.boolean().default(false),
    unchecked: z.boolean().default(false),
  })
  .refine(({ now, unchecked }) => now || !unchecked, {
    message: "only with now: a ramp that nobody looked at first is not offered",
    path: ["unchecked"],
  });

const step = z.object({ percent: z.number(), holdMs: z.number() });
const planSchema: z.ZodType<RampPlan> = z.object({
  ramp: z.array(step),
  reverse: z.array(step),
  bakeMs: z.number(),
  holdback: z.number(),
  automatic: modeSchema,
});
const shape = {
  id: z.string(),
  version: z.number(),
  environment: z.string(),
  artifact: z.string(),
  candidate: z.string(),
  prior: z.string().nullable(),
  purpose: z.enum(["release", "drill"]),
  phase: z.enum(rolloutPhases),
  says: z.string(),
  percent: z.number(),
  plan: planSchema,
  because: z.string(),
  startedBy: z.string(),
  startedAt: z.string(),
  since: z.string(),
  endedAt: z.string().nullable(),
  incident: z.string().nullable(),
  recovery: z.string().nullable(),
  decidedBy: z.string().nullable(),
};
export const rolloutSchema: z.ZodType<ApiRollout> = z.object(shape);
export const rolloutDetailsSchema: z.ZodType<RolloutDetails> = z.object({
  ...shape,
  verdict: z
    .object({
      kind: z.enum(["hold", "regression", "drift", "insufficient", "well"]),
      says: z.string(),
      signal: z.string(),
      dimension: z.string().nullable(),
      method: z.string(),
      evidence: z.number(),
      level: z.number(),
      against: z.number(),
      samples: z.number(),
    })
    .nullable(),
  waits: z.string().nullable(),
  events: z.array(
    z.object({
      at: z.string(),
      actor: z.string(),
      event: z.string(),
      text: z.string(),
      details: z.record(z.string(), z.unknown()),
    }),
  ),
});

const finding = z.object({
  what: z.enum(["digest", "starts", "health", "smoke"]),
  ok: z.boolean(),
  says: z.string(),
  tookMs: z.number(),
});
export const probeSchema: z.ZodType<PriorProbe> = z.object({
  environment: z.string(),
  artifact: z.string(),
  version: z.string(),
  ok: z.boolean(),
  starts: z.boolean(),
  says: z.string(),
  findings: z.array(finding),
  at: z.string(),
  tookMs: z.number(),
});
export const drillSchema: z.ZodType<ReverseDrill> = z.object({
  rollout: z.string(),
  environment: z.string(),
  artifact: z.string(),
  prior: z.string(),
  ended: z.boolean(),
  ok: z.boolean(),
  proofs: z.array(z.object({ what: z.string(), holds: z.boolean(), seen: z.string() })),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
});

export function rolloutToApi({ rollout, version, movedAt, endedAt }: Stored): ApiRollout {
  const { id, environment, artifact, candidate, purpose, phase, plan, because } = rollout;
  const turning = turningOf(rollout);
  return {
    ...{ id, version, environment, artifact, candidate, purpose, phase, plan, because },
    prior: "prior" in rollout ? rollout.prior.version : null,
    says: headline(rollout),
    percent: percentOf(rollout),
    startedBy: rollout.startedBy,
    startedAt: rollout.startedAt.toISOString(),
    since: movedAt.toISOString(),
    endedAt: endedAt?.toISOString() ?? null,
    incident: rollout.phase === "frozen" ? rollout.incident : (turning?.incident ?? null),
    recovery: turning?.recovery ?? null,
    decidedBy: rollout.hand === null ? null : `${rollout.hand.by} ${rollout.hand.did}`,
  };
}

function turningOf(rollout: Rollout) {
  if (rollout.phase === "frozen") return turningIn(rollout.was);
  return turningIn(rollout);
}

function turningIn(rollout: Rollout) {
  return "turning" in rollout ? rollout.turning : null;
}
