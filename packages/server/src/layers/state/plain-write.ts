/**
 * The plain write of one document as one prepared statement: what nearly every write is. It does what the SQL
 * function `write_document` does for it, for less: a function costs its own call, a snapshot per statement and
 * a scan of its row.
 *
 *     may write ─> head: inserted, or moved on top of what is expected ─┬─> version
 *                                                                       └─> change
 *
 * No row: it is not as expected, the session is over, or another was faster; the function then says which.
 */
import { randomBytes } from "node:crypto";
import type { Query } from "../../store/database.ts";
import { operations, type Write, type Written } from "./document.ts";
import { actorKey, bodyHash, documentKey } from "./version-hash.ts";

/** `clock`: microseconds since 1970, read before any lock. Null: nothing was written. */
export async function writePlain(
  query: Query,
  write: Write,
  clock: number,
): Promise<Written | null> {
  const { collection, id, expect, change, agent, task, session, reason, operation, body } = write;
  const salt = randomBytes(16);
  const values = [
    ...[documentKey(write), collection, id, expect, clock, change, agent, actorKey(agent)],
    ...[operations[operation], body, salt, bodyHash(salt, body), task, session, reason],
    operation,
  ];
  const [head] = await query.unsafe<Row[]>(statement, values, { prepare: true });
  if (head === undefined) return null;
  return { ok: true, version: head.ver, atUs: head.at_us, hash: head.hash.toString("hex") };
}

interface Row {
  readonly ver: number;
  readonly at_us: number;
  readonly hash: Buffer;
}

/**
 * The lock on the session keeps it from ending before this is committed; one that is over writes nothing.
 * Version n > 0 is expected of a document that is there: inserting it would be another one.
 */
const statement = `
  with session as (select ended_at from sessions where id = $14 for key share),
  head as (
    insert into documents as d (doc, collection, id, ver, hash, at_us, removed)
    select $1, $2, $3, 1,
      document_version_hash($1, null, 1, $5::bigint, $6::uuid, $8::bytea, $9::smallint, $12::bytea),
      $5, $10::text is null
    where not exists (select from session where ended_at is not null)
      and ($4::bigint is null or $4 = 0 or exists (select from documents where doc = $1))
    on conflict (doc) do update set
      ver = d.ver + 1, at_us = greatest($5, d.at_us + 1), removed = $10 is null,
      hash = document_version_hash(
        $1, d.hash, d.ver + 1, greatest($5, d.at_us + 1), $6, $8, $9, $12)
      where $4 is null or d.ver = $4
    returning d.ver, d.at_us, d.hash),
  version as (
    insert into document_versions (doc, ver, hash, at_us, change_id, agent, op, body, salt)
    select $1, ver, hash, at_us, $6, $7, $9, $10, $11 from head),
  change as (
    insert into changes (id, at, layer, kind, target, agent, task, session, from_ref, to_ref, reason)
    select $6, timestamptz 'epoch' + at_us * interval '1 us', 'state', $16, $2 || '/' || $3, $7, $13,
      $14, nullif(ver - 1, 0)::text, ver::text, $15
    from head)
  select ver, at_us, hash from head`;
