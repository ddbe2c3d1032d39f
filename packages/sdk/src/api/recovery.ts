import { type Call, segment } from "../call.ts";

export type RecoveryState =
  | "planned"
  | "awaiting-approval"
  | "running"
  | "paused"
  | "verified"
  | "failed"
  | "refused"
  | "superseded";

/** One plan across all layers, and the journal of its execution. Times are ISO 8601 in UTC. */
export interface Recovery {
  readonly id: string;
  readonly incident: string | null;
  readonly state: RecoveryState;
  /** Why it is in this state, where that needs saying. */
  readonly because: string;
  /** What is approved and run is what was shown: hex SHA-256 of the plan. */
  readonly digest: string;
  readonly reason: string;
  readonly changes: readonly string[];
  readonly plan: RecoveryPlan;
  readonly steps: readonly RecoveryStep[];
  readonly plannedBy: string;
  /** Who let it run; null while nobody did. */
  readonly runBy: string | null;
  /** No person asked for it: Lastgood itself did, or an agent. */
  readonly automatic: boolean;
  readonly approvals: readonly string[];
  readonly plannedAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly replaces: string | null;
  readonly undoes: string | null;
}

export interface RecoveryPlan {
  readonly losses: readonly string[];
  readonly conflicts: readonly string[];
  readonly gaps: readonly string[];
  readonly reversible: boolean;
  /** Documents + executions in flight + consumers touched + customer-facing services down during it. */
  readonly blastRadius: number;
  readonly touches: {
    readonly commits: number;
    readonly documents: number;
    readonly consumers: number;
    readonly executions: number;
    readonly servicesDown: readonly string[];
  };
  /** The one command that takes this recovery back. */
  readonly undoWith: string;
}

export interface RecoveryStep {
  readonly index: number;
  readonly layer: string;
  readonly stage: string;
  /** One line: what this step does. */
  readonly says: string;
  readonly action: Readonly<Record<string, unknown>>;
  readonly state: "pending" | "running" | "applied" | "verified" | "failed";
  /** What was read in the world afterwards, or what differs. */
  readonly observed: readonly string[];
  readonly startedAt: string | null;
  readonly endedAt: string | null;
}

/** Name changes, or a task, or an agent with a time since when, or an incident. */
export interface PlanRequest {
  /** What the recovery is for. By itself: what the incident was decided to come from. */
  readonly incident?: string;
  readonly changes?: readonly string[];
  readonly task?: string;
  readonly agent?: string;
  readonly since?: string;
  readonly because?: string;
  /** Also hold the agents that made these changes until it is verified. Default: only for an incident. */
  readonly contain?: boolean;
}

export function recoveryApi(call: Call) {
  const one = (id: string) => `/v1/recoveries/${segment(id)}`;
  return {
    /** Computes and records a plan. Moves nothing. */
    planRecovery: (body: PlanRequest) =>
      call<Recovery>("POST", "/v1/recoveries", { body, timeoutMs: 90_000 }),
    recoveries: (query: { incident?: string; limit?: number } = {}) =>
      call<{ recoveries: readonly Recovery[] }>("GET", "/v1/recoveries", { query }),
    recovery: (id: string) => call<Recovery>("GET", one(id)),
    /** Starts the plan with this digest. Resolves when it has begun. */
    runRecovery: (id: string, digest: string) =>
      call<Recovery>("POST", `${one(id)}/run`, { body: { digest } }),
    approveRecovery: (id: string, digest: string) =>
      call<Recovery>("POST", `${one(id)}/approve`, { body: { digest } }),
    refuseRecovery: (id: string, because: string) =>
      call<Recovery>("POST", `${one(id)}/refuse`, { body: { because } }),
    /** Plans what takes this recovery back. Moves nothing: run the plan it returns. */
    undoRecovery: (id: string) =>
      call<Recovery>("POST", `${one(id)}/undo`, { body: {}, timeoutMs: 90_000 }),
  };
}
