/** The SQL of what happened to tasks, and of whom must still hear of it. */
import type { TaskEvent } from "@lastgood/sdk";
import type { InboxMessage } from "../layers/messages/inboxes.ts";
import type { Json, Query, Tx } from "../store/database.ts";
import type { Telling } from "./tellings.ts";

export type NewEvent = Omit<TaskEvent, "at"> & { readonly task: string; readonly at: Date };

/** Answers with the entry's number. */
export async function recordEvent(tx: Query, event: NewEvent): Promise<number> {
  const [row] = await tx<{ id: number }[]>`
    insert into task_history (task, at, what, who, session, from_state, to_state, subtask, because)
    values (${event.task}, ${event.at}, ${event.what}, ${event.who}, ${event.session},
            ${event.from}, ${event.to}, ${event.subtask}, ${event.because})
    returning id`;
  if (row === undefined) throw new Error("an entry without a number");
  return row.id;
}

/** Newest first. */
export async function findHistory(
  db: Query,
  task: string,
  limit: number,
): Promise<readonly (Omit<TaskEvent, "at"> & { readonly at: Date })[]> {
  return await db<(Omit<TaskEvent, "at"> & { at: Date })[]>`
    select at, what, who, session, from_state as "from", to_state as "to", subtask, because
    from task_history where task = ${task} order by id desc limit ${limit}`;
}

/** Returns how many were old enough, at most `limit`. */
export async function forgetHistory(db: Query, before: Date, limit: number): Promise<number> {
  const rows = await db`
    delete from task_history where id in (
      select id from task_history where at < ${before} order by at limit ${limit}) returning 1`;
  return rows.length;
}

export async function insertTelling(
  tx: Tx,
  task: string,
  { to, message }: Telling,
  at: Date,
): Promise<void> {
  const owner = typeof to === "string" ? { agent: to, role: null } : { agent: null, ...to };
  await tx`
    insert into task_tellings (id, task, agent, role, message, due_at)
    values (${message.id}, ${task}, ${owner.agent}, ${owner.role},
            ${tx.json(message as unknown as Json)}, ${at})`;
}

export interface DueTelling extends Telling {
  readonly task: string;
  readonly tries: number;
}

/** Oldest first. */
export async function dueTellings(
  db: Query,
  now: Date,
  limit: number,
): Promise<readonly DueTelling[]> {
  const rows = await db<
    {
      task: string;
      agent: string | null;
      role: string | null;
      message: InboxMessage;
      tries: number;
    }[]
  >`
    select task, agent, role, message, tries from task_tellings
    where due_at <= ${now} order by due_at, id limit ${limit}`;
  return rows.map(({ agent, role, ...rest }) => ({
    ...rest,
    to: agent ?? { role: role ?? "" },
  }));
}

export async function forgetTelling(db: Query, id: string): Promise<void> {
  await db`delete from task_tellings where id = ${id}`;
}

export async function postponeTelling(db: Query, id: string, until: Date): Promise<void> {
  await db`update task_tellings set tries = tries + 1, due_at = ${until} where id = ${id}`;
}
