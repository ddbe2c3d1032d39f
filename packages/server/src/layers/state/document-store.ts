/** What is read of documents. Who, task, session and reason come from the ledger's change of each version. */
import type { ChangeId } from "../../ids.ts";
import type { Query } from "../../store/database.ts";
import {
  type Body,
  type DocumentName,
  nameOfTarget,
  operationOf,
  targetOf,
  type Version,
} from "./document.ts";
import { documentKey } from "./version-hash.ts";

/** The latest version at or before `atUs`, at `version`, or the head; null if there is none. */
export async function findVersion(
  db: Query,
  name: DocumentName,
  which: { readonly version?: number; readonly atUs?: number } = {},
): Promise<Version | null> {
  const doc = documentKey(name);
  const [row] =
    which.version !== undefined
      ? await selectVersions(db, db`v.doc = ${doc} and v.ver = ${which.version}`, db`limit 1`)
      : which.atUs !== undefined
        ? await selectVersions(
            db,
            db`v.doc = ${doc} and v.at_us <= ${which.atUs}`,
            db`order by v.ver desc limit 1`,
          )
        : await selectVersions(db, db`v.doc = ${doc}`, db`order by v.ver desc limit 1`);
  return row ?? null;
}

/** Newest first, below `before`. */
export async function listVersions(
  db: Query,
  name: DocumentName,
  { before, limit }: { readonly before: number | null; readonly limit: number },
): Promise<readonly Version[]> {
  return await selectVersions(
    db,
    db`v.doc = ${documentKey(name)} ${before === null ? db`` : db`and v.ver < ${before}`}`,
    db`order by v.ver desc limit ${limit}`,
  );
}

/** From version `from` to the head, oldest first, at most `limit`. */
export async function versionsFrom(
  db: Query,
  name: DocumentName,
  from: number,
  limit: number,
): Promise<readonly Version[]> {
  return await selectVersions(
    db,
    db`v.doc = ${documentKey(name)} and v.ver >= ${from}`,
    db`order by v.ver limit ${limit}`,
  );
}

export interface Head extends DocumentName {
  readonly version: number;
  readonly atUs: number;
  readonly removed: boolean;
  readonly hash: string;
}

/** In the order of their ids, after `after`. Removed ones only when asked for. */
export async function listHeads(
  db: Query,
  collection: string,
  page: { readonly after: string; readonly limit: number; readonly removed: boolean },
): Promise<readonly Head[]> {
  return await db<Head[]>`
    select collection, id, ver as version, at_us as "atUs", removed, encode(hash, 'hex') as hash
    from documents
    where collection = ${collection} and id > ${page.after} ${page.removed ? db`` : db`and not removed`}
    order by id limit ${page.limit}`;
}

/** One version of one document. */
export interface VersionRef extends DocumentName {
  readonly version: number;
}

/** All given conditions hold. */
export interface ChangeSet {
  readonly changes?: readonly ChangeId[];
  readonly task?: string;
  readonly agent?: string;
  readonly since?: Date;
  readonly until?: Date;
}

/** The versions that a change-set wrote, at most `limit`. A change that stands for an act stands for all its documents. */
export async function versionsOf(
  db: Query,
  set: ChangeSet,
  limit: number,
): Promise<readonly VersionRef[]> {
  const rows = await db<{ target: string; ver: number }[]>`
    with chosen as (
      select id, target, to_ref, details from changes
      where layer = 'state'
        ${set.changes ? db`and id = any(${[...set.changes]}::uuid[])` : db``}
        ${set.task ? db`and task = ${set.task}` : db``}
        ${set.agent ? db`and agent = ${set.agent}` : db``}
        ${set.since ? db`and at >= ${set.since}` : db``}
        ${set.until ? db`and at < ${set.until}` : db``})
    select target, to_ref::bigint as ver from chosen where to_ref is not null
    union
    select c.target, c.to_ref::bigint
    from chosen, jsonb_array_elements_text(details -> 'changes') as member (id)
    join changes c on c.id = member.id::uuid
    where chosen.to_ref is null
    limit ${limit}`;
  return rows.map(({ target, ver }) => ({ ...nameOfTarget(target), version: ver }));
}

/** Drops the bodies before version `before`; their hashes take their place in the chain. */
export async function eraseBodies(db: Query, name: DocumentName, before: number): Promise<void> {
  await db`
    update document_versions set
      body_hash = sha256('\\x02'::bytea || salt || convert_to(coalesce(body, ''), 'UTF8')),
      body = null, salt = null
    where doc = ${documentKey(name)} and ver < ${before} and salt is not null`;
}

/** The versions that were made from any of `sources` since its time, directly. */
export async function derivedFrom(
  db: Query,
  sources: readonly (DocumentName & { readonly sinceUs: number })[],
): Promise<readonly (VersionRef & { readonly source: string })[]> {
  if (sources.length === 0) return [];
  return await db<(VersionRef & { source: string })[]>`
    select d.collection, d.id, s.ver as version, s.source
    from unnest(${sources.map(targetOf)}::text[], ${sources.map((each) => each.sinceUs)}::bigint[])
      as made (source, since_us)
    join document_sources s on s.source = made.source
    join document_versions v on v.doc = s.doc and v.ver = s.ver and v.at_us >= made.since_us
    join documents d on d.doc = s.doc
    order by d.collection, d.id, s.ver`;
}

type Fragment = ReturnType<Query>;

async function selectVersions(
  db: Query,
  where: Fragment,
  order: Fragment,
): Promise<readonly Version[]> {
  const rows = await db<Row[]>`
    select d.collection, d.id, v.ver, v.at_us, v.op, v.agent, v.change_id, v.act_id, v.body,
           v.salt is null as erased, encode(v.hash, 'hex') as hash,
           encode(coalesce(p.hash, d.floor_prev), 'hex') as previous,
           c.task, c.session, coalesce(c.reason, '') as reason,
           (select array_agg(s.source order by s.source) from document_sources s
            where s.doc = v.doc and s.ver = v.ver) as sources
    from document_versions v
    join documents d on d.doc = v.doc
    left join document_versions p on p.doc = v.doc and p.ver = v.ver - 1
    left join changes c on c.id = v.change_id
    where ${where} ${order}`;
  return rows.map(toVersion);
}

interface Row {
  collection: string;
  id: string;
  ver: number;
  at_us: number;
  op: number;
  agent: string;
  change_id: ChangeId;
  act_id: ChangeId | null;
  body: string | null;
  erased: boolean;
  hash: string;
  previous: string | null;
  task: string | null;
  session: string | null;
  reason: string;
  sources: string[] | null;
}

function toVersion(row: Row): Version {
  return {
    collection: row.collection,
    id: row.id,
    version: row.ver,
    atUs: row.at_us,
    operation: operationOf(row.op),
    agent: row.agent,
    task: row.task,
    session: row.session,
    reason: row.reason,
    change: row.change_id,
    act: row.act_id,
    previousHash: row.previous,
    hash: row.hash,
    derivedFrom: row.sources ?? [],
    body: bodyOf(row),
  };
}

function bodyOf({ body, erased }: Row): Body {
  if (erased) return { kind: "erased" };
  return body === null ? { kind: "removed" } : { kind: "json", text: body };
}
