/** The SQL of sessions and their agents. */
import type { ExitReason } from "@lastgood/sdk";
import type { Json, Query, Tx } from "../store/database.ts";
import type { Session } from "./session.ts";

const columns = [
  "id",
  "agent",
  "epoch",
  "door",
  "started_at",
  "ended_at",
  "exit_reason",
  "detected_at",
  "detail",
  "lease_ms",
  "lease_until",
  "heard_at",
  "suspect_since",
  "previous",
  "tasks_started",
  "tasks_completed",
  "commits",
  "messages_processed",
  "token_usage",
  "recovery_tokens",
  "work_tree",
  "process",
] as const;

type Row = Readonly<Record<(typeof columns)[number], unknown>>;

function toSession(row: Row): Session {
  const entries = Object.entries(row).map(([name, value]) => [
    name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
    value,
  ]);
  return Object.fromEntries(entries) as Session;
}

export interface SessionFilter {
  readonly id?: string | undefined;
  readonly agent?: string | undefined;
  readonly living?: boolean | undefined;
  readonly since?: Date | undefined;
  readonly limit: number;
}

/** Newest first. */
export async function findSessions(
  db: Query,
  { id, agent, living, since, limit }: SessionFilter,
): Promise<readonly Session[]> {
  const rows = await db<Row[]>`
    select ${db([...columns])} from sessions
    where true
      ${id === undefined ? db`` : db`and id = ${id}`}
      ${agent === undefined ? db`` : db`and agent = ${agent}`}
      ${living === undefined ? db`` : living ? db`and ended_at is null` : db`and ended_at is not null`}
      ${since === undefined ? db`` : db`and started_at >= ${since}`}
    order by started_at desc, epoch desc limit ${limit}`;
  return rows.map(toSession);
}

export interface AgentRow {
  readonly name: string;
  readonly epoch: number;
  readonly fork: string;
  readonly parkedAt: Date | null;
  readonly parkedBecause: string | null;
}

/**
 * Made where there is none, and locked: what is opened and ended for one agent goes one by one. Whoever writes in
 * a session of it is not kept out: PostgreSQL holds its row against the agent's when it is written twice.
 */
export async function lockAgent(tx: Tx, name: string): Promise<AgentRow> {
  await tx`insert into agents (name) values (${name}) on conflict do nothing`;
  const [row] = await tx<AgentRow[]>`
    select name, epoch, fork, parked_at as "parkedAt", parked_because as "parkedBecause"
    from agents where name = ${name} for no key update`;
  if (row === undefined) throw new Error(`the agent ${name} is gone`);
  return row;
}

export async function insertSession(tx: Tx, session: Session, fork: string): Promise<void> {
  await tx`
    insert into sessions (id, agent, epoch, door, started_at, lease_ms, lease_until, heard_at,
                          previous, work_tree, process)
    values (${session.id}, ${session.agent}, ${session.epoch}, ${session.door}, ${session.startedAt},
            ${session.leaseMs}, ${session.leaseUntil}, ${session.heardAt}, ${session.previous},
            ${jsonOf(tx, session.workTree)}, ${jsonOf(tx, session.process)})`;
  await tx`
    update agents set epoch = ${session.epoch}, fork = ${fork} where name = ${session.agent}`;
}

function jsonOf(tx: Tx, value: object | null) {
  return value === null ? null : tx.json(value as Json);
}

export interface Ending {
  readonly at: Date;
  readonly reason: ExitReason;
  readonly detail: string;
  readonly detectedAt: Date | null;
  readonly fencedBy: string | null;
  readonly unheardSince?: Date;
}

/**
 * Waits for whoever writes in its name. False when it was over already (what was recorded first stays), or
 * when it was heard of after `ending.unheardSince`.
 */
export async function markEnded(tx: Tx, id: string, ending: Ending): Promise<boolean> {
  await tx`select from sessions where id = ${id} for update`;
  const ended = await tx`
    update sessions set ended_at = ${ending.at}, exit_reason = ${ending.reason},
      detail = ${ending.detail}, detected_at = ${ending.detectedAt}, fenced_by = ${ending.fencedBy}
    where id = ${id} and ended_at is null
      ${ending.unheardSince === undefined ? tx`` : tx`and heard_at <= ${ending.unheardSince}`}
    returning 1`;
  return ended.length > 0;
}

/** When the agent's sessions died, the latest first, since it was last released. */
export async function deathsOf(db: Query, agent: string, limit: number): Promise<readonly Date[]> {
  const rows = await db<{ at: Date }[]>`
    select s.detected_at as at from sessions s join agents a on a.name = s.agent
    where s.agent = ${agent} and s.exit_reason in ('crashed', 'hung', 'evicted')
      and s.detected_at > coalesce(a.released_at, '-infinity')
    order by s.started_at desc limit ${limit}`;
  return rows.map(({ at }) => at);
}

export async function parkAgent(tx: Tx, name: string, at: Date, because: string): Promise<void> {
  await tx`
    update agents set parked_at = ${at}, parked_because = ${because}
    where name = ${name} and parked_at is null`;
}

/** False where it was not parked. */
export async function unparkAgent(tx: Tx, name: string, at: Date): Promise<boolean> {
  const rows = await tx`
    update agents set parked_at = null, parked_because = null, released_at = ${at}
    where name = ${name} and parked_at is not null returning 1`;
  return rows.length > 0;
}

/** A sign of life, with what was used since the last one. */
export interface Beat {
  readonly id: string;
  readonly at: Date;
  readonly tokens: number;
  readonly onRecovery: number;
  readonly by: Beating;
}

/**
 * Who gives a sign of life: the agent's own beat, whoever wraps it, or any call in its name. Once the agent
 * beats by itself, a wrapper's word for it keeps nothing alive: the process may live, and the agent hang.
 */
export type Beating = "agent" | "wrapper" | "call";

/** Writes many at once, and answers with the sessions that still live. */
export async function writeBeats(db: Query, beats: readonly Beat[]): Promise<ReadonlySet<string>> {
  const rows = await db<{ id: string }[]>`
    update sessions s set
      heard_at = case when b.by = 'wrapper' and s.beats_itself then s.heard_at
        else greatest(s.heard_at, b.at) end,
      lease_until = case when b.by = 'wrapper' and s.beats_itself then s.lease_until
        else greatest(s.lease_until, b.at + s.lease_ms * interval '1 ms') end,
      suspect_since = case when b.by = 'wrapper' and s.beats_itself then s.suspect_since end,
      beats_itself = s.beats_itself or b.by = 'agent',
      token_usage = s.token_usage + b.tokens,
      recovery_tokens = s.recovery_tokens + b.on_recovery
    from unnest(${beats.map((each) => each.id)}::text[], ${beats.map((each) => each.at.toISOString())}::timestamptz[],
                ${beats.map((each) => each.tokens)}::bigint[],
                ${beats.map((each) => each.onRecovery)}::bigint[],
                ${beats.map((each) => each.by)}::text[]) as b (id, at, tokens, on_recovery, by)
    where s.id = b.id and s.ended_at is null
    returning s.id`;
  return new Set(rows.map(({ id }) => id));
}

export async function markSuspect(db: Query, ids: readonly string[], at: Date): Promise<void> {
  await db`
    update sessions set suspect_since = ${at}
    where id = any(${[...ids]}) and ended_at is null and suspect_since is null and heard_at < ${at}`;
}

/** What the fence needs of a session. */
export interface Fenced {
  readonly agent: string;
  readonly leaseMs: number;
  readonly over: boolean;
}

export async function findFenced(db: Query, id: string): Promise<Fenced | null> {
  const [row] = await db<Fenced[]>`
    select agent, lease_ms as "leaseMs", ended_at is not null as over
    from sessions where id = ${id}`;
  return row ?? null;
}

/** A fenced session that is heard of lives: it did not crash. */
export async function heardAfterEnd(db: Query, id: string, at: Date): Promise<void> {
  await db`
    update sessions set heard_at = greatest(heard_at, ${at})
    where id = ${id} and exit_reason = 'fenced'`;
}

/**
 * Sessions that another one fenced and that were not heard of for a whole lease since: they were dead when
 * they were fenced. From now on they count as crashed.
 */
export async function buryFenced(db: Query, now: Date): Promise<readonly Session[]> {
  const rows = await db<Row[]>`
    update sessions set exit_reason = 'crashed', detected_at = ended_at,
      detail = 'it was dead when ' || fenced_by || ' took its place: it was never heard again'
    where exit_reason = 'fenced' and fenced_by is not null and heard_at <= ended_at
      and ended_at + lease_ms * interval '1 ms' < ${now}
      and ended_at > ${now}::timestamptz - interval '1 hour'
    returning ${db([...columns])}`;
  return rows.map(toSession);
}

/** Living sessions whose lease is over; the longest silent first. */
export async function silentSince(db: Query, now: Date): Promise<readonly Session[]> {
  const rows = await db<Row[]>`
    select ${db([...columns])} from sessions
    where ended_at is null and lease_until < ${now} order by lease_until limit 1000`;
  return rows.map(toSession);
}

/** Another lease for those that may be silent and live. */
export async function prolong(db: Query, ids: readonly string[], now: Date): Promise<void> {
  await db`
    update sessions set lease_until = ${now}::timestamptz + lease_ms * interval '1 ms'
    where id = any(${[...ids]}) and ended_at is null`;
}

/** Living sessions that named a process of this machine. */
export async function livingOn(db: Query, host: string): Promise<readonly Session[]> {
  const rows = await db<Row[]>`
    select ${db([...columns])} from sessions
    where ended_at is null and process->>'host' = ${host} limit 10000`;
  return rows.map(toSession);
}

/** Ended, and not yet settled: what it held in memory and messages may still be with it. */
export async function unsettled(db: Query, limit: number): Promise<readonly Session[]> {
  const rows = await db<Row[]>`
    select ${db([...columns])} from sessions
    where settled_at is null and ended_at is not null order by ended_at limit ${limit}`;
  return rows.map(toSession);
}

/** False where it was settled before. */
export async function markSettled(db: Query, id: string, at: Date): Promise<boolean> {
  const rows = await db`
    update sessions set settled_at = ${at} where id = ${id} and settled_at is null returning 1`;
  return rows.length > 0;
}

/**
 * Says that somebody attends to leases now. Answers how long nobody did, after prolonging every lease by
 * it where that is longer than `slackMs`: while the server was away, nobody could renew.
 */
export async function attend(db: Query, now: Date, slackMs: number): Promise<number> {
  const [row] = await db<{ before: Date }[]>`
    update fleet_watch w set attended_at = greatest(w.attended_at, ${now})
    from fleet_watch old where old.singleton = w.singleton
    returning old.attended_at as before`;
  if (row === undefined) {
    await db`insert into fleet_watch (attended_at) values (${now}) on conflict do nothing`;
    return 0;
  }
  const gap = now.getTime() - row.before.getTime();
  if (gap <= slackMs) return 0;
  await db`
    update sessions set lease_until = lease_until + ${gap} * interval '1 ms' where ended_at is null`;
  return gap;
}

/** An agent with its latest session. */
export interface AgentFacts extends AgentRow {
  readonly last: Session | null;
  /** In the last 24 hours. */
  readonly deaths: number;
}

export async function findAgents(
  db: Query,
  now: Date,
  limit: number,
  only?: string,
): Promise<readonly AgentFacts[]> {
  const rows = await db<(Row & Omit<AgentFacts, "epoch" | "last"> & { agentEpoch: number })[]>`
    select a.name, a.epoch as "agentEpoch", a.fork, a.parked_at as "parkedAt",
           a.parked_because as "parkedBecause", s.*,
           (select count(*) from sessions d where d.agent = a.name
              and d.started_at > ${now}::timestamptz - interval '7 days'
              and d.detected_at > ${now}::timestamptz - interval '24 hours'
              and d.exit_reason in ('crashed', 'hung', 'evicted')) as deaths
    from agents a
    left join lateral (
      select ${db([...columns])} from sessions l where l.agent = a.name
      order by l.started_at desc, l.epoch desc limit 1) s on true
    where ${only === undefined ? db`true` : db`a.name = ${only}`}
    order by a.name limit ${limit}`;
  return rows.map((row) => ({
    name: row.name,
    epoch: row.agentEpoch,
    fork: row.fork,
    parkedAt: row.parkedAt,
    parkedBecause: row.parkedBecause,
    deaths: row.deaths,
    last: row.id === null ? null : toSession(pick(row)),
  }));
}

function pick(row: Row): Row {
  return Object.fromEntries(columns.map((name) => [name, row[name]])) as Row;
}
