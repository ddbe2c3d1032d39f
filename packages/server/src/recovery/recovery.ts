/**
 * A recovery is one plan across all layers and the journal of its execution.
 *
 *     planned ─> running ─> verified
 *        │          ├─────> failed      (says what state each step is in)
 *        │          └─────> paused ─> running
 *        ├─> awaiting-approval ─> running
 *        └─> refused | superseded
 *
 * A person who ends its incident calls it off, wherever it is but verified: it is `refused`, and lets go of
 * whom and what it holds.
 */
import type { ChangeId, IncidentId, RecoveryId } from "../ids.ts";
import type { Plan, Step, Undo } from "../layers/layer.ts";
import type { Query } from "../store/database.ts";

export const recoveryStates = [
  "planned",
  "awaiting-approval",
  "running",
  "paused",
  "verified",
  "failed",
  "refused",
  "superseded",
] as const;
export type RecoveryState = (typeof recoveryStates)[number];

export interface Recovery {
  readonly id: RecoveryId;
  readonly incident: IncidentId | null;
  readonly undo: Undo;
  readonly plan: RecoveryPlan;
  /** SHA-256 of the plan's canonical text, hex: what is approved and executed is what was shown. */
  readonly digest: string;
  readonly state: RecoveryState;
  readonly because: string;
  readonly plannedBy: string;
  /** Who let it run; null while nobody did. */
  readonly runBy: string | null;
  readonly approvals: readonly string[];
  /** True when no person asked for it: it counts against the caps. */
  readonly automatic: boolean;
  /** The recovery that this one planned again because the world had moved. */
  readonly replaces: RecoveryId | null;
  /** The recovery that this one takes back. */
  readonly undoes: RecoveryId | null;
  readonly steps: readonly JournalStep[];
  readonly plannedAt: Date;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
}

export interface RecoveryPlan extends Plan {
  /** documents + executions in flight + consumers touched + customer-facing services down during it. */
  readonly blastRadius: number;
  /** The one command that takes this recovery back. */
  readonly undoWith: string;
}

export interface JournalStep {
  readonly index: number;
  readonly step: Step;
  readonly changeId: ChangeId;
  readonly state: "pending" | "running" | "applied" | "verified" | "failed";
  readonly observed: readonly string[];
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
}

/** Who may be told how a recovery goes: the incident room, the write-up. In the journal's order. */
export type RecoveryListener = (event: RecoveryEvent) => Promise<void>;

export interface RecoveryEvent {
  readonly recovery: RecoveryId;
  readonly incident: IncidentId | null;
  readonly kind: "contained" | "restored" | "verified" | "resumed" | "failed";
  readonly at: Date;
  readonly says: string;
  /** Failed because of a contradiction: the incident for which a person has been called already. */
  readonly calledFor?: IncidentId;
}

/** What the incidents room may ask of the recovery room. */
export interface Recoveries {
  /** Plans and records; moves nothing. */
  plan(undo: Undo, plannedBy: string, options?: { automatic?: boolean }): Promise<Recovery>;
  /** Starts the planned recovery under this digest; resolves when it is queued, not when it ended. */
  run(id: RecoveryId, digest: string, actor: string): Promise<void>;
  /** Marks it as waiting for a person's `lastgood approve`. */
  awaitApproval(id: RecoveryId, because: string): Promise<void>;
  find(id: RecoveryId): Promise<Recovery | null>;
  /** Ends what the incident's recoveries were about to do, in the caller's transaction. */
  callOff(tx: Query, incident: IncidentId, order: CallOff): Promise<void>;
  /** From then on its recoveries that did not come to their end hold nobody and nothing any more. */
  letGo(tx: Query, incident: IncidentId): Promise<void>;
}

export interface CallOff {
  /** Who did what, and why. */
  readonly because: string;
  /** Leaves alone what people planned themselves. */
  readonly automaticOnly?: boolean;
  /** Faults `state_forbids` where one of them is under way already. */
  readonly waitingOnly?: boolean;
}
