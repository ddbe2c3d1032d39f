/** The SQL of tasks. A claim whose session is over, or is not known, is read as no claim. */
import type { TaskState } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import type { Json } from "../json/canonical.ts";
import type { Query, Tx } from "../store/database.ts";
import { free, type Phase, type Subtask, type Task, type Worker } from "./task.ts";

export interface FoundTask {
  readonly task: Task;
  /** Whose claim is over, though nobody released it. */
  readonly lapsed: Worker | null;
}

/** The task under its row's lock. Faults `not_found`. */
export async function lockTask(tx: Tx, id: string): Promise<FoundTask> {
  // What another transaction just wrote is seen only by a statement that begins after the lock was had.
  await tx`select from tasks where id = ${id} for update`;
  return await requireTask(tx, id);
}

export async function requireTask(db: Query, id: string): Promise<FoundTask> {
  const [found] = await selectTasks(db, db`t.id = ${id}`, 1);
  if (found !== undefined) return found;
  throw new Fault(
    "not_found",
    `There is no task ${id.slice(0, 100)}: list them with \`lastgood tasks list --state all\`.`,
  );
}

export interface TaskFilter {
  readonly agent?: string | undefined;
  readonly role?: string | undefined;
  readonly state: TaskState | "open" | "all";
  readonly limit: number;
}

/** What changed last comes first. */
export async function findTasks(
  db: Query,
  { agent, role, state, limit }: TaskFilter,
): Promise<readonly Task[]> {
  const open = state === "completed" || state === "all" ? db`true` : db`t.state <> 'completed'`;
  const found = await selectTasks(
    db,
    db`${open}
      ${agent === undefined ? db`` : db`and (t.agent = ${agent} or t.worker_agent = ${agent})`}
      ${role === undefined ? db`` : db`and t.role = ${role}`}
      ${state === "open" || state === "all" ? db`` : db`and ${stateNow(db)} = ${state}`}`,
    limit,
  );
  return found.map(({ task }) => task);
}

/** Not completed, and the agent's, its roles', or worked on by it last; with the number of all of them. */
export async function findOpenFor(
  db: Query,
  agent: string,
  roles: readonly string[],
  limit: number,
): Promise<{ readonly tasks: readonly Task[]; readonly total: number }> {
  const theirs: Fragment = db`
    t.state <> 'completed' and (t.agent = ${agent} or t.worker_agent = ${agent}
      or t.role = any(${[...roles]}::text[]))`;
  const [found, [counted]] = await Promise.all([
    selectTasks(db, theirs, limit),
    db<{ total: number }[]>`select count(*) as total from tasks t where ${theirs}`,
  ]);
  return { tasks: found.map(({ task }) => task), total: counted?.total ?? 0 };
}

/** Gives back what the session holds, and says so in the history. */
export async function freeHeldBy(
  tx: Tx,
  session: { readonly id: string; readonly agent: string },
  at: Date,
): Promise<void> {
  await tx`
    with freed as (
      update tasks set state = 'pending', updated_at = ${at}
      where worker_session = ${session.id} and state = 'in_progress' returning id
    )
    insert into task_history (task, at, what, who, session, from_state, to_state, because)
    select f.id, ${at}, 'release', ${session.agent}, ${session.id}, 'in_progress', 'pending',
           'the session is over' || coalesce(': ' || s.exit_reason, '')
    from freed f left join sessions s on s.id = ${session.id}`;
}

/** False where the id is taken. */
export async function insertTask(tx: Tx, task: Task, asked: string): Promise<boolean> {
  const rows = await tx`
    insert into tasks (id, title, agent, role, assigner, artifact, details, asked, created_at,
                       updated_at)
    values (${task.id}, ${task.title}, ${task.agent}, ${task.role}, ${task.assigner},
            ${jsonOf(tx, task.artifact)}, ${jsonOf(tx, task.details)}, ${asked},
            ${task.createdAt}, ${task.updatedAt})
    on conflict (id) do nothing returning 1`;
  if (rows.length === 0) return false;
  await tx`
    insert into subtasks (task, n, title, updated_at)
    select ${task.id}, n, title, ${task.createdAt}
    from unnest(${task.subtasks.map(({ title }) => title)}::text[]) with ordinality as s (title, n)`;
  return true;
}

/** What was asked for under the id; null where it is free. */
export async function askedFor(db: Query, id: string): Promise<string | null> {
  const [row] = await db<{ asked: string }[]>`select asked from tasks where id = ${id}`;
  return row?.asked ?? null;
}

/** Writes what differs; the caller holds the row's lock. */
export async function saveTask(tx: Tx, before: Task, after: Task): Promise<void> {
  const { phase, lastWorker } = after;
  const because = phase.state === "blocked" ? phase.because : null;
  const result = phase.state === "completed" ? phase.result : null;
  await tx`
    update tasks set state = ${phase.state}, worker_agent = ${lastWorker?.agent ?? null},
      worker_session = ${lastWorker?.session ?? null}, worker_since = ${lastWorker?.since ?? null},
      blocked_because = ${because}, result = ${jsonOf(tx, result)}, failures = ${after.failures},
      updated_at = ${after.updatedAt}
    where id = ${after.id}`;
  const moved = after.subtasks.filter((each) => !before.subtasks.includes(each));
  if (moved.length === 0) return;
  await tx`
    update subtasks s set state = m.state, updated_at = ${after.updatedAt}
    from unnest(${moved.map(({ n }) => n)}::int[], ${moved.map(({ state }) => state)}::text[])
      as m (n, state)
    where s.task = ${after.id} and s.n = m.n`;
}

const startedMax = 1_000;

/** The session's own record has the task, once; the last 1,000. */
export async function noteInSession(
  tx: Tx,
  session: string,
  task: string,
  what: "tasks_started" | "tasks_completed",
): Promise<void> {
  const list = tx(what);
  await tx`
    update sessions
    set ${list} = (${list} || ${task}::text)[greatest(1, cardinality(${list}) - ${startedMax - 2}):]
    where id = ${session} and not ${task} = any(${list})`;
}

/** Whether anybody could do what is given to the agent: it has worked, or has a token. */
export async function isKnownAgent(db: Query, agent: string): Promise<boolean> {
  const rows = await db`
    select 1 from agents where name = ${agent}
    union all select 1 from tokens where agent = ${agent} and revoked_at is null limit 1`;
  return rows.length > 0;
}

interface Row {
  readonly id: string;
  readonly title: string;
  readonly state: TaskState;
  readonly agent: string | null;
  readonly role: string | null;
  readonly assigner: string;
  readonly artifact: Task["artifact"];
  readonly details: Json;
  readonly worker_agent: string | null;
  readonly worker_session: string | null;
  readonly worker_since: Date | null;
  readonly blocked_because: string | null;
  readonly failures: number;
  readonly result: Json;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly lapsed: boolean;
  readonly subtasks: readonly (Omit<Subtask, "updatedAt"> & { readonly updatedAt: string })[];
}

type Fragment = ReturnType<Query>;

const hasLapsed = (db: Query) => db`(t.state = 'in_progress' and not exists (
  select from sessions s where s.id = t.worker_session and s.ended_at is null))`;

const stateNow = (db: Query) => db`case when ${hasLapsed(db)} then 'pending' else t.state end`;

async function selectTasks(
  db: Query,
  where: Fragment,
  limit: number | null,
): Promise<readonly FoundTask[]> {
  const rows = await db<Row[]>`
    select t.*, ${hasLapsed(db)} as lapsed,
      coalesce((select jsonb_agg(jsonb_build_object('n', s.n, 'title', s.title, 'state', s.state,
          'updatedAt', s.updated_at) order by s.n)
        from subtasks s where s.task = t.id), '[]') as subtasks
    from tasks t where ${where}
    order by t.updated_at desc, t.id limit ${limit}`;
  return rows.map(toFound);
}

function toFound(row: Row): FoundTask {
  const worker = workerOf(row);
  const task: Task = {
    ...{ id: row.id, title: row.title, agent: row.agent, role: row.role },
    ...{ assigner: row.assigner, artifact: row.artifact, details: row.details },
    subtasks: row.subtasks.map((each) => ({ ...each, updatedAt: new Date(each.updatedAt) })),
    phase: phaseOf(row, worker),
    lastWorker: worker,
    ...{ failures: row.failures, createdAt: row.created_at, updatedAt: row.updated_at },
  };
  if (!row.lapsed) return { task, lapsed: null };
  return { task: free(task, task.updatedAt), lapsed: worker };
}

function workerOf({ worker_agent, worker_session, worker_since }: Row): Worker | null {
  if (worker_agent === null || worker_session === null || worker_since === null) return null;
  return { agent: worker_agent, session: worker_session, since: worker_since };
}

function phaseOf({ state, blocked_because, result }: Row, worker: Worker | null): Phase {
  switch (state) {
    case "pending":
      return { state };
    case "in_progress":
      // The table's own checks keep the worker and the reason there.
      return worker === null ? { state: "pending" } : { state, worker };
    case "blocked":
      return { state, because: blocked_because ?? "" };
    case "completed":
      return { state, result };
  }
}

function jsonOf(db: Query, value: unknown) {
  return value === null ? null : db.json(value as Parameters<Query["json"]>[0]);
}
