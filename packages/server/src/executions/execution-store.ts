/** The SQL of executions. */
import type { ExecutionQuery, ExecutionState } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import type { Json } from "../json/canonical.ts";
import type { Query, Tx } from "../store/database.ts";
import { type Execution, unheard, type WholeExecution } from "./execution.ts";

/** Null where the id, or the next place of its key, is taken. */
export async function insertExecution(
  db: Query,
  { input, ...execution }: Execution & { readonly input: Json },
): Promise<boolean> {
  const { dimensions, outputDigest, mirrorOf, begunAt, endedAt, expiresAt, expireMs, ...plain } =
    execution;
  const rows = await db`
    insert into executions ${db({
      ...plain,
      dimensions: dimensions === null ? null : db.json(dimensions),
      input: jsonOf(db, input),
      output_digest: outputDigest,
      mirror_of: mirrorOf,
      begun_at: begunAt,
      ended_at: endedAt,
      expires_at: expiresAt,
      expire_ms: expireMs,
    })} on conflict do nothing returning 1`;
  return rows.length > 0;
}

/**
 * The last execution of the key, under its row's lock. Whoever held that meanwhile may have gone on with it: the row
 * that was waited for is not the last one then, and it is looked for again.
 */
export async function lockLast(
  tx: Tx,
  { environment, artifact, key }: Pick<Execution, "environment" | "artifact" | "key">,
): Promise<Execution | null> {
  const look = async () => {
    const [row] = await tx<Execution[]>`
      select ${columns(tx)} from executions
      where environment = ${environment} and artifact = ${artifact} and key = ${key}
      order by attempt desc limit 1 for update`;
    return row ?? null;
  };
  for (let last = await look(); ; ) {
    if (last === null || last.next === null) return last;
    const now = await look();
    if (now?.id === last.id) return now;
    last = now;
  }
}

/** The last execution of a key as it is; null where there is none. */
export async function findLast(
  db: Query,
  { environment, artifact, key }: Pick<Execution, "environment" | "artifact" | "key">,
): Promise<Execution | null> {
  const [row] = await db<Execution[]>`
    select ${columns(db)} from executions
    where environment = ${environment} and artifact = ${artifact} and key = ${key}
    order by attempt desc limit 1`;
  return row ?? null;
}

/** Faults `not_found`. */
export async function lockExecution(tx: Tx, id: string): Promise<Execution> {
  const [row] = await tx<Execution[]>`
    select ${columns(tx)} from executions where id = ${id} for update`;
  if (row === undefined) throw missingExecution(id);
  return row;
}

/** Faults `not_found`. */
export async function requireExecution(db: Query, id: string): Promise<WholeExecution> {
  const [row] = await db<WholeExecution[]>`
    select ${columns(db)}, input, output from executions where id = ${id}`;
  if (row === undefined) throw missingExecution(id);
  return row;
}

export function missingExecution(id: string): Fault {
  return new Fault(
    "not_found",
    `There is no execution ${id}: see \`lastgood executions list\`; old ones are forgotten.`,
    { context: { execution: id } },
  );
}

/** Begun last comes first. */
export async function findExecutions(
  db: Query,
  { environment, artifact, version, state, key, agent, session, limit = 100 }: ExecutionQuery,
): Promise<readonly Execution[]> {
  const all = db`true`;
  return await db<Execution[]>`
    select ${columns(db)} from executions
    where ${environment === undefined ? all : db`environment = ${environment}`}
      and ${artifact === undefined ? all : db`artifact = ${artifact}`}
      and ${version === undefined ? all : db`version = ${version}`}
      and ${state === undefined ? all : db`state = ${state}`}
      and ${key === undefined ? all : db`key = ${key}`}
      and ${agent === undefined ? all : db`agent = ${agent}`}
      and ${session === undefined ? all : db`session = ${session}`}
    order by begun_at desc, id limit ${limit}`;
}

export interface Move {
  readonly state: ExecutionState;
  readonly endedAt: Date | null;
  readonly error: string | null;
  readonly next: string | null;
}

/** The caller holds the row's lock. */
export async function moveExecution(tx: Tx, id: string, move: Move): Promise<void> {
  await tx`
    update executions set state = ${move.state}, ended_at = ${move.endedAt},
      error = ${move.error}, next = ${move.next}
    where id = ${id}`;
}

export async function saveOutput(
  tx: Tx,
  id: string,
  { output, digest }: { readonly output: Json; readonly digest: string },
): Promise<void> {
  await tx`
    update executions set output = ${jsonOf(tx, output)}, output_digest = ${digest}
    where id = ${id}`;
}

/** It was heard of. */
export async function noteStep(
  tx: Tx,
  id: string,
  { spared, expiresAt }: { readonly spared: string | null; readonly expiresAt: Date },
): Promise<void> {
  await tx`
    update executions set spared = coalesce(${spared}, spared), expires_at = ${expiresAt}
    where id = ${id}`;
}

/** An irreversible effect that the session has under way: its id and kind. */
export async function irreversibleUnderWay(
  db: Query,
  session: string | null,
): Promise<string | null> {
  if (session === null) return null;
  const [row] = await db<{ id: string; kind: string }[]>`
    select id, kind from effects
    where session = ${session} and nature = 'irreversible' and state in ('dispatched', 'unknown')
    order by intended_at desc limit 1`;
  return row === undefined ? null : `${row.id} (${row.kind})`;
}

/** What failed last under the release is queued again. Each at most once: it is `failed` no more. */
export async function requeueFailed(
  db: Query,
  {
    environment,
    artifact,
    version,
    keys,
    agent,
    limit,
  }: {
    readonly environment: string;
    readonly artifact: string;
    readonly version: string;
    readonly keys: readonly string[] | null;
    /** Null: whoever's. */
    readonly agent: string | null;
    readonly limit: number;
  },
): Promise<readonly string[]> {
  const rows = await db<{ key: string }[]>`
    with chosen as (
      select id from executions
      where environment = ${environment} and artifact = ${artifact} and version = ${version}
        and state = 'failed' and next is null and door <> 'mirror'
        and (${keys === null} or key = any(${[...(keys ?? [])]}))
        and (${agent}::text is null or agent = ${agent})
      order by begun_at, id limit ${limit} for update
    )
    update executions e set state = 'requeued' from chosen c
    where e.id = c.id and e.state = 'failed' returning e.key`;
  return rows.map(({ key }) => key);
}

/** What waits to be done again, oldest first, each locked for whoever comes first. */
export async function lockWaiting(
  tx: Tx,
  {
    environment,
    artifact,
    agent,
    limit,
  }: {
    readonly environment: string;
    readonly artifact: string;
    readonly agent: string | null;
    readonly limit: number;
  },
): Promise<readonly WholeExecution[]> {
  return await tx<WholeExecution[]>`
    select ${columns(tx)}, input, output from executions
    where environment = ${environment} and artifact = ${artifact}
      and state in ('cancelled', 'requeued')
      and (${agent}::text is null or agent = ${agent})
    order by begun_at, id limit ${limit} for update skip locked`;
}

/** What the session had under way waits to be done again, in the transaction that ends it. */
export async function cancelAllOf(tx: Tx, session: string, at: Date): Promise<void> {
  await tx`
    update executions set state = 'cancelled', ended_at = ${at},
      error = ${`its session ${session} ended`}
    where session = ${session} and state = 'running'`;
}

/**
 * Those that nobody was heard of in time; at most `limit`. They failed, but for work of several requests through
 * the gateway: that is over when no further request comes.
 */
export async function expire(db: Query, now: Date, limit: number): Promise<readonly Execution[]> {
  return await db<Execution[]>`
    with silent as (
      select id from executions where state = 'running' and expires_at < ${now}
      order by expires_at limit ${limit} for update skip locked
    )
    update executions set ended_at = ${now},
      state = case when door = 'gateway' and key <> id then 'finished' else 'failed' end,
      error = case when door = 'gateway' and key <> id then null
                   else ${unheard} end
    where id in (select id from silent) returning ${columns(db)}`;
}

/** Those that ended before; at most `limit`. How many went. */
export async function forgetEnded(
  db: Query,
  before: { readonly gateway: Date; readonly others: Date },
  limit: number,
): Promise<number> {
  const rows = await db`
    delete from executions where id in (
      select id from executions
      where state <> 'running' and begun_at < greatest(${before.gateway}, ${before.others})
        and begun_at < case when door in ('gateway', 'mirror')
                            then ${before.gateway}::timestamptz else ${before.others} end
      order by begun_at limit ${limit})
    returning 1`;
  return rows.length;
}

/** When the oldest of the gateway's last ones was begun; null where there are no more than those. */
export async function oldestOfLast(db: Query, last: number): Promise<Date | null> {
  const [row] = await db<{ begunAt: Date }[]>`
    select begun_at as "begunAt" from executions where door in ('gateway', 'mirror')
    order by begun_at desc offset ${last - 1} limit 1`;
  return row?.begunAt ?? null;
}

export function jsonOf(db: Query, value: Json) {
  return value === null ? null : db.json(value as Parameters<Query["json"]>[0]);
}

export function columns(db: Query) {
  return db`id, environment, artifact, key, attempt, target, version, epoch, state, door, agent,
    session, dimensions, output_digest as "outputDigest", error, spared, previous, next,
    mirror_of as "mirrorOf", score, begun_at as "begunAt", ended_at as "endedAt",
    expires_at as "expiresAt", expire_ms as "expireMs"`;
}
