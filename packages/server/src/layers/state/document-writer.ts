/**
 * Writes documents: head, version, change and exposures in one round trip, by the SQL function
 * `write_document`, or by the statement of `plain-write.ts`, which does the same for the plain one.
 *
 *     put ──> queue ──> statement of up to 100 documents ──> answers
 *
 *   W1. A document stands in a statement once; the next write to it waits for the next statement.
 *   W2. Writes to one document are sent in the order in which they came, one statement after the other.
 *   W3. A write is answered only after its statement committed. One that is refused does not touch the others.
 *   W4. The queue is bounded: beyond it a write is refused at once (`too_many`).
 */
import { Fault } from "../../fault.ts";
import type { Db, Query } from "../../store/database.ts";
import type { World } from "../../world.ts";
import { operations, targetOf, type Write, type Written } from "./document.ts";
import { writePlain } from "./plain-write.ts";
import { actorKey, documentKey } from "./version-hash.ts";

export interface DocumentWriterDeps {
  readonly db: Db;
  readonly world: World;
  /** The services that a write to `collection/id` reaches at once. */
  readers(target: string): readonly string[];
}

export interface DocumentWriter {
  /** Writes one document, together with what else is written at this moment. */
  write(write: Write): Promise<Written>;
  /** Writes all of them in the caller's transaction, in one statement; each document at most once. */
  writeAll(db: Query, writes: readonly Write[]): Promise<readonly Written[]>;
}

const statementWritesMax = 100;
const statementBytesMax = 8_388_608;
const statementsInFlightMax = 4;
const queuedMax = 10_000;
const answerMsMax = 20_000;

interface Queued {
  readonly write: Write;
  readonly key: string;
  resolve(written: Written): void;
  reject(error: unknown): void;
}

export function createDocumentWriter({ db, world, readers }: DocumentWriterDeps): DocumentWriter {
  let queue: Queued[] = [];
  const inFlight = new Set<string>();
  let statements = 0;

  function pump(): void {
    while (statements < statementsInFlightMax && queue.length > 0) {
      const batch = take();
      if (batch.length === 0) return;
      statements += 1;
      for (const { key } of batch) inFlight.add(key);
      void send(batch).finally(() => {
        statements -= 1;
        for (const { key } of batch) inFlight.delete(key);
        pump();
      });
    }
  }

  /** W1, W2: a document that is in flight, or was passed over, is passed over. */
  function take(): readonly Queued[] {
    const batch: Queued[] = [];
    const left: Queued[] = [];
    const passed = new Set(inFlight);
    let bytes = 0;
    for (const each of queue) {
      const full = batch.length >= statementWritesMax || bytes > statementBytesMax;
      if (full || passed.has(each.key)) left.push(each);
      else {
        batch.push(each);
        bytes += each.write.body?.length ?? 0;
      }
      passed.add(each.key);
    }
    queue = left;
    return batch;
  }

  async function send(batch: readonly Queued[]): Promise<void> {
    const sent = writeAll(
      db,
      batch.map((each) => each.write),
    );
    const late = setTimeout(() => {
      for (const { write, reject } of batch) reject(unanswered(write));
    }, answerMsMax);
    try {
      const written = await sent;
      for (const [index, each] of batch.entries()) each.resolve(itemAt(written, index));
    } catch (error) {
      for (const each of batch) each.reject(error);
    } finally {
      clearTimeout(late);
    }
  }

  async function writeAll(query: Query, writes: readonly Write[]): Promise<readonly Written[]> {
    // The clock is read once, before any lock is asked for.
    const clock = world.now().getTime() * 1_000;
    const [first, second] = writes;
    if (first === undefined) return [];
    if (second === undefined) return [await writeOne(query, first, clock)];
    const rows = await query<Row[]>`
      select r.written, r.ver, r.at_us, r.hash
      from (
        select * from unnest(
          ${bytesText(writes.map(documentKey))}::bytea[],
          ${writes.map((each) => each.collection)}::text[], ${writes.map((each) => each.id)}::text[],
          ${writes.map((each) => each.expect)}::bigint[],
          ${writes.map((each) => each.change)}::uuid[],
          ${writes.map((each) => each.act ?? null)}::uuid[],
          ${writes.map((each) => each.agent)}::text[],
          ${bytesText(writes.map((each) => actorKey(each.agent)))}::bytea[],
          ${writes.map((each) => each.task)}::text[], ${writes.map((each) => each.session)}::text[],
          ${writes.map((each) => each.reason)}::text[],
          ${writes.map((each) => each.operation)}::text[],
          ${writes.map((each) => operations[each.operation])}::smallint[],
          ${writes.map((each) => each.body)}::text[],
          ${writes.map((each) => arrayText(each.derivedFrom))}::text[],
          ${writes.map((each) => arrayText(each.reverts) ?? "{}")}::text[],
          ${writes.map((each) => JSON.stringify(each.details ?? {}))}::text[],
          ${writes.map((each) => arrayText(readers(targetOf(each))))}::text[]
        ) with ordinality as u (key, collection, id, expect, change_id, act_id, agent, actor, task,
          session, reason, kind, op, body, sources, reverts, details, readers, nth)
        order by key
      ) w
      cross join lateral write_document(
        w.collection, w.id, w.expect, ${clock}, w.change_id, w.agent, w.actor, w.task, w.session,
        w.reason, w.kind, w.op, w.body, w.act_id, w.sources::text[], w.reverts::uuid[],
        w.details::jsonb, w.readers::text[]) r
      order by w.nth`;
    return writes.map((_, index) => toWritten(itemAt(rows, index)));
  }

  async function writeOne(query: Query, write: Write, clock: number): Promise<Written> {
    const { collection, id, expect, change, agent, task, session, reason, operation, body } = write;
    const { derivedFrom, reverts, details, act } = write;
    const reached = readers(targetOf(write));
    const plain = !derivedFrom?.length && !reverts?.length && !details && !act && !reached.length;
    const written = plain ? await writePlain(query, write, clock) : null;
    if (written !== null) return written;
    const rows = await query<Row[]>`
      select written, ver, at_us, hash from write_document(
        ${collection}, ${id}, ${expect}, ${clock}, ${change}, ${agent}, ${actorKey(agent)}, ${task},
        ${session}, ${reason}, ${operation}, ${operations[operation]}, ${body}, ${act ?? null},
        ${arrayText(derivedFrom)}::text[], ${arrayText(reverts) ?? "{}"}::uuid[],
        ${JSON.stringify(details ?? {})}::text::jsonb, ${arrayText(reached)}::text[])`;
    return toWritten(itemAt(rows, 0));
  }

  return {
    write(write) {
      if (queue.length >= queuedMax) {
        return Promise.reject(
          new Fault(
            "too_many",
            `${queuedMax} writes of documents are waiting: ${targetOf(write)} was not written; try again shortly.`,
          ),
        );
      }
      return new Promise((resolve, reject) => {
        const key = documentKey(write).toString("base64");
        queue.push({ write, key, resolve, reject });
        pump();
      });
    },
    writeAll,
  };
}

interface Row {
  written: boolean;
  ver: number;
  at_us: number | null;
  hash: Buffer | null;
}

function toWritten({ written, ver, at_us, hash }: Row): Written {
  if (!written || at_us === null || hash === null) {
    return { ok: false, actual: ver < 0 ? "fenced" : ver };
  }
  return {
    ok: true,
    version: ver,
    atUs: at_us,
    hash: hash.toString("hex"),
  };
}

/** An array inside an array of the statement: PostgreSQL's own text for it, null when empty. */
function arrayText(items: readonly string[] | undefined): string | null {
  if (items === undefined || items.length === 0) return null;
  return `{${items.map((each) => JSON.stringify(each)).join(",")}}`;
}

/** PostgreSQL's text of a `bytea[]`: the driver takes an array of bytes for bytes. */
function bytesText(items: readonly Uint8Array[]): string {
  return `{${items.map((each) => `"\\\\x${Buffer.from(each).toString("hex")}"`).join(",")}}`;
}

function itemAt<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new Error(`write_document gave no answer for row ${index}`);
  return item;
}

function unanswered(write: Write): Fault {
  return new Fault(
    "timed_out",
    `PostgreSQL did not answer in ${answerMsMax / 1_000} s: whether ${targetOf(write)} was written is not known; read it before you write it again.`,
  );
}
