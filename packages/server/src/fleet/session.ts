/** One run of an agent: what it is, and the decisions about its life. Pure. */
import type {
  Session as ApiSession,
  ExitReason,
  SessionDoor,
  SessionProcess,
  SessionRecord,
  WorkTreePlace,
} from "@lastgood/sdk";

/** A session as it is kept. */
export interface Session {
  readonly id: string;
  readonly agent: string;
  readonly epoch: number;
  readonly door: SessionDoor;
  readonly startedAt: Date;
  readonly endedAt: Date | null;
  readonly exitReason: ExitReason | null;
  readonly detectedAt: Date | null;
  readonly detail: string;
  readonly leaseMs: number;
  readonly leaseUntil: Date;
  readonly heardAt: Date;
  readonly suspectSince: Date | null;
  readonly previous: string | null;
  readonly tasksStarted: readonly string[];
  readonly tasksCompleted: readonly string[];
  readonly commits: readonly string[];
  readonly messagesProcessed: number;
  readonly tokenUsage: number;
  readonly recoveryTokens: number;
  readonly workTree: WorkTreePlace | null;
  readonly process: SessionProcess | null;
}

const deaths: readonly (ExitReason | null)[] = ["crashed", "hung", "evicted"];

/** It did not end by its own will, nor by ours. */
export function isDeath(reason: ExitReason | null): boolean {
  return deaths.includes(reason);
}

/** Whether the next session must find out what this one left: all but a clean end. */
export function needsRecovery(before: Pick<Session, "exitReason"> | null): boolean {
  return before !== null && before.exitReason !== "completed" && before.exitReason !== "stopped";
}

/** What speaks for a death: its process is known to be gone, or it was not heard within its lease. */
export type Death = { readonly reason: "crashed" | "hung"; readonly detail: string };

/**
 * Null while it may live. `process`: whether the process that it lives in is there; `unknown` where none was
 * named or it is on another machine. A lost connection alone is no death.
 */
export function deathOf(
  session: Pick<Session, "leaseUntil" | "leaseMs" | "process" | "door">,
  process: "alive" | "gone" | "unknown",
  now: Date,
): Death | null {
  if (process === "gone") {
    return { reason: "crashed", detail: `its process ${session.process?.pid ?? ""} is gone` };
  }
  if (now.getTime() <= session.leaseUntil.getTime() + flushSlackMs) return null;
  if (mayBeSilent(session, process)) return null;
  const silent = `it was not heard for ${session.leaseMs / 1_000} s`;
  return process === "alive"
    ? {
        reason: "hung",
        detail: `${silent}, though its process ${session.process?.pid ?? ""} lives`,
      }
    : { reason: "crashed", detail: silent };
}

/** An agent with hooks is heard at its events alone; in between it waits for a person, for a night perhaps. */
export function mayBeSilent(
  { door }: Pick<Session, "door">,
  process: "alive" | "gone" | "unknown",
): boolean {
  return door === "hooks" && process === "alive";
}

/** Heartbeats are kept in memory this long before they are written, by whichever server took them. */
export const flushEveryMs = 400;
const flushSlackMs = 500;

const stormDeaths = 3;
const stormMs = 60_000;

/** Three deaths within a minute: starting it again only makes it worse. */
export function isStorm(died: readonly Date[], now: Date): boolean {
  return died.filter((at) => now.getTime() - at.getTime() <= stormMs).length >= stormDeaths;
}

/** `sess_20260921_083015_marketing`, with four hex digits at its end when that is taken. */
export function sessionId(agent: string, at: Date, chance: Uint8Array | null): string {
  const digits = at.toISOString().replaceAll(/[-:]/g, "");
  const id = `sess_${digits.slice(0, 8)}_${digits.slice(9, 15)}_${agent}`;
  return chance === null ? id : `${id}_${Buffer.from(chance.subarray(0, 2)).toString("hex")}`;
}

export function toRecord(session: Session): SessionRecord {
  return {
    session_id: session.id,
    agent: session.agent,
    started_at: session.startedAt.toISOString(),
    ended_at: session.endedAt?.toISOString() ?? null,
    exit_reason: session.exitReason,
    tasks_started: session.tasksStarted,
    tasks_completed: session.tasksCompleted,
    commits: session.commits,
    messages_processed: session.messagesProcessed,
    token_usage: session.tokenUsage,
  };
}

export function toApi(session: Session): ApiSession {
  const over = session.endedAt !== null;
  return {
    record: toRecord(session),
    epoch: session.epoch,
    state: over ? "ended" : session.suspectSince === null ? "live" : "suspect",
    door: session.door,
    leaseMs: session.leaseMs,
    leaseUntil: over ? null : session.leaseUntil.toISOString(),
    lastHeardAt: session.heardAt.toISOString(),
    previous: session.previous,
    workTree: session.workTree,
    detectedAt: session.detectedAt?.toISOString() ?? null,
    detail: session.detail,
    tokensOnRecovery: session.recoveryTokens,
  };
}
