import type { ChangeId } from "../../ids.ts";
import { exposeChanges, recordChanges } from "../../ledger/ledger-store.ts";
import type { Db, Json, Query } from "../../store/database.ts";
import type { DeployFailure, Held, Intent, Pin, ServiceRecord } from "./service.ts";

/** What is remembered of a service; of one never seen, nothing. */
export async function readRecord(db: Query, service: string): Promise<ServiceRecord> {
  const [row] = await db<Row[]>`select * from service_records where service = ${service}`;
  return row === undefined ? { ...unknown, service } : toRecord(row);
}

export async function writeIntent(db: Query, service: string, intent: Intent): Promise<void> {
  await db`
    insert into service_records (service, intent) values (${service}, ${db.json({ ...intent })})
    on conflict (service) do update set intent = excluded.intent`;
}

/** Set: deploys on push wait. Null: they go on. */
export async function writePin(db: Query, service: string, pin: Pin | null): Promise<void> {
  await db`
    insert into service_records (service, pinned_by, pinned_until, pinned_because, pinned_at)
    values (${service}, ${pin?.by ?? null}, ${pin?.until ?? null}, ${pin?.because ?? null},
            ${pin?.at ?? null})
    on conflict (service) do update set
      pinned_by = excluded.pinned_by,
      pinned_until = excluded.pinned_until,
      pinned_because = excluded.pinned_because,
      pinned_at = excluded.pinned_at`;
}

/** Lets deploys on push go on, if it is still this pin that holds the service. */
export async function releasePin(db: Query, service: string, by: ChangeId): Promise<void> {
  await db`
    update service_records
    set pinned_by = null, pinned_until = null, pinned_because = null, pinned_at = null
    where service = ${service} and pinned_by = ${by}`;
}

/** Remembers that this revision failed, once more if it did before. */
export async function writeFailure(
  db: Query,
  service: string,
  { revision, at, because }: Omit<DeployFailure, "attempts">,
): Promise<DeployFailure> {
  const { failure } = await readRecord(db, service);
  const attempts = failure?.revision === revision ? failure.attempts + 1 : 1;
  const written = { revision, at: at.toISOString(), attempts, because };
  await db`
    insert into service_records (service, failure) values (${service}, ${db.json(written)})
    on conflict (service) do update set failure = excluded.failure, intent = null`;
  return { revision, at, attempts, because };
}

export async function writeHeld(db: Query, service: string, held: Held | null): Promise<void> {
  const json = held === null ? null : db.json({ ...held, at: held.at.toISOString() });
  await db`
    insert into service_records (service, held) values (${service}, ${json})
    on conflict (service) do update set held = excluded.held`;
}

export async function writeStopped(db: Query, service: string, at: Date | null): Promise<void> {
  await db`
    insert into service_records (service, stopped_at) values (${service}, ${at})
    on conflict (service) do update set stopped_at = excluded.stopped_at`;
}

export interface Served {
  readonly service: string;
  readonly repository: string | null;
  readonly change: {
    readonly id: ChangeId;
    readonly actor: string;
    readonly reason: string;
  };
  readonly from: string | null;
  readonly to: string;
  /** When requests began to go to it. */
  readonly since: Date;
  /** From when on it could act on the world. */
  readonly exposedAt: Date;
  /** Ids of the commits that went out with it, and of those that it took back. */
  readonly exposed: readonly string[];
  readonly withdrawn: readonly string[];
}

const commitsShown = 200;

/** One transaction: the deploy in the ledger, what it exposed and withdrew, and the record. */
export async function recordServed(db: Db, served: Served): Promise<void> {
  const { service, repository, change, from, to, since, exposedAt, exposed, withdrawn } = served;
  await db.begin(async (tx) => {
    await recordChanges(tx, [
      {
        id: change.id,
        at: since,
        layer: "runtime",
        kind: "deploy",
        target: service,
        agent: change.actor,
        from,
        to,
        reason: change.reason,
        details: {
          repository,
          commits: exposed.slice(-commitsShown),
          withdrawn: withdrawn.slice(-commitsShown),
          commitCount: exposed.length,
        },
      },
    ]);
    const live = await changesOf(tx, repository, exposed);
    await exposeChanges(tx, [...live, change.id], service, exposedAt, change.id);
    await setWithdrawn(tx, service, live, null);
    await setWithdrawn(tx, service, await changesOf(tx, repository, withdrawn), since);
    await tx`
      insert into service_records (service, served, served_since, change_id)
      values (${service}, ${to}, ${since}, ${change.id})
      on conflict (service) do update set
        served = excluded.served, served_since = excluded.served_since,
        change_id = excluded.change_id, intent = null, failure = null, stopped_at = null`;
  });
}

/**
 * Commits that reached the ledger only after they were served are exposed by the deploy that brought
 * them. Returns how many were caught up.
 */
export async function catchUpExposures(
  db: Query,
  { service, repository, since }: { service: string; repository: string; since: Date },
): Promise<number> {
  const rows = await db`
    insert into exposures (change_id, service, exposed_at, deploy_id)
    select c.id, ${service}, d.at, d.id
    from changes d
    cross join lateral jsonb_array_elements_text(d.details -> 'commits') as commit (id)
    join changes c on c.layer = 'code' and c.target = ${repository} and c.to_ref = commit.id
    where d.layer = 'runtime' and d.kind = 'deploy' and d.target = ${service} and d.at >= ${since}
    on conflict (change_id, service) do nothing returning 1`;
  return rows.length;
}

async function changesOf(
  db: Query,
  repository: string | null,
  commits: readonly string[],
): Promise<readonly ChangeId[]> {
  if (repository === null || commits.length === 0) return [];
  const rows = await db<{ id: ChangeId }[]>`
    select id from changes
    where layer = 'code' and target = ${repository} and to_ref = any(${[...commits]})`;
  return rows.map((row) => row.id);
}

async function setWithdrawn(
  db: Query,
  service: string,
  ids: readonly ChangeId[],
  at: Date | null,
): Promise<void> {
  await db`
    update exposures set withdrawn_at = ${at}
    where service = ${service} and change_id = any(${[...ids]}::uuid[])`;
}

export interface ServiceEvent {
  readonly at: Date;
  readonly event: string;
  readonly text: string;
  readonly details: Readonly<Record<string, unknown>>;
}

const eventsKept = 500;

/** Records what happened to a service; true the first time it is told under this key. */
export async function recordServiceEvent(
  db: Query,
  service: string,
  { at, event, text, details, key }: ServiceEvent & { readonly key: string },
): Promise<boolean> {
  const rows = await db`
    insert into service_events (service, at, event, text, details, key)
    values (${service}, ${at}, ${event}, ${text}, ${db.json(details as Json)}, ${key})
    on conflict (service, key) do nothing returning 1`;
  await db`
    delete from service_events where service = ${service} and id < (
      select id from service_events where service = ${service}
      order by id desc offset ${eventsKept} limit 1)`;
  return rows.length > 0;
}

/** Newest first. */
export async function readServiceEvents(
  db: Query,
  service: string,
  limit: number,
): Promise<readonly ServiceEvent[]> {
  return await db<ServiceEvent[]>`
    select at, event, text, details from service_events
    where service = ${service} order by id desc limit ${limit}`;
}

interface Row {
  service: string;
  served: string | null;
  served_since: Date | null;
  change_id: ChangeId | null;
  intent: Intent | null;
  pinned_by: ChangeId | null;
  pinned_until: Pin["until"] | null;
  pinned_because: string | null;
  pinned_at: Date | null;
  failure: (Omit<DeployFailure, "at"> & { at: string }) | null;
  held: (Omit<Held, "at"> & { at: string }) | null;
  stopped_at: Date | null;
}

const unknown: Omit<ServiceRecord, "service"> = {
  served: null,
  servedSince: null,
  changeId: null,
  intent: null,
  pin: null,
  failure: null,
  held: null,
  stoppedAt: null,
};

function toRecord(row: Row): ServiceRecord {
  return {
    service: row.service,
    served: row.served,
    servedSince: row.served_since,
    changeId: row.change_id,
    intent: row.intent,
    pin:
      row.pinned_by === null || row.pinned_until === null || row.pinned_at === null
        ? null
        : {
            by: row.pinned_by,
            until: row.pinned_until,
            because: row.pinned_because ?? "",
            at: row.pinned_at,
          },
    failure: row.failure && { ...row.failure, at: new Date(row.failure.at) },
    held: row.held && { ...row.held, at: new Date(row.held.at) },
    stoppedAt: row.stopped_at,
  };
}
