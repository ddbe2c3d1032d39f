/** The SQL of the gate's runs. */
import type { CheckResult, GateProgress, GateRun, GateVerdict, ShadowResult } from "@lastgood/sdk";
import { kept } from "../checks/check.ts";
import { Fault } from "../fault.ts";
import type { Json, Query } from "../store/database.ts";

export interface Run {
  readonly id: string;
  readonly environment: string;
  readonly artifact: string;
  readonly candidate: string;
  readonly live: string | null;
  readonly only: readonly string[] | null;
  readonly by: string;
  readonly startedAt: Date;
}

/** A run that was not heard of for so long is over: its server is. */
const silentMsMax = 60_000;

export async function insertRun(db: Query, run: Run): Promise<void> {
  const { id, environment, artifact, candidate, live, only, by, startedAt } = run;
  await db`
    insert into gate_runs ${db({
      ...{ id, environment, artifact, candidate, live, by, state: "running" },
      ...{ only_checks: only === null ? null : [...only] },
      ...{ started_at: startedAt, seen_at: startedAt },
    })}`;
}

export async function noteProgress(
  db: Query,
  id: string,
  { done, total, says }: GateProgress,
  at: Date,
): Promise<void> {
  await db`
    update gate_runs set done = ${done}, total = ${total}, says = ${says.slice(0, 300)}, seen_at = ${at}
    where id = ${id} and state = 'running'`;
}

export interface Ended {
  readonly verdict: GateVerdict | null;
  readonly shadow: ShadowResult | null;
  readonly checks: readonly CheckResult[];
}

export async function endRun(db: Query, id: string, ended: Ended, at: Date): Promise<void> {
  const json = (value: unknown) => (value === null ? null : db.json(value as Json));
  await db`
    update gate_runs set state = 'ended', ended_at = ${at}, verdict = ${json(ended.verdict)},
      shadow = ${json(ended.shadow)}, checks = ${json(ended.checks.map(kept))}, done = total
    where id = ${id} and state = 'running'`;
}

export async function breakOff(db: Query, id: string, fault: string, at: Date): Promise<void> {
  await db`
    update gate_runs set state = 'broken-off', ended_at = ${at}, fault = ${fault.slice(0, 1_000)}
    where id = ${id} and state = 'running'`;
}

/** Runs whose server went away. */
async function breakOffSilent(db: Query, now: Date): Promise<void> {
  const before = new Date(now.getTime() - silentMsMax);
  await db`
    update gate_runs set state = 'broken-off', ended_at = ${now},
      fault = 'the server that ran it went away: run it again'
    where state = 'running' and seen_at < ${before}`;
}

/** The same that is under way, if any. */
export async function findRunning(
  db: Query,
  { environment, artifact, candidate, only }: Omit<Run, "id" | "live" | "by" | "startedAt">,
  now: Date,
): Promise<GateRun | null> {
  await breakOffSilent(db, now);
  const [row] = await selectRuns(
    db,
    db`state = 'running' and environment = ${environment} and artifact = ${artifact}
       and candidate = ${candidate}
       and only_checks is not distinct from ${only === null ? null : [...only]}::text[]`,
    1,
  );
  return row ?? null;
}

export async function requireRun(db: Query, id: string, now: Date): Promise<GateRun> {
  await breakOffSilent(db, now);
  const [row] = await selectRuns(db, db`id = ${id}`, 1);
  if (row !== undefined) return row;
  throw new Fault(
    "not_found",
    `The gate has no run ${id.slice(0, 80)}: list them with \`lastgood gate list\`.`,
  );
}

/** Newest first. */
export async function listRuns(
  db: Query,
  { artifact, version }: { readonly artifact: string | null; readonly version: string | null },
  limit: number,
  now: Date,
): Promise<readonly GateRun[]> {
  await breakOffSilent(db, now);
  return await selectRuns(
    db,
    db`(${artifact}::text is null or artifact = ${artifact})
       and (${version}::text is null or candidate = ${version})`,
    limit,
  );
}

/** The last verdict on a release of a run that was begun before then; null: there is none. */
export async function lastJudged(
  db: Query,
  {
    environment,
    artifact,
    version,
  }: { readonly environment: string; readonly artifact: string; readonly version: string },
  before: Date,
): Promise<GateRun | null> {
  const [row] = await selectRuns(
    db,
    db`environment = ${environment} and artifact = ${artifact} and candidate = ${version}
       and state = 'ended' and verdict is not null and started_at < ${before}`,
    1,
  );
  return row ?? null;
}

/** What came of the runs that were begun since then. */
export async function outcomesSince(
  db: Query,
  since: Date,
): Promise<readonly { readonly outcome: string; readonly runs: number }[]> {
  return await db<{ outcome: string; runs: number }[]>`
    select case when state <> 'ended' then state
                when only_checks is not null then 'checks-only'
                else verdict ->> 'kind' end as outcome, count(*) as runs
    from gate_runs where started_at >= ${since} group by 1`;
}

const lookedAtMax = 1_000;

/** The last verdict on each artifact, of the newest thousand runs; those judged last first. */
export async function lastVerdicts(
  db: Query,
  limit: number,
): Promise<readonly { readonly artifact: string; readonly verdict: string }[]> {
  return await db<{ artifact: string; verdict: string }[]>`
    select artifact, verdict from (
      select distinct on (artifact) artifact, verdict ->> 'kind' as verdict, started_at
      from (select artifact, verdict, state, started_at from gate_runs
            order by started_at desc limit ${lookedAtMax}) as newest
      where state = 'ended' and verdict is not null
      order by artifact, started_at desc) as last
    order by started_at desc limit ${limit}`;
}

type Fragment = ReturnType<Query>;
type Row = Omit<GateRun, "startedAt" | "endedAt" | "progress"> &
  GateProgress & { readonly startedAt: Date; readonly endedAt: Date | null };

async function selectRuns(db: Query, where: Fragment, limit: number): Promise<readonly GateRun[]> {
  const rows = await db<Row[]>`
    select id, environment, artifact, candidate, live, only_checks as only, state, by,
           started_at as "startedAt", ended_at as "endedAt", done, total, says, verdict, shadow,
           checks, fault
    from gate_runs where ${where} order by started_at desc, id desc limit ${limit}`;
  return rows.map(({ done, total, says, startedAt, endedAt, ...rest }) => ({
    ...rest,
    startedAt: startedAt.toISOString(),
    endedAt: endedAt?.toISOString() ?? null,
    progress: { done, total, says },
  }));
}
