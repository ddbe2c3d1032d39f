import type { DeadLetterReason, DeadLetterState } from "@lastgood/sdk";
import type { ChangeId } from "../../ids.ts";
import type { Json, Query } from "../../store/database.ts";
import type { Death, PendingMessage, StoredMessage } from "./message.ts";

export interface DeadLetterRow {
  readonly id: string;
  readonly diedAt: Date;
  readonly stream: string | null;
  readonly seq: number | null;
  readonly consumer: string | null;
  readonly life: number;
  readonly messageId: string;
  readonly subject: string;
  readonly sender: string | null;
  readonly size: number;
  readonly sha256: string;
  readonly complete: boolean;
  readonly publishedAt: Date | null;
  readonly reason: DeadLetterReason;
  readonly detail: string;
  readonly deliveries: number;
  readonly times: number;
  readonly state: DeadLetterState;
  readonly settledAt: Date | null;
  readonly settledBy: string | null;
  readonly settledBecause: string | null;
  readonly destination: string | null;
}

export interface DeadLetterBody {
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: Buffer;
}

export interface NewDeadLetter extends Death {
  readonly id: string;
  readonly diedAt: Date;
  readonly sha256: string;
}

/**
 * Writes the death of a message in a consumer; the first record of one death stands.
 * `message` is null where the stream no longer holds it: then only what our books say is kept.
 */
export async function buryMessage(
  db: Query,
  row: Pick<PendingMessage, "consumer" | "stream" | "seq" | "life" | "messageId" | "deliveries"> & {
    readonly publishedAt: Date;
  },
  message: StoredMessage | null,
  death: NewDeadLetter,
): Promise<boolean> {
  const written = await db`
    insert into dead_letters
      (id, died_at, stream, seq, consumer, life, message_id, subject, sender, headers, payload,
       complete, size, sha256, published_at, reason, detail, deliveries, reviewer)
    select ${death.id}, ${death.diedAt}, ${row.stream}, ${row.seq}, ${row.consumer}, ${row.life},
      ${row.messageId}, ${message?.subject ?? ""}, ${message?.sender ?? null},
      ${db.json((message?.headers ?? {}) as Json)}, ${message?.payload ?? Buffer.alloc(0)},
      ${message !== null}, ${message?.payload.length ?? 0}, ${death.sha256}, ${row.publishedAt},
      ${death.reason}, ${death.detail}, ${row.deliveries},
      (select reviewer from message_streams s where s.name = ${row.stream})
    on conflict (consumer, stream, seq, life, message_id) where seq is not null do nothing
    returning 1`;
  return written.length > 0;
}

export interface Refusal extends NewDeadLetter {
  readonly stream: string | null;
  readonly messageId: string;
  readonly subject: string;
  readonly sender: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The first 4 kB. */
  readonly kept: Buffer;
  readonly complete: boolean;
  readonly size: number;
}

/** Writes a publish that was refused; the same one again is counted on the same row. */
export async function recordRefusal(db: Query, refusal: Refusal): Promise<void> {
  await db`
    insert into dead_letters as d
      (id, died_at, stream, message_id, subject, sender, headers, payload, complete, size, sha256,
       reason, detail, deliveries, reviewer)
    select ${refusal.id}, ${refusal.diedAt}, ${refusal.stream}, ${refusal.messageId},
      ${refusal.subject}, ${refusal.sender}, ${db.json(refusal.headers as Json)}, ${refusal.kept},
      ${refusal.complete}, ${refusal.size}, ${refusal.sha256}, ${refusal.reason}, ${refusal.detail}, 0,
      (select reviewer from message_streams s where s.name = ${refusal.stream}::text)
    on conflict (sender, reason, sha256) where seq is null do update set
      times = d.times + 1, died_at = excluded.died_at, detail = excluded.detail`;
}

/** Refusals are bounded: beyond the newest `keep` they go. */
export async function trimRefusals(db: Query, keep: number): Promise<void> {
  await db`
    delete from dead_letters where id in (
      select id from dead_letters where seq is null order by died_at desc, id desc offset ${keep})`;
}

export interface DeadLetterFilter {
  readonly ids?: readonly string[];
  readonly since?: Date;
  readonly consumer?: string;
  readonly stream?: string;
  readonly sender?: string;
  readonly reason?: DeadLetterReason;
  readonly reasons?: readonly DeadLetterReason[];
  readonly state?: DeadLetterState;
  readonly limit: number;
}

/** Newest first. */
export async function findDeadLetters(
  db: Query,
  filter: DeadLetterFilter,
): Promise<readonly DeadLetterRow[]> {
  return await db<DeadLetterRow[]>`
    select ${columns(db)} from dead_letters d where true
      ${filter.ids ? db`and id = any(${[...filter.ids]}::text[])` : db``}
      ${filter.since ? db`and died_at >= ${filter.since}` : db``}
      ${filter.consumer ? db`and consumer = ${filter.consumer}` : db``}
      ${filter.stream ? db`and stream = ${filter.stream}` : db``}
      ${filter.sender ? db`and sender = ${filter.sender}` : db``}
      ${filter.reason ? db`and reason = ${filter.reason}` : db``}
      ${filter.reasons ? db`and reason = any(${[...filter.reasons]}::text[])` : db``}
      ${filter.state ? db`and state = ${filter.state}` : db``}
    order by died_at desc, id desc limit ${filter.limit}`;
}

/** For the transaction that settles it: nobody else can settle it meanwhile. */
export async function lockDeadLetter(db: Query, id: string): Promise<DeadLetterRow | null> {
  const [row] = await db<DeadLetterRow[]>`
    select ${columns(db)} from dead_letters d where id = ${id} for update`;
  return row ?? null;
}

export async function readBodies(
  db: Query,
  ids: readonly string[],
): Promise<ReadonlyMap<string, DeadLetterBody & { subject: string; sender: string | null }>> {
  const rows = await db<
    {
      id: string;
      subject: string;
      sender: string | null;
      headers: Record<string, string>;
      payload: Buffer;
    }[]
  >`select id, subject, sender, headers, payload from dead_letters where id = any(${[...ids]}::text[])`;
  return new Map(rows.map((row) => [row.id, row]));
}

export interface DeadLetterSettlement {
  readonly state: Exclude<DeadLetterState, "dead">;
  readonly at: Date;
  readonly by: string;
  readonly because: string;
  readonly destination: string | null;
}

export async function settleDeadLetter(
  db: Query,
  id: string,
  { state, at, by, because, destination }: DeadLetterSettlement,
): Promise<void> {
  await db`
    update dead_letters set state = ${state}, settled_at = ${at}, settled_by = ${by},
      settled_because = ${because}, destination = ${destination}
    where id = ${id}`;
}

/** True the first time that this step puts this message back. */
export async function recordRequeue(
  db: Query,
  change: ChangeId,
  row: { readonly consumer: string; readonly messageId: string; readonly id: string },
): Promise<boolean> {
  const written = await db`
    insert into message_requeues (change_id, consumer, message_id, dead_letter)
    values (${change}, ${row.consumer}, ${row.messageId}, ${row.id})
    on conflict (change_id, consumer, message_id) do nothing returning 1`;
  return written.length > 0;
}

export interface ToReview extends DeadLetterRow {
  readonly reviewer: string;
}

/** Dead letters that their stream's reviewer has not been told of. */
export async function findUnreviewed(db: Query, limit: number): Promise<readonly ToReview[]> {
  return await db<ToReview[]>`
    select ${columns(db)}, reviewer from dead_letters d
    where reviewer is not null and reviewed_at is null order by died_at limit ${limit}`;
}

export async function markReviewed(db: Query, id: string, at: Date): Promise<void> {
  await db`update dead_letters set reviewed_at = ${at} where id = ${id}`;
}

export interface DeadLetterCounts {
  readonly dimension: "reason" | "sender" | "consumer" | "size";
  readonly value: string;
  readonly count: number;
}

export async function countDeadLetters(
  db: Query,
  since: Date,
): Promise<readonly DeadLetterCounts[]> {
  return await db<DeadLetterCounts[]>`
    with recent as (select * from dead_letters where died_at >= ${since}),
    split as (
      select 'reason' as dimension, reason as value, times from recent
      union all select 'sender', coalesce(sender, 'unknown'), times from recent
      union all select 'consumer', coalesce(consumer, 'refused'), times from recent
      union all select 'size', case when size <= 1024 then '1024' when size <= 16384 then '16384'
        when size <= 131072 then '131072' when size <= 1048576 then '1048576' else 'more' end, times
        from recent)
    select dimension, value, sum(times)::bigint as count from split
    group by dimension, value order by dimension, count desc, value`;
}

function columns(db: Query) {
  return db`d.id, d.died_at as "diedAt", d.stream, d.seq, d.consumer, d.life,
    d.message_id as "messageId", d.subject, d.sender, d.size, d.sha256, d.complete,
    d.published_at as "publishedAt", d.reason, d.detail, d.deliveries, d.times, d.state,
    d.settled_at as "settledAt", d.settled_by as "settledBy", d.settled_because as "settledBecause",
    d.destination`;
}
