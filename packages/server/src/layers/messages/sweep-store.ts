/** The SQL of what the loops look for. */
import type { Query } from "../../store/database.ts";
import type { Overdue } from "./engine.ts";
import type { PendingMessage } from "./message.ts";
import { pendingColumns } from "./pending-store.ts";

/** Which of these consumers have something to hand out, or a delivery whose time is over. */
export async function findReady(
  db: Query,
  consumers: readonly string[],
): Promise<readonly string[]> {
  const rows = await db<{ consumer: string }[]>`
    select distinct consumer from message_pending p
    where consumer = any(${[...consumers]}::text[])
      and (state = 'due' or (state = 'resting' and due_at <= now())
        or (state = 'out' and deadline <= now()))
      and not exists (select from message_holds h where h.consumer = p.consumer)`;
  return rows.map((row) => row.consumer);
}

/** Deliveries of the engine that it should have repeated at least one ack wait ago. */
export async function findOverdue(db: Query): Promise<readonly Overdue[]> {
  return await db<Overdue[]>`
    select c.name, p.stream, c.subjects, array_agg(p.seq order by p.seq) as seqs
    from message_pending p join message_consumers c on c.name = p.consumer
    where p.reference is not null
      and not exists (select from message_holds h where h.consumer = c.name)
      and case p.state when 'out' then p.deadline when 'resting' then p.due_at end
        < now() - least(c.ack_wait_ms, 60000) * interval '1 ms'
    group by c.name, p.stream, c.subjects limit 100`;
}

export async function lockPending(
  db: Query,
  { consumer, stream, seq }: { consumer: string; stream: string; seq: number },
): Promise<PendingMessage | null> {
  const [row] = await db<PendingMessage[]>`
    select ${pendingColumns(db)} from message_pending p
    where consumer = ${consumer} and stream = ${stream} and seq = ${seq} for update`;
  return row ?? null;
}

/** The redelivery is ours from now on: the engine has given the message up. */
export async function makeOurs(db: Query, row: PendingMessage): Promise<void> {
  await db`
    update message_pending set reference = null
    where consumer = ${row.consumer} and stream = ${row.stream} and seq = ${row.seq}`;
}

/** Whether our books say how the message ended in this consumer. */
export async function isSettled(
  db: Query,
  { consumer, stream, seq }: { consumer: string; stream: string; seq: number },
): Promise<boolean> {
  const [row] = await db<{ settled: boolean }[]>`
    select exists (select from message_handled
        where consumer = ${consumer} and stream = ${stream} and seq = ${seq})
      or exists (select from dead_letters
        where consumer = ${consumer} and stream = ${stream} and seq = ${seq}) as settled`;
  return row?.settled ?? false;
}

/** Records that nothing can ask for any more, in small steps. */
export async function forgetOld(db: Query, now: Date): Promise<void> {
  // A message id is remembered for as long as its stream can deliver it, and a day more.
  await db`
    delete from message_handled where ctid in (
      select h.ctid from message_handled h left join message_streams s on s.name = h.stream
      where h.at < ${now}::timestamptz - interval '1 day'
        and h.at < ${now}::timestamptz - coalesce(s.keep_ms, 0) * interval '1 ms' - interval '1 day'
        and coalesce(s.keep_ms, 1) > 0
      limit 5000)`;
  await db`
    delete from message_told where ctid in (
      select ctid from message_told where at < ${now}::timestamptz - interval '30 days' limit 5000)`;
}
