/**
 * A task and what may become of it. Pure: one function per arrow, and each answers with the same task where
 * there is nothing to change, so that whatever is repeated changes nothing.
 *
 *            claim             complete
 *   pending ───────> in_progress ─────────> completed ── reopen ──> pending
 *      ^                │   │ fail, block
 *      ├─ release, end ─┘   └────────> blocked
 *      └──────────── unblock ──────────────┘
 *
 *   T1. Only the session that claimed a task moves it, until it has ended; then the task is pending.
 *   T2. A task is completed only when all its subtasks are.
 *   T3. A completed task changes no more, unless somebody reopens it with a reason.
 */
import { type TaskAct, type TaskArtifact, type TaskState, taskActs } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import { canonical, type Json } from "../json/canonical.ts";

export interface Worker {
  readonly agent: string;
  readonly session: string;
  readonly since: Date;
}

export type Phase =
  | { readonly state: "pending" }
  | { readonly state: "in_progress"; readonly worker: Worker }
  | { readonly state: "blocked"; readonly because: string }
  | { readonly state: "completed"; readonly result: Json };

export interface Subtask {
  readonly n: number;
  readonly title: string;
  readonly state: "pending" | "in_progress" | "completed";
  readonly updatedAt: Date;
}

export interface Task {
  readonly id: string;
  readonly title: string;
  /** Whose it is: an agent's, a role's, or anybody's. */
  readonly agent: string | null;
  readonly role: string | null;
  readonly assigner: string;
  readonly artifact: TaskArtifact | null;
  readonly details: Json;
  readonly subtasks: readonly Subtask[];
  readonly phase: Phase;
  /** Who worked on it last, now or before. */
  readonly lastWorker: Worker | null;
  readonly failures: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export const subtasksMax = 100;
export const detailsBytesMax = 65_536;

/** Whether the agent may claim it: what is its own, its roles', or nobody's. */
export function isFor(
  task: Pick<Task, "agent" | "role">,
  agent: string,
  roles: readonly string[],
): boolean {
  if (task.agent !== null) return task.agent === agent;
  return task.role === null || roles.includes(task.role);
}

export function claim(task: Task, worker: Worker): Task {
  const { phase } = task;
  if (phase.state === "in_progress") {
    if (phase.worker.session === worker.session) return task;
    throw isBusy(task, phase.worker);
  }
  requireMay(task, "claim");
  const claimed = { phase: { state: "in_progress", worker }, lastWorker: worker } as const;
  return { ...task, ...claimed, updatedAt: worker.since };
}

/** Nobody works on it any longer: it was released, or the session that held it is over. */
export function free(task: Task, at: Date): Task {
  if (task.phase.state !== "in_progress") return task;
  return { ...task, phase: { state: "pending" }, updatedAt: at };
}

export function release(task: Task, session: string, at: Date): Task {
  if (task.phase.state === "pending" && task.lastWorker?.session === session) return task;
  requireHeld(task, session, "release");
  return free(task, at);
}

export interface SubtaskMove {
  readonly session: string;
  readonly n: number;
  readonly to: "in_progress" | "completed";
}

export function moveSubtask(task: Task, { session, n, to }: SubtaskMove, at: Date): Task {
  requireHeld(task, session, "subtask");
  const subtask = task.subtasks.find((each) => each.n === n);
  if (subtask === undefined) {
    throw new Fault(
      "not_found",
      `The task ${task.id} has no subtask ${n}: it has ${task.subtasks.length}.`,
    );
  }
  if (subtask.state === to) return task;
  return { ...withSubtasks(task, (each) => each.n === n, to, at), updatedAt: at };
}

export function complete(task: Task, session: string, result: Json, at: Date): Task {
  const { phase } = task;
  if (phase.state === "completed" && task.lastWorker?.session === session) {
    if (canonical(phase.result) === canonical(result)) return task;
  }
  requireHeld(task, session, "complete");
  const open = task.subtasks.filter(({ state }) => state !== "completed").map(({ n }) => n);
  if (open.length > 0) {
    throw new Fault(
      "state_forbids",
      `Of the task ${task.id} these subtasks are not completed: ${open.join(", ")}. Complete them first, or block the task and say why.`,
      { context: { open } },
    );
  }
  return { ...task, phase: { state: "completed", result }, updatedAt: at };
}

export function fail(task: Task, session: string, because: string, at: Date): Task {
  const blocked = block(task, session, because, at, "fail");
  return blocked === task ? task : { ...blocked, failures: task.failures + 1 };
}

export function block(
  task: Task,
  session: string,
  because: string,
  at: Date,
  act: "block" | "fail" = "block",
): Task {
  const { phase } = task;
  const repeated = phase.state === "blocked" && phase.because === because;
  if (repeated && task.lastWorker?.session === session) return task;
  requireHeld(task, session, act);
  return { ...task, phase: { state: "blocked", because }, updatedAt: at };
}

export function unblock(task: Task, at: Date): Task {
  requireMay(task, "unblock");
  return { ...task, phase: { state: "pending" }, updatedAt: at };
}

/** What was done has to be done again, from the subtask `from` on. */
export function reopen(task: Task, from: number, at: Date): Task {
  requireMay(task, "reopen");
  const again = withSubtasks(task, ({ n }) => n >= from, "pending", at);
  return { ...again, phase: { state: "pending" }, updatedAt: at };
}

/** Whether the task's state lets anybody do it. */
export function may(task: Task, act: TaskAct): boolean {
  const allowed: readonly TaskState[] = taskActs[act];
  return allowed.includes(task.phase.state);
}

function withSubtasks(
  task: Task,
  which: (subtask: Subtask) => boolean,
  state: Subtask["state"],
  updatedAt: Date,
): Task {
  const subtasks = task.subtasks.map((each) =>
    which(each) && each.state !== state ? { ...each, state, updatedAt } : each,
  );
  return { ...task, subtasks };
}

/** T1. */
function requireHeld(task: Task, session: string, act: TaskAct): void {
  requireMay(task, act);
  const { phase } = task;
  if (phase.state !== "in_progress" || phase.worker.session === session) return;
  throw isBusy(task, phase.worker);
}

function requireMay(task: Task, act: TaskAct): void {
  if (may(task, act)) return;
  throw new Fault(
    "state_forbids",
    `The task ${task.id} is ${said(task.phase)}, which does not let anybody ${verbs[act]}: ${remedies[task.phase.state]}.`,
    { context: { state: task.phase.state } },
  );
}

const verbs: Readonly<Record<TaskAct, string>> = {
  claim: "claim it",
  release: "release it",
  subtask: "move its subtasks",
  complete: "complete it",
  fail: "fail it",
  block: "block it",
  unblock: "unblock it",
  reopen: "reopen it",
};
const remedies: Readonly<Record<TaskState, string>> = {
  pending: "claim it first",
  in_progress: "whoever claimed it must release, block or complete it first",
  blocked: "unblock it first, with `lastgood tasks unblock`",
  completed: "if its work must be done again, reopen it with `lastgood tasks reopen`",
};

function said(phase: Phase): string {
  const state = phase.state.replace("_", " ");
  return phase.state === "blocked" ? `${state} (${phase.because})` : state;
}

function isBusy(task: Task, { agent, session }: Worker): Fault {
  return new Fault(
    "target_busy",
    `The task ${task.id} is being worked on by ${agent} in the session ${session}: take another one, or wait until it is released.`,
    { context: { agent, session } },
  );
}
