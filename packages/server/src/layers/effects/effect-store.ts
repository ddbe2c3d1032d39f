/** The SQL of effects. */
import type { EffectNature, EffectState } from "@lastgood/sdk";
import { Fault } from "../../fault.ts";
import type { ChangeId } from "../../ids.ts";
import type { Json } from "../../json/canonical.ts";
import type { Query, Tx } from "../../store/database.ts";
import { abandonedError, type Begin, type Effect, type Phase } from "./effect.ts";

/** Within an agent's fork they name an effect for ever. */
export interface Key {
  readonly task: string | null;
  readonly key: string;
}

/**
 * Writes down an effect under a key that was never used, and dispatches it where that is asked for, in one
 * statement. Null where the key was used, and where the session is not a living one of `agent` (null: of
 * anybody).
 */
export async function beginNew(
  db: Query,
  { task, key }: Key,
  asked: Begin,
  agent: string | null,
  at: Date,
): Promise<Effect | null> {
  const { session, attempt, kind, nature, dispatch } = asked;
  const rows = await db<Row[]>`
    with living as (
      select s.id, s.agent, a.fork from sessions s join agents a on a.name = s.agent
      where s.id = ${session} and s.ended_at is null
        and (${agent}::text is null or s.agent = ${agent})
      for key share of s
    )
    insert into effects (id, agent, fork, task, key, session, attempt, kind, nature, state, request,
                         attempts, dispatchers, intended_at, dispatched_at)
    select effect_id(l.agent, l.fork, ${task}, ${key}), l.agent, l.fork, ${task}, ${key}, l.id,
           ${attempt}, ${kind}, ${nature}, ${dispatch ? "dispatched" : "intended"},
           ${jsonOf(db, asked.request)}, ${dispatch ? 1 : 0}, ${dispatch ? [session] : []}::text[],
           ${at}, ${dispatch ? at : null}
    from living l
    on conflict (id) do nothing
    returning *`;
  return rows[0] === undefined ? null : toEffect(rows[0]);
}

/** The effect that the agent's key names in its present fork, under its row's lock. */
export async function lockByKey(tx: Tx, agent: string, { task, key }: Key): Promise<Effect | null> {
  const [row] = await tx<Row[]>`
    select e.* from effects e
    where e.id = (select effect_id(name, fork, ${task}, ${key}) from agents where name = ${agent})
    for update`;
  return row === undefined ? null : toEffect(row);
}

/** Faults `not_found`. */
export async function lockEffect(tx: Tx, id: string): Promise<Effect> {
  const [row] = await tx<Row[]>`select * from effects where id = ${id} for update`;
  if (row === undefined) throw isMissing(id);
  return toEffect(row);
}

export async function requireEffect(db: Query, id: string): Promise<Effect> {
  const [row] = await db<Row[]>`select * from effects where id = ${id}`;
  if (row === undefined) throw isMissing(id);
  return toEffect(row);
}

/**
 * The usual end, in one statement: an effect that the living session dispatched happened. It is a change of
 * the ledger, and the session is back at work. Null where it is not so plain: `confirm` decides.
 */
export async function confirmPlainly(
  db: Query,
  id: string,
  by: { readonly session: string; readonly agent: string | null },
  { result, at, change }: { readonly result: Json; readonly at: Date; readonly change: ChangeId },
): Promise<Effect | null> {
  const rows = await db<Row[]>`
    with living as (
      select s.id, s.agent from sessions s
      where s.id = ${by.session} and s.ended_at is null
        and (${by.agent}::text is null or s.agent = ${by.agent})
      for key share
    ), confirmed as (
      update effects e set state = 'confirmed', result = ${jsonOf(db, result)}, error = null,
        settled_at = ${at}, settled_by = l.agent, settled_because = null
      from living l
      where e.id = ${id} and e.session = l.id and e.agent = l.agent and e.state = 'dispatched'
      returning e.*
    ), recorded as (
      insert into changes (id, at, layer, kind, target, agent, task, session, to_ref, details)
      select ${change}, ${at}, 'effects', kind, agent, agent, task, session, id,
             jsonb_build_object('key', key, 'nature', nature, 'attempts', attempts)
      from confirmed
    ), counted as (
      update sessions set resumed_at = ${at}
      where id = ${by.session} and resumed_at is null and exists (select from confirmed)
    )
    select * from confirmed`;
  return rows[0] === undefined ? null : toEffect(rows[0]);
}

/** Writes all that may have changed; the caller holds the row's lock. */
export async function saveEffect(tx: Tx, effect: Effect): Promise<void> {
  const { phase, late } = effect;
  const settled = "settled" in phase ? phase.settled : null;
  await tx`
    update effects set session = ${effect.session}, attempt = ${effect.attempt}, kind = ${effect.kind},
      nature = ${effect.nature}, state = ${phase.state}, request = ${jsonOf(tx, effect.request)},
      result = ${jsonOf(tx, phase.state === "confirmed" ? phase.result : null)},
      error = ${"error" in phase ? phase.error : null}, attempts = ${effect.attempts},
      dispatchers = ${[...effect.dispatchers]}, replayed = ${effect.replayed},
      replayed_at = ${effect.replayedAt}, dispatched_at = ${effect.dispatchedAt},
      settled_at = ${settled?.at ?? null}, settled_by = ${settled?.by ?? null},
      settled_because = ${settled?.because ?? null},
      late_state = ${late?.state ?? null}, late_session = ${late?.session ?? null},
      late_result = ${jsonOf(tx, late?.result ?? null)}, late_error = ${late?.error ?? null},
      late_at = ${late?.at ?? null}
    where id = ${effect.id}`;
}

/** Whatever the session had dispatched is unknown from now on. */
export async function abandonAllOf(tx: Tx, session: string): Promise<void> {
  await tx`
    update effects set state = 'unknown', error = ${abandonedError(session)}
    where session = ${session} and state = 'dispatched'`;
}

export interface EffectFilter {
  readonly agent?: string | undefined;
  readonly session?: string | undefined;
  readonly task?: string | undefined;
  readonly state?: EffectState | undefined;
  /** Without those that may be repeated whatever happened. */
  readonly exceptReadOnly?: boolean;
  readonly limit: number;
}

/** Latest first. */
export async function findEffects(
  db: Query,
  { agent, session, task, state, exceptReadOnly = false, limit }: EffectFilter,
): Promise<readonly Effect[]> {
  const rows = await db<Row[]>`
    select * from effects
    where true
      ${agent === undefined ? db`` : db`and agent = ${agent}`}
      ${session === undefined ? db`` : db`and session = ${session}`}
      ${task === undefined ? db`` : db`and task = ${task}`}
      ${state === undefined ? db`` : db`and state = ${state}`}
      ${exceptReadOnly ? db`and nature <> 'read-only'` : db``}
    order by intended_at desc, id limit ${limit}`;
  return rows.map(toEffect);
}

export interface EffectCounts {
  /** How often a recorded result stood in for doing it again. */
  readonly replayed: number;
  /** Done by two sessions, by their own words: the second did not know of the first. */
  readonly doneTwice: number;
  readonly unknown: number;
}

/** Of effects that were replayed, heard of late, or are unknown since then. */
export async function countEffects(
  db: Query,
  since: Date,
  agent: string | null,
): Promise<EffectCounts> {
  const theirs = agent === null ? db`true` : db`agent = ${agent}`;
  const [row] = await db<EffectCounts[]>`
    select
      (select coalesce(sum(replayed), 0)::bigint from effects
        where replayed > 0 and replayed_at >= ${since} and ${theirs}) as replayed,
      (select count(*) from effects
        where late_at >= ${since} and late_state = 'confirmed' and state = 'confirmed'
          and session <> late_session and ${theirs}) as "doneTwice",
      (select count(*) from effects
        where state = 'unknown' and nature <> 'read-only' and ${theirs}) as unknown`;
  return row ?? { replayed: 0, doneTwice: 0, unknown: 0 };
}

/**
 * Forgets what was settled, or written down and never sent, before then; not the effects of a task that is
 * still open, whose keys may be used again. Returns how many there were, at most `limit`.
 */
export async function forgetEffects(db: Query, before: Date, limit: number): Promise<number> {
  const rows = await db`
    delete from effects where id in (
      select e.id from effects e
      where (e.settled_at < ${before}
          or (e.settled_at is null and e.state = 'intended' and e.intended_at < ${before}))
        and coalesce(e.replayed_at, '-infinity') < ${before}
        and coalesce(e.late_at, '-infinity') < ${before}
        and not exists (select from tasks t where t.id = e.task and t.state <> 'completed')
      limit ${limit}) returning 1`;
  return rows.length;
}

interface Row {
  readonly id: string;
  readonly agent: string;
  readonly fork: string;
  readonly task: string | null;
  readonly key: string;
  readonly session: string;
  readonly attempt: string | null;
  readonly kind: string;
  readonly nature: EffectNature;
  readonly state: EffectState;
  readonly request: Json;
  readonly result: Json;
  readonly error: string | null;
  readonly attempts: number;
  readonly dispatchers: readonly string[];
  readonly replayed: number;
  readonly replayed_at: Date | null;
  readonly intended_at: Date;
  readonly dispatched_at: Date | null;
  readonly settled_at: Date | null;
  readonly settled_by: string | null;
  readonly settled_because: string | null;
  readonly late_state: "confirmed" | "failed" | null;
  readonly late_session: string | null;
  readonly late_result: Json;
  readonly late_error: string | null;
  readonly late_at: Date | null;
}

function toEffect(row: Row): Effect {
  return {
    ...{ id: row.id, agent: row.agent, fork: row.fork, task: row.task, key: row.key },
    ...{ kind: row.kind, nature: row.nature, request: row.request },
    ...{ session: row.session, attempt: row.attempt, phase: phaseOf(row) },
    ...{ attempts: row.attempts, dispatchers: row.dispatchers },
    ...{ replayed: row.replayed, replayedAt: row.replayed_at },
    ...{ intendedAt: row.intended_at, dispatchedAt: row.dispatched_at, late: lateOf(row) },
  };
}

function phaseOf(row: Row): Phase {
  const { state, result, error } = row;
  // The table's own checks keep who settled it, and when.
  const at = row.settled_at ?? row.intended_at;
  const settled = { at, by: row.settled_by ?? "", because: row.settled_because };
  switch (state) {
    case "intended":
    case "dispatched":
      return { state };
    case "confirmed":
      return { state, result, settled };
    case "failed":
      return { state, error: error ?? "", settled };
    case "unknown":
      return { state, error: error ?? "" };
  }
}

function lateOf(row: Row): Effect["late"] {
  const { late_state: state, late_session: session, late_at: at } = row;
  if (state === null || session === null || at === null) return null;
  return { state, session, result: row.late_result, error: row.late_error, at };
}

function isMissing(id: string): Fault {
  return new Fault(
    "not_found",
    `There is no effect ${id.slice(0, 100)}: list them with \`lastgood effects list\`.`,
  );
}

function jsonOf(db: Query, value: Json) {
  return value === null ? null : db.json(value as Parameters<Query["json"]>[0]);
}
