import { type Call, segment } from "../call.ts";
import type { JsonValue } from "./state.ts";

export type TaskState = "pending" | "in_progress" | "blocked" | "completed";

/** What may be done with a task, by its state. Whoever claimed it does the rest, until it has ended. */
export const taskActs = {
  claim: ["pending"],
  release: ["in_progress"],
  subtask: ["in_progress"],
  complete: ["in_progress"],
  fail: ["in_progress"],
  block: ["in_progress"],
  unblock: ["blocked"],
  reopen: ["completed"],
} as const satisfies Record<string, readonly TaskState[]>;
export type TaskAct = keyof typeof taskActs;

export interface Subtask {
  /** From 1. */
  readonly n: number;
  readonly title: string;
  readonly state: "pending" | "in_progress" | "completed";
  readonly updatedAt: string;
}

/** What a task makes: a file of the agent's work tree. */
export interface TaskArtifact {
  /** Relative to the work tree. */
  readonly path: string;
  readonly repository?: string | undefined;
}

export interface TaskClaim {
  readonly agent: string;
  readonly session: string;
  readonly since: string;
}

export interface Task {
  readonly id: string;
  readonly title: string;
  readonly state: TaskState;
  /** Whose it is: an agent or a role; one of both, or neither. */
  readonly agent: string | null;
  readonly role: string | null;
  /** Who asked for it, and hears once how it ended. */
  readonly assigner: string;
  readonly subtasks: readonly Subtask[];
  readonly artifact: TaskArtifact | null;
  /** Anything else that whoever does it must know. At most 64 kB of JSON. */
  readonly details: JsonValue;
  /** Who works on it now. It is free again when that session ends or dies. */
  readonly claim: TaskClaim | null;
  /** Who worked on it last, now or before. */
  readonly lastClaim: TaskClaim | null;
  readonly blockedBecause: string | null;
  /** How often it was given up as failed. */
  readonly failures: number;
  readonly result: JsonValue;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface NewTask {
  /** Chosen by whoever asks: asking again under the same id changes nothing. */
  readonly id: string;
  readonly title: string;
  readonly agent?: string | undefined;
  readonly role?: string | undefined;
  /** Only where the token is not an agent's own. */
  readonly assigner?: string | undefined;
  /** Titles, in order; at most 100. */
  readonly subtasks?: readonly string[] | undefined;
  readonly artifact?: TaskArtifact | undefined;
  readonly details?: JsonValue | undefined;
}

export interface AssignedTask extends Task {
  /** It was there already, under the same content. */
  readonly already: boolean;
}

/** One thing that happened to a task. Kept 90 days. */
export interface TaskEvent {
  readonly at: string;
  /** `assign`, an act of `taskActs`, or `untold`: somebody could not be told. */
  readonly what: TaskAct | "assign" | "untold";
  readonly who: string;
  readonly session: string | null;
  /** Null for the first. */
  readonly from: TaskState | null;
  readonly to: TaskState;
  readonly subtask: number | null;
  readonly because: string;
}

export interface TaskQuery {
  /** Assigned to this agent, or worked on by it last. */
  readonly agent?: string | undefined;
  readonly role?: string | undefined;
  /** `open`, the default: all that are not completed. */
  readonly state?: TaskState | "open" | "all" | undefined;
  /** 1 to 1,000; default 100. What changed last comes first. */
  readonly limit?: number | undefined;
}

export function tasksApi(call: Call) {
  const task = (id: string) => `/v1/tasks/${segment(id)}`;
  const post = (path: string, body: unknown) => call<Task>("POST", path, { body });
  return {
    /** The assignee hears of it in its inbox, once. `already_exists` for other content under the id. */
    assignTask: (task: NewTask) => call<AssignedTask>("POST", "/v1/tasks", { body: task }),
    tasks: (query: TaskQuery = {}) =>
      call<{ tasks: readonly Task[]; more: boolean }>("GET", "/v1/tasks", { query: { ...query } }),
    task: (id: string) => call<Task>("GET", task(id)),
    /** Newest first. */
    taskHistory: (id: string, query: { limit?: number } = {}) =>
      call<{ history: readonly TaskEvent[]; more: boolean }>("GET", `${task(id)}/history`, {
        query: { ...query },
      }),
    /** Repeating it changes nothing. `target_busy` while another living session has it. */
    claimTask: (id: string, session: string) => post(`${task(id)}/claim`, { session }),
    releaseTask: (id: string, session: string) => post(`${task(id)}/release`, { session }),
    moveSubtask: (
      id: string,
      n: number,
      move: { session: string; state: "in_progress" | "completed" },
    ) => post(`${task(id)}/subtasks/${n}`, move),
    /** Once all its subtasks are. The assigner is told once, as for `failTask` and `blockTask`. */
    completeTask: (id: string, end: { session: string; result?: JsonValue }) =>
      post(`${task(id)}/complete`, end),
    /** It is `blocked` with the reason, and counted as a failure. */
    failTask: (id: string, end: { session: string; because: string }) =>
      post(`${task(id)}/fail`, end),
    blockTask: (id: string, end: { session: string; because: string }) =>
      post(`${task(id)}/block`, end),
    /** It is `pending` again, and the assignee is told. */
    unblockTask: (id: string, because: string) => post(`${task(id)}/unblock`, { because }),
    /**
     * A completed task is `pending` again, such as after its work was taken back: so are its subtasks from
     * `fromSubtask` (1) on.
     */
    reopenTask: (id: string, reopening: { because: string; fromSubtask?: number }) =>
      post(`${task(id)}/reopen`, reopening),
  };
}
