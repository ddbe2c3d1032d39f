import { type Call, segment } from "../call.ts";

/**
 * Why a session ended. `completed` and `stopped` are clean; `crashed`, `evicted` and `hung` are deaths;
 * `fenced`: a newer session of the same agent took over; `parked`: the agent was parked.
 */
export type ExitReason =
  | "completed"
  | "stopped"
  | "crashed"
  | "evicted"
  | "hung"
  | "fenced"
  | "parked";

/** One run of an agent, in the very words in which it is kept and exported. Times are ISO 8601 in UTC. */
export interface SessionRecord {
  readonly session_id: string;
  readonly agent: string;
  readonly started_at: string;
  /** Null while it lives. */
  readonly ended_at: string | null;
  readonly exit_reason: ExitReason | null;
  /** Task ids, in the order of their first claim; the last 1,000. */
  readonly tasks_started: readonly string[];
  readonly tasks_completed: readonly string[];
  /** Checkpoints made, as full object ids; the last 1,000. */
  readonly commits: readonly string[];
  readonly messages_processed: number;
  readonly token_usage: number;
}

/** Through which door the session was opened. */
export type SessionDoor = "sdk" | "agent-run" | "hooks" | "mcp" | "http";

/** Where the agent works: its git work tree, on the machine that `host` names. */
export interface WorkTreePlace {
  readonly path: string;
  /** A registered repository whose branch it works on. */
  readonly repository?: string | undefined;
  /** Boot and process namespace of its machine: only the same one can read the path. */
  readonly host?: string | undefined;
}

/** A process, known by pid and start time, on the machine that `host` names. */
export interface SessionProcess {
  readonly host: string;
  readonly pid: number;
  readonly startedAt: string;
}

export interface Session {
  readonly record: SessionRecord;
  /** Raised by every session of the agent; what an older epoch does is `fenced`. */
  readonly epoch: number;
  /** `suspect`: its connection was lost, which alone is no crash. */
  readonly state: "live" | "suspect" | "ended";
  readonly door: SessionDoor;
  readonly leaseMs: number;
  /** Without a heartbeat until then it is a crash. Null when it has ended. */
  readonly leaseUntil: string | null;
  readonly lastHeardAt: string;
  /** The agent's session before this one. */
  readonly previous: string | null;
  readonly workTree: WorkTreePlace | null;
  /** When a death was noticed, and what was seen. */
  readonly detectedAt: string | null;
  readonly detail: string;
  /** Of `token_usage`, what was spent on getting back to work. */
  readonly tokensOnRecovery: number;
}

export interface NewSession {
  /** Only where the token is not an agent's own. */
  readonly agent?: string | undefined;
  readonly door?: SessionDoor | undefined;
  /** 1,000 to 600,000. Default 10,000. */
  readonly leaseMs?: number | undefined;
  readonly workTree?: WorkTreePlace | undefined;
  /** The process that lives as long as the session does: its death is seen at once on the same machine. */
  readonly process?: SessionProcess | undefined;
  /**
   * What effects under keys already used do: `replay` their recorded results (default), or `fork`: happen
   * anew, as of a restore that means to do the work again.
   */
  readonly effects?: "replay" | "fork" | undefined;
  /** Why it is forked. */
  readonly because?: string | undefined;
}

export interface OpenedSession extends Session {
  /** `full`: the session before it did not end cleanly, so read the brief before you act. */
  readonly recovery: "full" | "fresh";
  /** The session before it. */
  readonly before: SessionRecord | null;
  /** How often to send a heartbeat. */
  readonly heartbeatMs: number;
}

export interface Heartbeat {
  /** Tokens used since the last heartbeat; `onRecovery`: those of them that went into getting back to work. */
  readonly tokens?: number | undefined;
  readonly onRecovery?: number | undefined;
  /** `agent`: the agent itself speaks, and from now on a wrapper's word for it keeps nothing alive. */
  readonly by?: "agent" | "wrapper" | undefined;
}

export interface HeartbeatAnswer {
  readonly leaseUntil: string;
}

export interface SessionEnd {
  readonly reason: Exclude<ExitReason, "fenced" | "parked">;
  /** What was seen, such as `exit code 137`. */
  readonly detail?: string | undefined;
}

export interface SessionQuery {
  readonly agent?: string | undefined;
  readonly state?: "live" | "ended" | "all" | undefined;
  readonly since?: string | undefined;
  /** 1 to 1,000; default 100. Newest first. */
  readonly limit?: number | undefined;
}

export interface Agent {
  readonly name: string;
  /** False: it has worked, but lastgood.yaml does not name it. */
  readonly declared: boolean;
  readonly roles: readonly string[];
  readonly owner: string | null;
  readonly state: "working" | "suspect" | "idle" | "parked" | "contained" | "never-seen";
  readonly epoch: number;
  /** The living session. */
  readonly session: string | null;
  readonly last: SessionRecord | null;
  /** Deaths in the last 24 hours. */
  readonly deaths: number;
  readonly parked: { readonly since: string; readonly because: string } | null;
}

/** What was seen of restarts: distributions over the window, in milliseconds and tokens. */
export interface FleetStats {
  readonly since: string;
  readonly sessions: number;
  readonly ended: Readonly<Partial<Record<ExitReason, number>>>;
  readonly restarts: number;
  /** From the last sign of life to the noticed death. */
  readonly detectionMs: Distribution;
  /** From the start of the session after a death to the delivery of its brief. */
  readonly briefedMs: Distribution;
  /** From the noticed death to the next session's first completed piece of work. */
  readonly recoveryMs: Distribution;
  /** Redeliveries that were recognised and effects that were replayed: work that would have been done twice. */
  readonly duplicatesPrevented: { readonly messages: number; readonly effects: number };
  readonly tokensOnRecovery: Distribution;
  /** Of all tokens used, the share that went into recovery; null without any. */
  readonly recoveryShare: number | null;
}

export interface Distribution {
  readonly count: number;
  readonly min: number | null;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly max: number | null;
}

export function sessionsApi(call: Call) {
  const session = (id: string) => `/v1/sessions/${segment(id)}`;
  return {
    openSession: (session: NewSession, signal?: AbortSignal) =>
      call<OpenedSession>("POST", "/v1/sessions", { body: session, ...(signal && { signal }) }),
    sessions: (query: SessionQuery = {}) =>
      call<{ sessions: readonly Session[]; more: boolean }>("GET", "/v1/sessions", {
        query: { ...query },
      }),
    sessionOf: (id: string) => call<Session>("GET", session(id)),
    /** Keeps the lease. `fenced` when the session is over: stop working. */
    heartbeat: (id: string, beat: Heartbeat = {}, signal?: AbortSignal) =>
      call<HeartbeatAnswer>("POST", `${session(id)}/heartbeat`, {
        body: beat,
        ...(signal && { signal }),
      }),
    /** Safe to repeat; what was recorded first stays. */
    endSession: (id: string, end: SessionEnd) =>
      call<Session>("POST", `${session(id)}/end`, { body: end }),
    agents: () => call<{ agents: readonly Agent[] }>("GET", "/v1/agents"),
    agent: (name: string) => call<Agent>("GET", `/v1/agents/${segment(name)}`),
    /** A parked agent may start again. */
    releaseAgent: (name: string, because: string) =>
      call<Agent>("POST", `/v1/agents/${segment(name)}/release`, { body: { because } }),
    fleetStats: (query: { since?: string; agent?: string } = {}) =>
      call<FleetStats>("GET", "/v1/fleet/stats", { query: { ...query } }),
  };
}
