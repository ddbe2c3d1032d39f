/**
 * Between the state machine and its rows: what only one state knows is kept as JSON and narrowed when
 * it is read. Whatever a row says that no state allows is a bug, and throws.
 */
import { z } from "zod";
import type { AgentName, ChangeId, RecoveryId } from "../ids.ts";
import type { Common, Decision, Incident, Takeable } from "./incident.ts";

const decision = z
  .object({
    at: z.coerce.date(),
    act: z.enum(["run", "propose", "watch", "freeze", "none"]),
    would: z.enum(["run", "freeze", "none"]),
    mode: z.enum(["watch", "propose", "auto"]),
    changes: z.array(z.string().transform((id) => id as ChangeId)),
    innocents: z.array(z.string().transform((id) => id as ChangeId)),
    agents: z.array(z.string().transform((name) => name as AgentName)),
    posterior: z.number(),
    witnesses: z.array(z.enum(["contrast", "rerun", "reports"])),
    because: z.array(z.string()),
  })
  .transform((each): Decision => each);
const recovery = z.string().transform((id) => id as RecoveryId);
const recovering = { decision: decision.nullable(), recovery };
const proven = { decision: decision.nullable(), recovery: recovery.nullable() };

const takeablePhases = [
  z.object({ state: z.literal("opened") }),
  z.object({ state: z.literal("investigating") }),
  z.object({ state: z.literal("decided"), decision, recovery: recovery.nullable() }),
  z.object({
    state: z.literal("frozen"),
    decision: decision.nullable(),
    recovery: recovery.nullable(),
    because: z.string(),
  }),
  z.object({ state: z.literal("contained"), ...recovering }),
  z.object({ state: z.literal("restored"), ...recovering }),
  z.object({ state: z.literal("handed-back"), by: z.string() }),
] as const;
const takeable = z.discriminatedUnion("state", takeablePhases);
const phaseSchema = z.discriminatedUnion("state", [
  ...takeablePhases,
  z.object({ state: z.literal("verified"), ...proven }),
  z.object({ state: z.literal("resumed"), ...proven }),
  z.object({ state: z.literal("taken"), by: z.string(), was: takeable }),
  z.object({
    state: z.literal("mended"),
    by: z.string(),
    decision: decision.nullable(),
    recovery: recovery.nullable(),
  }),
  z.object({
    state: z.literal("closed"),
    outcome: z.enum(["recovered", "mended", "subsided", "dismissed"]),
    because: z.string(),
    decision: decision.nullable(),
    recovery: recovery.nullable(),
  }),
]);

/** What only the incident's state knows, as plain JSON. */
export function phaseOf(incident: Incident): Record<string, unknown> {
  switch (incident.state) {
    case "opened":
    case "investigating":
      return { state: incident.state };
    case "handed-back":
      return { state: incident.state, by: incident.by };
    case "decided":
    case "contained":
    case "restored":
    case "verified":
    case "resumed":
      return {
        state: incident.state,
        decision: incident.decision,
        recovery: incident.recovery,
      };
    case "frozen":
      return {
        state: incident.state,
        decision: incident.decision,
        recovery: incident.recovery,
        because: incident.because,
      };
    case "mended":
      return {
        state: incident.state,
        by: incident.by,
        decision: incident.decision,
        recovery: incident.recovery,
      };
    case "taken":
      return { state: incident.state, by: incident.by, was: phaseOf(incident.was) };
    case "closed":
      return {
        state: incident.state,
        outcome: incident.outcome,
        because: incident.because,
        decision: incident.decision,
        recovery: incident.recovery,
      };
  }
}

/** The incident of a row. */
export function withPhase(common: Common, phase: unknown): Incident {
  const parsed = phaseSchema.parse(phase);
  if (parsed.state !== "taken") return { ...common, ...parsed };
  const was: Takeable = { ...common, ...parsed.was };
  return { ...common, ...parsed, was };
}
