/**
 * The log in PostgreSQL. It serves one server; a fleet of servers takes NATS JetStream.
 *
 *   L1. Sequences of a stream are given under its row's lock and become visible in order, without gaps.
 *   L2. Publishes that arrive while one is being written are written together by the next.
 *   L3. A consumer's cursor moves in the transaction that writes what it passed to pending.
 */
import type { ConsumerSettings, StreamSettings } from "@lastgood/sdk";
import { Fault } from "../../fault.ts";
import type { Db, Query } from "../../store/database.ts";
import type { Ahead, MessageEngine, Published, ReadRange } from "./engine.ts";
import { type OutgoingMessage, type StoredMessage, sizeOf } from "./message.ts";
import { regularExpression } from "./subject.ts";
import type { Waiters } from "./waiters.ts";

export interface EmbeddedEngineDeps {
  readonly db: Db;
  readonly waiters: Waiters;
  /** PostgreSQL's own version, for people. */
  readonly version: string;
}

const batchMax = 200;
/** The driver takes an array of buffers for a buffer unless it is told. */
const byteaArray = 1_001;
const queueMax = 10_000;

export function createEmbeddedEngine({ db, waiters, version }: EmbeddedEngineDeps): MessageEngine {
  const append = batched((batch) => appendMessages(db, batch));
  return {
    describe: () => ({
      engine: "embedded",
      version,
      reachable: true,
      degraded: ["The embedded log serves one server: several replicas need NATS JetStream."],
    }),
    ensureStream: async (_name: string, settings: StreamSettings) => ({ adopted: false, settings }),
    ensureConsumer: async (_name: string, settings: ConsumerSettings) => ({
      adopted: false,
      settings,
    }),
    async publish(message, within) {
      const published =
        within === undefined ? await append(message) : (await appendMessages(within, [message]))[0];
      if (published === undefined) throw new Error("a publish without an answer");
      if (!published.duplicate) await wakeReaders(within ?? db, message, waiters);
      return published;
    },
    read: (stream, range) => readLog(db, stream, range),
    find: (stream, seqs, bytesMax) => findInLog(db, stream, seqs, bytesMax),
    async streamState(name) {
      const [row] = await db<
        { firstSeq: number; lastSeq: number; messages: number; bytes: number }[]
      >`
        select coalesce((select min(seq) from message_log where stream = name), last_seq + 1)
            as "firstSeq",
          last_seq as "lastSeq", messages, bytes
        from message_streams where name = ${name}`;
      return row ?? { firstSeq: 1, lastSeq: 0, messages: 0, bytes: 0 };
    },
    async unread({ name }) {
      const [row] = await db<{ unread: number }[]>`
        select count(*) as unread from message_consumers c
        join message_log l on l.stream = c.stream and l.seq > c.cursor_seq
          and (c.pattern is null or l.subject ~ c.pattern)
        where c.name = ${name}`;
      return row?.unread ?? 0;
    },
    ahead: ({ name }, limit, bytesMax) => lookAhead(db, name, limit, bytesMax),
    refill,
    demand: () => {},
    settle: async () => {},
    keepAlive: async () => {},
    expire: (now) => expire(db, now),
    sweep: async () => {},
    stop: async () => {},
  };
}

/** L2. One write at a time per stream; what waits meanwhile goes together. */
function batched(
  write: (batch: readonly OutgoingMessage[]) => Promise<readonly Published[]>,
): (message: OutgoingMessage) => Promise<Published> {
  interface Entry {
    readonly message: OutgoingMessage;
    readonly done: PromiseWithResolvers<Published>;
  }
  const queues = new Map<string, Entry[]>();

  async function drain(stream: string, queue: Entry[]): Promise<void> {
    while (queue.length > 0) {
      const batch = queue.splice(0, batchMax);
      try {
        const published = await write(batch.map((entry) => entry.message));
        for (const [index, entry] of batch.entries()) {
          const answer = published[index];
          if (answer === undefined) entry.done.reject(new Error("a publish without an answer"));
          else entry.done.resolve(answer);
        }
      } catch (error) {
        for (const entry of batch) entry.done.reject(error);
      }
    }
    queues.delete(stream);
  }

  return (message) => {
    const done = Promise.withResolvers<Published>();
    const waiting = queues.get(message.stream);
    if (waiting !== undefined && waiting.length >= queueMax) {
      throw new Fault(
        "too_many",
        `${queueMax} messages already wait to be written to ${message.stream}: publish again shortly.`,
      );
    }
    if (waiting === undefined) {
      const queue = [{ message, done }];
      queues.set(message.stream, queue);
      void drain(message.stream, queue);
    } else {
      waiting.push({ message, done });
    }
    return done.promise;
  };
}

/** L1. All to one stream, in one round trip. */
async function appendMessages(
  db: Query,
  batch: readonly OutgoingMessage[],
): Promise<readonly Published[]> {
  const [first] = batch;
  if (first === undefined) return [];
  return await db<Published[]>`
    select given_seq as seq, is_duplicate as duplicate from publish_messages(
      ${first.stream}, ${first.at},
      ${batch.map((each) => each.id)}::text[], ${batch.map((each) => each.subject)}::text[],
      ${batch.map((each) => each.sender)}::text[],
      ${batch.map((each) => JSON.stringify(each.headers))}::text[],
      ${db.array(
        batch.map((each) => each.payload),
        byteaArray,
      )}, ${batch.map(sizeOf)}::int[])`;
}

async function wakeReaders(db: Query, message: OutgoingMessage, waiters: Waiters): Promise<void> {
  if (waiters.waiting().size === 0) return;
  const readers = await db<{ name: string }[]>`
    select name from message_consumers
    where stream = ${message.stream} and (pattern is null or ${message.subject} ~ pattern)`;
  for (const { name } of readers) waiters.wake(name);
}

/**
 * L3. As many of the log's next messages as `count` and the consumer's own limit of messages in flight
 * leave room for. `high` is read in the same snapshot: a message that comes later has a higher sequence.
 */
async function refill(db: Query, consumer: string, count: number): Promise<void> {
  await db`
    with c as (select * from message_consumers where name = ${consumer}),
    room as (
      select least(${count}::bigint, c.max_in_flight - count(p.seq)) as n
      from c left join message_pending p on p.consumer = c.name
      group by c.max_in_flight),
    high as (
      select
        coalesce((select seq from message_log where stream = (select stream from c)
          order by seq desc limit 1), 0) as seq,
        coalesce((select seq from message_log where stream = (select stream from c)
          order by seq limit 1), 0) as low),
    next as (
      select l.stream, l.seq, l.message_id, l.at from message_log l, c
      where l.stream = c.stream and l.seq > c.cursor_seq
        and (c.pattern is null or l.subject ~ c.pattern)
      order by l.seq limit greatest(0, (select n from room))),
    moved as (
      insert into message_pending (consumer, stream, seq, message_id, published_at)
      select ${consumer}, stream, seq, message_id, at from next
      on conflict (consumer, stream, seq) do nothing)
    update message_consumers m set
      cursor_seq = case when (select count(*) from next) < (select n from room)
        then greatest(m.cursor_seq, (select seq from high))
        else greatest(m.cursor_seq, (select coalesce(max(seq), 0) from next)) end,
      missed = m.missed + case when m.pattern is null
        then greatest(0, (select low from high) - m.cursor_seq - 1) else 0 end
    where m.name = ${consumer} and (select n from room) > 0
      and m.cursor_seq < (select seq from high)`;
}

interface LogRow {
  stream: string;
  seq: number;
  at: Date;
  subject: string;
  id: string;
  sender: string | null;
  headers: Record<string, string>;
  payload: Buffer;
}

async function readLog(
  db: Query,
  stream: string,
  { from, toSeq, subjects, limit }: ReadRange,
): Promise<readonly StoredMessage[]> {
  const pattern = regularExpression(subjects);
  return await db<LogRow[]>`
    select ${columns(db)} from message_log log
    where stream = ${stream}
      and ${typeof from === "number" ? db`seq >= ${from}` : db`at >= ${from}`}
      and (${toSeq}::bigint is null or seq <= ${toSeq})
      and (${pattern}::text is null or subject ~ ${pattern})
    order by seq limit ${limit}`;
}

async function findInLog(
  db: Query,
  stream: string,
  seqs: readonly number[],
  bytesMax = wholeBytes,
): Promise<readonly StoredMessage[]> {
  return await db<LogRow[]>`
    select ${columns(db, bytesMax)} from message_log log
    where stream = ${stream} and seq = any(${[...seqs]}::bigint[])`;
}

/** How far a consumer of few subjects is looked for among what others of its stream were sent. */
const aheadMax = 10_000;

/** The log has no gaps (L1): what comes next is a range of sequences, and their distance is the count. */
async function lookAhead(
  db: Query,
  consumer: string,
  limit: number,
  bytesMax: number,
): Promise<Ahead> {
  const from = db`
    select c.stream, c.pattern, s.last_seq, greatest(c.cursor_seq, coalesce((
      select l.seq - 1 from message_log l where l.stream = c.stream order by l.seq limit 1), 0)) as seq
    from message_consumers c join message_streams s on s.name = c.stream where c.name = ${consumer}`;
  const next = (count: number) => db`
    log.stream = f.stream and log.seq > f.seq
      and log.seq <= f.seq + case when f.pattern is null then ${count}::bigint else ${aheadMax} end
      and (f.pattern is null or log.subject ~ f.pattern)`;
  const [messages, [count]] = await Promise.all([
    db<LogRow[]>`
      with f as materialized (${from})
      select ${columns(db, bytesMax)} from f join message_log log on ${next(limit)}
      order by log.seq limit ${limit}`,
    db<{ total: number }[]>`
      with f as materialized (${from})
      select case when f.pattern is null then f.last_seq - f.seq
        else (select count(*) from message_log log where ${next(0)}) end as total
      from f`,
  ]);
  return { messages, total: Math.max(0, count?.total ?? 0) };
}

const wholeBytes = 2 ** 31 - 1;

function columns(db: Query, bytesMax = wholeBytes) {
  return db`log.stream, log.seq, log.at, log.subject, log.message_id as id, log.sender, log.headers,
    ${bytesMax === wholeBytes ? db`log.payload` : db`substring(log.payload from 1 for ${bytesMax}) as payload`}`;
}

/** Messages older than their stream keeps them go, in one short transaction per stream. */
async function expire(db: Db, now: Date): Promise<void> {
  const streams = await db<{ name: string }[]>`
    select s.name from message_streams s where s.keep_ms > 0 and exists (
      select from message_log l where l.stream = s.name
        and l.at < ${now}::timestamptz - s.keep_ms * interval '1 ms')`;
  for (const { name } of streams) {
    await db.begin(async (tx) => {
      await tx`select 1 from message_streams where name = ${name} for update`;
      await tx`
        with gone as (
          delete from message_log l using message_streams s
          where s.name = ${name} and l.stream = s.name
            and l.at < ${now}::timestamptz - s.keep_ms * interval '1 ms'
          returning l.size)
        update message_streams set
          messages = messages - (select count(*) from gone),
          bytes = bytes - (select coalesce(sum(size), 0) from gone)
        where name = ${name}`;
    });
  }
}
