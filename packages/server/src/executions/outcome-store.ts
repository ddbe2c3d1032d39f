/** The SQL of outcomes, and of what is learnt from them. */
import type { Json } from "../json/canonical.ts";
import type { Query, Tx } from "../store/database.ts";
import { jsonOf } from "./execution-store.ts";

export interface Outcome {
  readonly at: Date;
  readonly by: string;
  readonly score: number;
  readonly expected: Json;
  readonly note: string;
}

export async function insertOutcome(tx: Tx, execution: string, outcome: Outcome): Promise<void> {
  const { at, by, score, expected, note } = outcome;
  await tx`
    insert into execution_outcomes (execution, at, by, score, expected, note)
    values (${execution}, ${at}, ${by}, ${score}, ${jsonOf(tx, expected)}, ${note})`;
  await tx`update executions set score = ${score} where id = ${execution}`;
}

export async function lastOutcome(db: Query, execution: string): Promise<Outcome | null> {
  const [outcome] = await outcomesOf(db, execution, 1);
  return outcome ?? null;
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
