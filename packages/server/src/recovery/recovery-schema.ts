import type { Recovery as ApiRecovery } from "@lastgood/sdk";
import { z } from "zod";
import { type Recovery, recoveryStates } from "./recovery.ts";

/** The shape that the SDK states; a difference between the two does not compile. */
export const recoverySchema: z.ZodType<ApiRecovery> = z.object({
  id: z.string(),
  incident: z.string().nullable(),
  state: z.enum(recoveryStates),
  because: z.string(),
  digest: z.string(),
  reason: z.string(),
  changes: z.array(z.string()),
  plan: z.object({
    losses: z.array(z.string()),
    conflicts: z.array(z.string()),
    gaps: z.array(z.string()),
    reversible: z.boolean(),
    blastRadius: z.number(),
    touches: z.object({
      commits: z.number(),
      documents: z.number(),
      consumers: z.number(),
      executions: z.number(),
      servicesDown: z.array(z.string()),
    }),
    undoWith: z.string(),
  }),
  steps: z.array(
    z.object({
      index: z.number(),
      layer: z.string(),
      stage: z.string(),
      says: z.string(),
      action: z.record(z.string(), z.unknown()),
      state: z.enum(["pending", "running", "applied", "verified", "failed"]),
      observed: z.array(z.string()),
      startedAt: z.string().nullable(),
      endedAt: z.string().nullable(),
    }),
  ),
  plannedBy: z.string(),
  runBy: z.string().nullable(),
  automatic: z.boolean(),
  approvals: z.array(z.string()),
  plannedAt: z.string(),
  startedAt: z.string().nullable(),
  endedAt: z.string().nullable(),
  replaces: z.string().nullable(),
  undoes: z.string().nullable(),
});

export function toApi({ undo, plan, steps, ...recovery }: Recovery): ApiRecovery {
  const { steps: _, ...shown } = plan;
  return {
    ...recovery,
    reason: undo.because,
    changes: undo.changes,
    plan: shown,
    steps: steps.map(({ step, changeId: _change, ...journal }) => ({
      ...journal,
      layer: step.layer,
      stage: step.stage,
      says: step.says,
      action: { ...step.action },
      startedAt: isoOf(journal.startedAt),
      endedAt: isoOf(journal.endedAt),
    })),
    plannedAt: recovery.plannedAt.toISOString(),
    startedAt: isoOf(recovery.startedAt),
    endedAt: isoOf(recovery.endedAt),
  };
}

function isoOf(at: Date | null): string | null {
  return at?.toISOString() ?? null;
}
