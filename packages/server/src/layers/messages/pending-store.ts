/**
 * The SQL of messages that a consumer has not settled.
 *
 *     due ──claim──> out ──ack───> (handled)
 *      ^              │ ├──nak──> resting ──due_at──> due
 *      │              │ └──dies─> (dead letter)
 *      └──deadline────┘
 *
 *   P1. Claims of one consumer are serialised by its row's lock, so at most `maxInFlight` messages are
 *       out; settling takes only the message's own row (`skip locked`).
 *   P2. Every claim raises `epoch` and draws a new nonce: whoever holds an older pair is fenced.
 *   P3. A row with a reference is redelivered by its engine alone: it becomes due when it is admitted anew.
 */
import type { Query } from "../../store/database.ts";
import type { Arrival } from "./engine.ts";
import type { DeliveryKey, PendingMessage } from "./message.ts";

/** Before the engine's own ack wait ends, ours has: so a redelivery never meets a valid claim. */
const admitSlackMsMax = 1_000;

export interface LockedConsumer {
  readonly name: string;
  readonly stream: string;
  readonly ackWaitMs: number;
  readonly maxDeliver: number;
  readonly maxInFlight: number;
  readonly maxHandleMs: number;
}

/** P1. Null where the consumer does not exist or is held. */
export async function lockConsumer(db: Query, name: string): Promise<LockedConsumer | null> {
  const [row] = await db<LockedConsumer[]>`
    select name, stream, ack_wait_ms as "ackWaitMs", max_deliver as "maxDeliver",
           max_in_flight as "maxInFlight", max_handle_ms as "maxHandleMs"
    from message_consumers where name = ${name} for update`;
  if (row === undefined) return null;
  // A statement of its own: what was committed while we waited for the lock must be seen.
  const holds = await db`select 1 from message_holds where consumer = ${name} limit 1`;
  return holds.length > 0 ? null : row;
}

export interface Claimable {
  /** Redeliveries first. */
  readonly candidates: readonly PendingMessage[];
  /** How many have gone out and are not settled. */
  readonly outstanding: number;
  /** How many of them are with a handler now. */
  readonly out: number;
}

/** Rows that may go out now. */
export async function claimable(db: Query, consumer: string, limit: number): Promise<Claimable> {
  const candidates = await db<PendingMessage[]>`
    select ${pendingColumns(db)} from message_pending p
    where consumer = ${consumer} and (
      state = 'due'
      or (reference is null and state = 'resting' and due_at <= now())
      or (reference is null and state = 'out' and deadline <= now()))
    order by (deliveries = 0), published_at, stream, seq
    limit ${limit} for update skip locked`;
  const [count] = await db<{ outstanding: number; out: number }[]>`
    select count(*) as outstanding,
      count(*) filter (where state = 'out' and deadline > now()) as out
    from message_pending where consumer = ${consumer} and deliveries > 0`;
  return { candidates, outstanding: count?.outstanding ?? 0, out: count?.out ?? 0 };
}

export interface ClaimedMessage extends PendingMessage {
  readonly epoch: number;
  readonly nonce: string;
  readonly deadline: Date;
  readonly handled: boolean;
  readonly overtaken: boolean;
  /** It lay here for a while: the engine's ack wait must be restarted. */
  readonly stale: boolean;
}

/** P2. The rows go out to `holder`. */
export async function takeOut(
  db: Query,
  consumer: LockedConsumer,
  rows: readonly PendingMessage[],
  to: { readonly nonce: string; readonly holder: string; readonly session: string | null },
): Promise<readonly ClaimedMessage[]> {
  if (rows.length === 0) return [];
  const slackMs = Math.min(admitSlackMsMax, consumer.ackWaitMs / 10);
  const claimed = await db<ClaimedMessage[]>`
    update message_pending p set
      state = 'out', deliveries = deliveries + 1, epoch = epoch + 1, nonce = ${to.nonce},
      holder = ${to.holder}, session = ${to.session}, out_since = now(),
      deadline = now() + (${consumer.ackWaitMs}::float8
        - case when reference is null then 0 else ${slackMs}::float8 end) * interval '1 ms'
    from unnest(${rows.map((row) => row.stream)}::text[], ${rows.map((row) => row.seq)}::bigint[])
      as chosen (stream, seq)
    where p.consumer = ${consumer.name} and p.stream = chosen.stream and p.seq = chosen.seq
    returning ${pendingColumns(db)},
      p.reference is not null and p.admitted_at < now() - ${slackMs / 2} * interval '1 ms' as stale,
      exists (select from message_handled h
        where h.consumer = p.consumer and h.message_id = p.message_id
          and (p.returned_at is null or h.at >= p.returned_at)) as handled,
      exists (select from message_handled h
        where h.consumer = p.consumer and h.stream = p.stream and h.seq > p.seq)
      or exists (select from message_pending o
        where o.consumer = p.consumer and o.stream = p.stream and o.seq > p.seq
          and o.deliveries > 0) as overtaken`;
  return [...claimed].sort(
    (one, other) => one.publishedAt.getTime() - other.publishedAt.getTime() || one.seq - other.seq,
  );
}

/** The row of exactly this delivery, locked; null when another delivery or a settlement came after it. */
export async function lockDelivery(db: Query, key: DeliveryKey): Promise<PendingMessage | null> {
  const [row] = await db<PendingMessage[]>`
    select ${pendingColumns(db)} from message_pending p
    where consumer = ${key.consumer} and stream = ${key.stream} and seq = ${key.seq}
      and epoch = ${key.epoch} and nonce = ${key.nonce} for update`;
  return row ?? null;
}

/** The engine's word for a delivery that was acknowledged before: null when this one never was. */
export async function findHandled(
  db: Query,
  key: DeliveryKey,
): Promise<{ readonly reference: string | null } | null> {
  const [row] = await db<{ reference: string | null }[]>`
    select reference from message_handled
    where consumer = ${key.consumer} and stream = ${key.stream} and seq = ${key.seq}
      and epoch = ${key.epoch} and nonce = ${key.nonce}`;
  return row ?? null;
}

export async function recordHandled(db: Query, row: PendingMessage, at: Date): Promise<void> {
  await db`
    insert into message_handled (consumer, message_id, stream, seq, epoch, nonce, reference, holder, at)
    values (${row.consumer}, ${row.messageId}, ${row.stream}, ${row.seq}, ${row.epoch}, ${row.nonce},
            ${row.reference}, ${row.holder}, ${at})
    on conflict (consumer, message_id) do update set
      stream = excluded.stream, seq = excluded.seq, epoch = excluded.epoch, nonce = excluded.nonce,
      reference = excluded.reference, holder = excluded.holder, at = excluded.at,
      again = message_handled.again + 1`;
  await removePending(db, row);
}

/** Redeliveries since then that were recognised as handled; of one holder, if named. */
export async function countRecognised(
  db: Query,
  since: Date,
  holder: string | undefined,
): Promise<number> {
  const [row] = await db<{ again: number }[]>`
    select coalesce(sum(again), 0)::bigint as again from message_handled
    where at >= ${since} and again > 0
      ${holder === undefined ? db`` : db`and holder = ${holder}`}`;
  return row?.again ?? 0;
}

export async function removePending(
  db: Query,
  row: Pick<PendingMessage, "consumer" | "stream" | "seq">,
): Promise<void> {
  await db`
    delete from message_pending
    where consumer = ${row.consumer} and stream = ${row.stream} and seq = ${row.seq}`;
}

/** The failed delivery is over; its token is worth nothing from now on. */
export async function rest(
  db: Query,
  row: PendingMessage,
  forMs: number,
  error: string,
): Promise<Date> {
  const [rested] = await db<{ due_at: Date }[]>`
    update message_pending set
      state = 'resting', nonce = null, holder = null, session = null, deadline = null,
      due_at = now() + ${forMs} * interval '1 ms', last_error = ${error}
    where consumer = ${row.consumer} and stream = ${row.stream} and seq = ${row.seq}
    returning due_at`;
  return rested?.due_at ?? new Date(0);
}

/** Moves the deadline by one ack wait, at most to `maxHandleMs` after the message went out. */
export async function renew(
  db: Query,
  row: PendingMessage,
  limits: { readonly ackWaitMs: number; readonly maxHandleMs: number },
): Promise<{ readonly deadline: Date; readonly renewed: boolean }> {
  const [renewed] = await db<{ deadline: Date; moved: boolean }[]>`
    update message_pending p set
      deadline = greatest(p.deadline, least(now() + ${limits.ackWaitMs} * interval '1 ms',
        p.out_since + ${limits.maxHandleMs} * interval '1 ms'))
    from message_pending before
    where p.consumer = ${row.consumer} and p.stream = ${row.stream} and p.seq = ${row.seq}
      and before.consumer = p.consumer and before.stream = p.stream and before.seq = p.seq
    returning p.deadline,
      now() + ${limits.ackWaitMs} * interval '1 ms'
        <= p.out_since + ${limits.maxHandleMs} * interval '1 ms' as moved`;
  return { deadline: renewed?.deadline ?? new Date(0), renewed: renewed?.moved ?? false };
}

/** As if the claims had not been made: whoever asked is gone and never saw the messages. */
export async function takeBack(db: Query, rows: readonly ClaimedMessage[]): Promise<void> {
  if (rows.length === 0) return;
  await db`
    update message_pending p set
      state = 'due', nonce = null, holder = null, session = null, deadline = null, due_at = now(),
      deliveries = deliveries - 1
    from unnest(${rows.map((row) => row.consumer)}::text[], ${rows.map((row) => row.stream)}::text[],
                ${rows.map((row) => row.seq)}::bigint[], ${rows.map((row) => row.nonce)}::text[])
      as back (consumer, stream, seq, nonce)
    where p.consumer = back.consumer and p.stream = back.stream and p.seq = back.seq
      and p.nonce = back.nonce`;
}

/** What a dead worker held is due at once. Returns the consumers concerned. */
export async function giveUpClaims(
  db: Query,
  of: { readonly holder: string; readonly session: string | null },
): Promise<readonly string[]> {
  const rows = await db<{ consumer: string }[]>`
    update message_pending set
      state = 'due', nonce = null, holder = null, session = null, deadline = null, due_at = now()
    where state = 'out' and holder = ${of.holder}
      and (${of.session}::text is null or session = ${of.session})
    returning consumer`;
  return [...new Set(rows.map((row) => row.consumer))];
}

export interface Admitted {
  readonly seq: number;
  /** `settled-…`: our books say how it ended, and the engine's do not know it yet. */
  readonly was: "admitted" | "settled-handled" | "settled-dead";
}

/** P3. Deliveries of the engine become due, unless they were settled or are validly out. */
export async function admit(
  db: Query,
  consumer: string,
  arrivals: readonly Arrival[],
): Promise<readonly Admitted[]> {
  const messages = arrivals.map((arrival) => arrival.message);
  return await db<Admitted[]>`
    with arrived as (
      select distinct on (stream, seq) * from unnest(
        ${messages.map((each) => each.stream)}::text[], ${messages.map((each) => each.seq)}::bigint[],
        ${messages.map((each) => each.id)}::text[], ${messages.map((each) => each.at.toISOString())}::timestamptz[],
        ${arrivals.map((each) => each.reference)}::text[])
        with ordinality as a (stream, seq, message_id, published_at, reference, n)
      order by stream, seq, n desc
    ), judged as (
      select a.*, case
        when exists (select from message_pending p where p.consumer = ${consumer}
          and p.stream = a.stream and p.seq = a.seq and p.message_id = a.message_id) then 'admitted'
        when exists (select from message_handled h where h.consumer = ${consumer}
          and h.stream = a.stream and h.seq = a.seq and h.message_id = a.message_id)
          then 'settled-handled'
        when exists (select from dead_letters d where d.consumer = ${consumer}
          and d.stream = a.stream and d.seq = a.seq and d.message_id = a.message_id)
          then 'settled-dead'
        else 'admitted' end as was
      from arrived a
    ), written as (
      insert into message_pending as p (consumer, stream, seq, message_id, published_at, reference)
      select ${consumer}, stream, seq, message_id, published_at, reference
      from judged where was = 'admitted'
      on conflict (consumer, stream, seq) do update set
        reference = excluded.reference, admitted_at = now(),
        state = case when p.state = 'out' and p.deadline > now()
          and p.message_id = excluded.message_id then 'out' else 'due' end,
        -- Another message under the same number: its stream was made anew.
        deliveries = case when p.message_id = excluded.message_id then p.deliveries else 0 end,
        dead_letter = case when p.message_id = excluded.message_id then p.dead_letter end,
        message_id = excluded.message_id, published_at = excluded.published_at
    )
    select seq, was from judged`;
}

/** Puts messages back to a consumer: each is due at once, with all its deliveries before it. */
export async function putBack(
  db: Query,
  consumer: string,
  cause: "requeue" | "reroute" | "replay",
  messages: readonly {
    readonly stream: string;
    readonly seq: number;
    readonly messageId: string;
    readonly publishedAt: Date;
    readonly deadLetter: string | null;
  }[],
  at: Date,
): Promise<number> {
  const rows = await db`
    insert into message_pending
      (consumer, stream, seq, message_id, published_at, dead_letter, cause, returned_at, life)
    select ${consumer}, b.*, ${cause}, ${at}, coalesce(
      (select max(d.life) + 1 from dead_letters d
       where d.consumer = ${consumer} and d.stream = b.stream and d.seq = b.seq), 1)
    from unnest(
      ${messages.map((each) => each.stream)}::text[], ${messages.map((each) => each.seq)}::bigint[],
      ${messages.map((each) => each.messageId)}::text[],
      ${messages.map((each) => each.publishedAt.toISOString())}::timestamptz[],
      ${messages.map((each) => each.deadLetter)}::text[])
      as b (stream, seq, message_id, published_at, dead_letter)
    on conflict (consumer, stream, seq) do nothing
    returning 1`;
  return rows.length;
}

export function pendingColumns(db: Query) {
  return db`p.consumer, p.stream, p.seq, p.message_id as "messageId",
    p.published_at as "publishedAt", p.life, p.cause, p.dead_letter as "deadLetter", p.reference,
    p.state, p.deliveries, p.epoch, p.nonce, p.holder, p.session, p.out_since as "outSince", p.deadline,
    p.last_error as "lastError"`;
}
