/** The SQL of streams, consumers and holds as they are in force. */
import type { ConsumerSettings, MessageHold, StreamSettings } from "@lastgood/sdk";
import type { Query } from "../../store/database.ts";
import { regularExpression } from "./subject.ts";

export interface StreamRow extends StreamSettings {
  readonly name: string;
  readonly adopted: boolean;
}

export interface ConsumerRow extends ConsumerSettings {
  readonly name: string;
  readonly adopted: boolean;
  readonly missed: number;
  readonly holds: readonly Hold[];
}

export type Hold = Omit<MessageHold, "at"> & { readonly at: Date };

export async function listStreams(db: Query, name?: string): Promise<readonly StreamRow[]> {
  return await db<StreamRow[]>`
    select name, subjects, keep_ms as "keepMs", max_bytes as "maxBytes",
           max_message_bytes as "maxMessageBytes", duplicate_window_ms as "duplicateWindowMs",
           replicas, storage, reviewer, adopted
    from message_streams where ${name ?? null}::text is null or name = ${name ?? null}
    order by name`;
}

export async function saveStream(
  db: Query,
  name: string,
  settings: StreamSettings,
  adopted: boolean,
): Promise<void> {
  const row = {
    name,
    subjects: [...settings.subjects],
    keep_ms: settings.keepMs,
    max_bytes: settings.maxBytes,
    max_message_bytes: settings.maxMessageBytes,
    duplicate_window_ms: settings.duplicateWindowMs,
    replicas: settings.replicas,
    storage: settings.storage,
    reviewer: settings.reviewer,
    adopted,
  };
  const { name: _, ...rest } = row;
  await db`insert into message_streams ${db(row)} on conflict (name) do update set ${db(rest)}`;
}

export interface ConsumerFilter {
  readonly name?: string | undefined;
  readonly agent?: string | undefined;
  readonly role?: string | undefined;
}

export async function listConsumers(
  db: Query,
  { name = undefined, agent = undefined, role = undefined }: ConsumerFilter = {},
): Promise<readonly ConsumerRow[]> {
  const rows = await db<(Omit<ConsumerRow, "holds"> & { holds: RawHold[] })[]>`
    select name, stream, agent, role, subjects, ack_wait_ms as "ackWaitMs",
           max_deliver as "maxDeliver", max_in_flight as "maxInFlight",
           max_handle_ms as "maxHandleMs", adopted, missed,
           coalesce((select jsonb_agg(jsonb_build_object('hold', h.hold, 'heldBy', h.held_by,
             'because', h.because, 'at', h.at) order by h.at)
             from message_holds h where h.consumer = c.name), '[]') as holds
    from message_consumers c
    where (${name ?? null}::text is null or name = ${name ?? null})
      and (${agent ?? null}::text is null or agent = ${agent ?? null})
      and (${role ?? null}::text is null or role = ${role ?? null})
    order by name`;
  return rows.map((row) => ({
    ...row,
    holds: row.holds.map((hold) => ({ ...hold, at: new Date(hold.at) })),
  }));
}

type RawHold = Omit<Hold, "at"> & { at: string };

export async function saveConsumer(
  db: Query,
  name: string,
  settings: ConsumerSettings,
  adopted: boolean,
): Promise<void> {
  const row = {
    name,
    stream: settings.stream,
    agent: settings.agent,
    role: settings.role,
    subjects: [...settings.subjects],
    pattern: regularExpression(settings.subjects),
    ack_wait_ms: settings.ackWaitMs,
    max_deliver: settings.maxDeliver,
    max_in_flight: settings.maxInFlight,
    max_handle_ms: settings.maxHandleMs,
    adopted,
  };
  const { name: _, ...rest } = row;
  await db`insert into message_consumers ${db(row)} on conflict (name) do update set ${db(rest)}`;
}

/** One more message was removed by the stream's limits before this consumer had settled it. */
export async function countMissed(db: Query, consumer: string): Promise<void> {
  await db`update message_consumers set missed = missed + 1 where name = ${consumer}`;
}

/** Takes effect when the caller's transaction commits: claims wait for the row's lock. */
export async function addHold(
  db: Query,
  consumer: string,
  { hold, heldBy, because, at }: Hold,
): Promise<boolean> {
  await db`select 1 from message_consumers where name = ${consumer} for update`;
  const added = await db`
    insert into message_holds (consumer, hold, held_by, because, at)
    values (${consumer}, ${hold}, ${heldBy}, ${because}, ${at})
    on conflict (consumer, hold) do nothing returning 1`;
  return added.length > 0;
}

/** Ends one hold, or all. Returns how many there were. */
export async function removeHolds(
  db: Query,
  consumer: string,
  hold: string | null,
): Promise<number> {
  await db`select 1 from message_consumers where name = ${consumer} for update`;
  const removed = await db`
    delete from message_holds
    where consumer = ${consumer} and (${hold}::text is null or hold = ${hold}) returning 1`;
  return removed.length;
}

/**
 * What failed while the world was broken comes at once, and has at least one more delivery before it.
 * Returns the engine's own deliveries that rest: the engine must be told.
 */
export async function endRests(db: Query, consumer: string): Promise<readonly string[]> {
  const rested = await db<{ reference: string | null }[]>`
    select reference from message_pending where consumer = ${consumer} and state = 'resting'`;
  await db`
    update message_pending p set
      due_at = now(),
      deliveries = least(p.deliveries, c.max_deliver - 1)
    from message_consumers c
    where p.consumer = ${consumer} and c.name = p.consumer
      and (p.state <> 'out' or p.deadline <= now())`;
  return rested.flatMap((row) => (row.reference === null ? [] : [row.reference]));
}

export interface ConsumerFigures {
  readonly consumer: string;
  readonly due: number;
  readonly inFlight: number;
  readonly resting: number;
  readonly handled: number;
  readonly deadLetters: number;
  readonly oldest: Date | null;
}

/** Counts of our own books; what the stream has not handed over yet is not among them. */
export async function countConsumer(db: Query, consumer: string): Promise<ConsumerFigures> {
  const [row] = await db<ConsumerFigures[]>`
    select ${consumer}::text as consumer,
      count(*) filter (where state = 'due'
        or (reference is null and state = 'out' and deadline <= now())) as due,
      count(*) filter (where state = 'out' and (reference is not null or deadline > now())) as "inFlight",
      count(*) filter (where state = 'resting') as resting,
      min(published_at) filter (where state <> 'out') as oldest,
      (select count(*) from message_handled h where h.consumer = ${consumer}) as handled,
      (select count(*) from dead_letters d
       where d.consumer = ${consumer} and d.state = 'dead') as "deadLetters"
    from message_pending where consumer = ${consumer}`;
  if (row === undefined) throw new Error("an aggregate without a row");
  return row;
}
