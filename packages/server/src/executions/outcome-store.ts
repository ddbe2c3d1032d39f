/** The SQL of outcomes, and of what is learnt from them. */
import type { Json } from "../json/canonical.ts";
import type { Query, Tx } from "../store/database.ts";
import type { Execution } from "./execution.ts";
import { columns } from "./execution-store.ts";
import type { Turned } from "./outcome.ts";

export interface Outcome extends Turned {
  readonly at: Date;
  readonly by: string;
}

export interface NewOutcome extends Outcome {
  readonly execution: string;
}

const chainMax = 1_000;

/** Of each execution the one that went on with it last: itself, where none did. Those that are not there lack. */
export async function lastOfChains(
  tx: Tx,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await tx<{ first: string; id: string }[]>`
    with recursive chain as (
      select id as first, id, state, next, 1 as length from executions
      where id = any(${[...ids]})
      union all
      select c.first, e.id, e.state, e.next, c.length + 1
      from chain c join executions e on e.id = c.next
      where c.state = 'switched' and c.length < ${chainMax}
    )
    select distinct on (first) first, id from chain order by first, length desc`;
  return new Map(rows.map(({ first, id }) => [first, id]));
}

/** In the order of their ids. */
export async function lockExecutions(
  tx: Tx,
  ids: readonly string[],
): Promise<readonly Execution[]> {
  return await tx<Execution[]>`
    select ${columns(tx)} from executions where id = any(${[...ids]}) order by id for update`;
}

/** Of live requests: the copies that answered. Lock the requests first: a copy that comes meanwhile waits for them. */
export async function lockCopies(tx: Tx, live: readonly string[]): Promise<readonly Execution[]> {
  return await tx<Execution[]>`
    select ${columns(tx)} from executions
    where mirror_of = any(${[...live]}) and output_digest is not null order by id for update`;
}

/** The right answers that were told last of them. */
export async function rightAnswers(
  tx: Tx,
  executions: readonly string[],
): Promise<ReadonlyMap<string, Pick<Outcome, "by" | "expected" | "note">>> {
  const rows = await tx<(Pick<Outcome, "by" | "expected" | "note"> & { execution: string })[]>`
    select distinct on (execution) execution, by, expected, note from execution_outcomes
    where execution = any(${[...executions]}) and expected is not null
    order by execution, id desc`;
  return new Map(rows.map(({ execution, ...answer }) => [execution, answer]));
}

export async function lastOutcomes(
  tx: Tx,
  executions: readonly string[],
): Promise<ReadonlyMap<string, Turned>> {
  const rows = await tx<(Turned & { readonly execution: string })[]>`
    select distinct on (execution) execution, score, expected, note from execution_outcomes
    where execution = any(${[...executions]}) order by execution, id desc`;
  return new Map(rows.map(({ execution, ...turned }) => [execution, turned]));
}

/** In this order; the last one of an execution is its score. */
export async function insertOutcomes(tx: Tx, outcomes: readonly NewOutcome[]): Promise<void> {
  if (outcomes.length === 0) return;
  const rows = tx.json(
    outcomes.map((each, place) => ({ ...each, place })) as unknown as Parameters<Tx["json"]>[0],
  );
  await tx`
    with told as (
      select * from jsonb_to_recordset(${rows}) as r (
        place int, execution text, at timestamptz, by text, score double precision,
        expected jsonb, note text)
    ), written as (
      insert into execution_outcomes (execution, at, by, score, expected, note)
      select execution, at, by, score, expected, note from told order by place
    )
    update executions e set score = t.score
    from (select distinct on (execution) execution, score from told order by execution, place desc) t
    where e.id = t.execution`;
}

/** Newest first. */
export async function outcomesOf(
  db: Query,
  execution: string,
  limit: number,
): Promise<readonly Outcome[]> {
  return await db<Outcome[]>`
    select at, by, score, expected, note from execution_outcomes
    where execution = ${execution} order by id desc limit ${limit}`;
}

/** An input that was kept, with what was made of it and what turned out. */
export interface SeenInput {
  readonly id: string;
  readonly key: string;
  readonly version: string;
  readonly input: Json;
  readonly output: Json;
  readonly dimensions: Readonly<Record<string, string>> | null;
  readonly error: string | null;
  readonly score: number | null;
  /** The right answer, where somebody told it. */
  readonly expected: Json;
  readonly begunAt: Date;
}

/** Inputs that were kept of an artifact, newest first; copies of live requests are left out. */
export async function recentInputs(
  db: Query,
  artifact: string,
  limit: number,
): Promise<readonly SeenInput[]> {
  return await selectInputs(db, db`e.artifact = ${artifact}`, limit);
}

/** Of what failed, or turned out worse than `scoreBelow`, under one release; newest first. */
export async function failingInputs(
  db: Query,
  {
    environment,
    artifact,
    version,
    scoreBelow = 0.5,
  }: {
    readonly environment: string;
    readonly artifact: string;
    readonly version: string;
    readonly scoreBelow?: number;
  },
  limit: number,
): Promise<readonly SeenInput[]> {
  return await selectInputs(
    db,
    db`e.environment = ${environment} and e.artifact = ${artifact} and e.version = ${version}
      and (e.score < ${scoreBelow} or (e.score is null and e.error is not null))`,
    limit,
  );
}

type Fragment = ReturnType<Query>;

async function selectInputs(
  db: Query,
  where: Fragment,
  limit: number,
): Promise<readonly SeenInput[]> {
  return await db<SeenInput[]>`
    select e.id, e.key, e.version, e.input, e.output, e.dimensions, e.error, e.score,
      (select o.expected from execution_outcomes o
        where o.execution = e.id and o.expected is not null order by o.id desc limit 1) as expected,
      e.begun_at as "begunAt"
    from executions e
    where ${where} and e.input is not null and e.door <> 'mirror'
    order by e.begun_at desc, e.id limit ${limit}`;
}

/** Beyond the newest `last` of an artifact, inputs and outputs are let go; the executions stay. */
export async function forgetInputs(
  db: Query,
  {
    artifact,
    door,
    last,
  }: { readonly artifact: string; readonly door: string; readonly last: number },
  limit: number,
): Promise<number> {
  const rows = await db`
    update executions set input = null, output = null
    where id in (
      select id from executions
      where artifact = ${artifact} and door = ${door} and input is not null
      order by begun_at desc offset ${last} limit ${limit})
    returning 1`;
  return rows.length;
}
