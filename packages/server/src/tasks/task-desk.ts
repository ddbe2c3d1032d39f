/**
 * How tasks change: by an arrow, under the task's lock. The change, its history, the session's own record and
 * what somebody must hear of it are one transaction; the hearing itself follows.
 *
 *   T4. A claim lives and dies with its session: whoever writes in a session's name keeps it alive until the
 *       transaction ends, and a claim whose session is over counts for nothing.
 */
import { createHash } from "node:crypto";
import type { Task as ApiTask, AssignedTask, TaskAct } from "@lastgood/sdk";
import type { Configuration } from "../config/config.ts";
import { Fault } from "../fault.ts";
import { type Actor, nameOf } from "../http/actor.ts";
import { canonical } from "../json/canonical.ts";
import type { Db, Tx } from "../store/database.ts";
import { countInSession } from "../store/living-session.ts";
import { requireOwnSession } from "../store/own-session.ts";
import type { World } from "../world.ts";
import { insertTelling, recordEvent } from "./history-store.ts";
import { isFor, type Task, type Worker } from "./task.ts";
import { toApi } from "./task-schemas.ts";
import {
  askedFor,
  insertTask,
  isKnownAgent,
  lockTask,
  noteInSession,
  requireTask,
  saveTask,
} from "./task-store.ts";
import { tellingOf } from "./tellings.ts";

/** What was asked for under a task's id. */
export type Asked = Pick<
  Task,
  "id" | "title" | "agent" | "role" | "assigner" | "artifact" | "details"
> & { readonly subtasks: readonly string[] };

export interface Act {
  readonly act: TaskAct;
  readonly because?: string;
  readonly subtask?: number;
}

export interface TaskDesk {
  assign(actor: Actor, asked: Asked): Promise<AssignedTask>;
  /** In a session of the actor's own; an operator's: of any agent's. */
  inSession(
    actor: Actor,
    on: { readonly id: string; readonly session: string },
    act: Act,
    arrow: (task: Task, worker: Worker) => Task,
  ): Promise<ApiTask>;
  /** By whoever has to do with the task: its assigner, its assignee, or an operator. */
  outside(
    actor: Actor,
    id: string,
    act: Act,
    arrow: (task: Task, at: Date) => Task,
  ): Promise<ApiTask>;
}

export interface TaskDeskDeps {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
  /** Something was written that somebody must hear. */
  toTell(): void;
}

export function createTaskDesk(deps: TaskDeskDeps): TaskDesk {
  const { db, world, configuration, toTell } = deps;
  const rolesOf = (agent: string) => configuration.current().agents[agent]?.roles ?? [];
  return {
    async assign(actor, asked) {
      await requireAssignee(deps, asked);
      const content = createHash("sha256").update(canonical(asked)).digest("hex");
      const isNew = await db.begin(async (tx) => {
        const task = newTask(asked, world.now());
        if (!(await insertTask(tx, task, content))) return false;
        await record(tx, { after: task, what: "assign", who: nameOf(actor) });
        return true;
      });
      if (!isNew && (await askedFor(db, asked.id)) !== content) throw isTaken(asked.id);
      toTell();
      return { ...toApi((await requireTask(db, asked.id)).task), already: !isNew };
    },
    async inSession(actor, { id, session: named }, { act, subtask, because = "" }, arrow) {
      const task = await db.begin(async (tx) => {
        const own = actor.role === "agent" ? actor.agent : null;
        const { id: session, agent: who } = await requireOwnSession(tx, named, own);
        const { task, lapsed } = await lockTask(tx, id);
        if (act === "claim") requireFor(task, who, rolesOf(who));
        const next = arrow(task, { agent: who, session, since: world.now() });
        if (next === task) return task;
        await saveTask(tx, task, next);
        const why = lapsed === null ? because : takenOverFrom(lapsed);
        await record(tx, {
          ...{ before: task, after: next, what: act, who, session, because: why },
          ...(subtask === undefined ? {} : { subtask }),
        });
        await countIn(tx, session, act, next, subtask);
        return next;
      });
      toTell();
      return toApi(task);
    },
    async outside(actor, id, { act, because = "" }, arrow) {
      const who = nameOf(actor);
      const task = await db.begin(async (tx) => {
        const { task } = await lockTask(tx, id);
        requireConcerned(task, actor, rolesOf(who));
        const next = arrow(task, world.now());
        await saveTask(tx, task, next);
        await record(tx, { before: task, after: next, what: act, who, because });
        return next;
      });
      toTell();
      return toApi(task);
    },
  };
}

interface Recorded {
  readonly before?: Task;
  readonly after: Task;
  readonly what: TaskAct | "assign";
  readonly who: string;
  readonly session?: string;
  readonly subtask?: number;
  readonly because?: string;
}

/** Into the history, and for the inbox of whoever must hear of it. */
async function record(tx: Tx, recorded: Recorded): Promise<void> {
  const { before, after, what, who, session = null, subtask = null, because = "" } = recorded;
  const entry = await recordEvent(tx, {
    ...{ task: after.id, at: after.updatedAt, what, who, session, subtask, because },
    ...{ from: before?.phase.state ?? null, to: after.phase.state },
  });
  const telling = tellingOf(after, { what, who, because, entry });
  if (telling !== null) await insertTelling(tx, after.id, telling, after.updatedAt);
}

async function countIn(
  tx: Tx,
  session: string,
  act: TaskAct,
  task: Task,
  subtask: number | undefined,
): Promise<void> {
  if (act === "claim") await noteInSession(tx, session, task.id, "tasks_started");
  if (act === "complete") await noteInSession(tx, session, task.id, "tasks_completed");
  const did = task.subtasks.find(({ n }) => n === subtask)?.state === "completed";
  if (act === "complete" || did) await countInSession(tx, session, task.updatedAt);
}

function newTask({ subtasks, ...asked }: Asked, at: Date): Task {
  return {
    ...asked,
    subtasks: subtasks.map((title, index) => {
      return { n: index + 1, title, state: "pending", updatedAt: at };
    }),
    ...{ phase: { state: "pending" }, lastWorker: null, failures: 0, createdAt: at, updatedAt: at },
  };
}

function takenOverFrom({ agent, session }: Worker): string {
  return `taken over: the session ${session} of ${agent}, which had it, is over`;
}

function isTaken(id: string): Fault {
  return new Fault(
    "already_exists",
    `There is a task ${id} with other content: see it with \`lastgood tasks show ${id}\`, and choose another id.`,
    { context: { path: "id" } },
  );
}

/** What is given to a name that nobody has is done by nobody. */
async function requireAssignee(
  { db, configuration }: TaskDeskDeps,
  { agent, role }: Asked,
): Promise<void> {
  const { agents } = configuration.current();
  if (agent !== null && !Object.hasOwn(agents, agent) && !(await isKnownAgent(db, agent))) {
    throw new Fault(
      "not_found",
      `There is no agent ${agent}: declare it in lastgood.yaml, or give it a token, before it gets work.`,
      { context: { path: "agent" } },
    );
  }
  if (role !== null && !Object.values(agents).some(({ roles }) => roles.includes(role))) {
    throw new Fault(
      "not_found",
      `No agent has the role ${role}: give it to one in lastgood.yaml before it gets work.`,
      { context: { path: "role" } },
    );
  }
}

function requireFor(task: Task, agent: string, roles: readonly string[]): void {
  if (isFor(task, agent, roles)) return;
  const whose = task.agent === null ? `the role ${task.role}` : task.agent;
  throw new Fault(
    "not_yours",
    `The task ${task.id} is for ${whose} and not for ${agent}: claim another one, or ask ${task.assigner} for one of your own.`,
  );
}

function requireConcerned(task: Task, actor: Actor, roles: readonly string[]): void {
  if (actor.role !== "agent") return;
  const { agent } = actor;
  if (task.assigner === agent || task.lastWorker?.agent === agent) return;
  if (isFor(task, agent, roles)) return;
  throw new Fault(
    "not_yours",
    `The task ${task.id} is neither for ${agent} nor assigned by it: ask ${task.assigner}, or an operator.`,
  );
}
