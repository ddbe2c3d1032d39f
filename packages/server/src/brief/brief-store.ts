/** What a brief reads of the tables of others: each statement is bounded and finds its rows by an index. */
import type { BriefCommit, ChangedInput, CheckpointCommit } from "@lastgood/sdk";
import type { Query } from "../store/database.ts";
import type { Contained, TakenBack } from "./notices.ts";

/** Versions that these sessions read and that others have changed since. */
export async function changedInputs(
  db: Query,
  agent: string,
  sessions: readonly string[],
  limit: number,
): Promise<readonly ChangedInput[]> {
  if (sessions.length === 0) return [];
  const rows = await db<(Omit<ChangedInput, "at"> & { atUs: number })[]>`
    select r.collection, r.id, r.read, d.ver as now, v.agent as by, v.at_us as "atUs"
    from (
      select collection, id, max(version) as read from session_reads
      where session = any(${[...sessions]}) group by collection, id) r
    join documents d on d.collection = r.collection and d.id = r.id and d.ver > r.read
    join document_versions v on v.doc = d.doc and v.ver = d.ver
    where v.agent <> ${agent}
    order by r.collection, r.id limit ${limit}`;
  return rows.map(({ atUs, ...row }) => ({ ...row, at: new Date(atUs / 1_000).toISOString() }));
}

/** In force, or ended since then. */
export async function containmentsSince(
  db: Query,
  agent: string,
  since: Date,
): Promise<readonly Contained[]> {
  return await db<Contained[]>`
    select since, because, incident, reinstated_at as "reinstatedAt" from containments
    where agent = ${agent} and (reinstated_at is null or reinstated_at >= ${since})
    order by since desc limit 5`;
}

/** Changes of the agent that somebody else took back since then, the latest first. */
export async function takenBackSince(
  db: Query,
  agent: string,
  since: Date,
): Promise<readonly TakenBack[]> {
  return await db<TakenBack[]>`
    select c.layer, c.task, c.target, c.to_ref as to, c.reason, r.agent as by, r.to_ref as revert,
           coalesce(v.because, r.reason) as because,
           coalesce(v.incident, r.details->>'incident') as incident
    from changes r cross join lateral unnest(r.reverts) as undone (id)
    join changes c on c.id = undone.id
    -- A revert of ours knows why; of any other there is what its commit says.
    left join reverts v on r.layer = 'code' and v.repository = r.target and v.commit_id = r.to_ref
    where r.reverts <> '{}' and r.at >= ${since} and c.agent = ${agent} and r.agent <> ${agent}
    order by r.at desc, r.id desc, c.id limit ${takenBackMax}`;
}

const takenBackMax = 20;

/** With what took each of them back and was not taken back itself. */
export async function withReverts(
  db: Query,
  commits: readonly CheckpointCommit[],
): Promise<ReadonlyMap<string, BriefCommit["reverted"]>> {
  if (commits.length === 0) return new Map();
  const ids = [...new Set(commits.map(({ commit }) => commit))];
  const rows = await db<{ of: string; by: string; commit: string | null; because: string }[]>`
    with mine as (
      select c.id, c.to_ref as of from changes c
      where c.layer = 'code' and c.kind = 'commit' and c.to_ref = any(${ids})),
    undoing as (
      select r.* from changes r
      where r.reverts <> '{}' and r.reverts && (select coalesce(array_agg(id), '{}') from mine))
    select m.of, r.agent as by, r.to_ref as commit, coalesce(v.because, r.reason) as because
    from mine m join undoing r on m.id = any(r.reverts)
    left join reverts v on v.repository = r.target and v.commit_id = r.to_ref
    where not exists (
      select from changes again where again.reverts <> '{}' and again.reverts @> array[r.id])
    order by r.at, r.id`;
  return new Map(rows.map(({ of, ...reverted }) => [of, reverted]));
}

export async function parkedBecause(
  db: Query,
  agent: string,
): Promise<{ readonly at: Date; readonly because: string } | null> {
  const [row] = await db<{ at: Date; because: string }[]>`
    select parked_at as at, coalesce(parked_because, '') as because from agents
    where name = ${agent} and parked_at is not null`;
  return row ?? null;
}

/** False where it had one before. */
export async function markBriefed(db: Query, session: string, at: Date): Promise<boolean> {
  const rows = await db`
    update sessions set briefed_at = ${at}
    where id = ${session} and briefed_at is null and ended_at is null returning 1`;
  return rows.length > 0;
}

export async function wasBriefed(db: Query, session: string): Promise<boolean> {
  const rows = await db`
    select 1 from sessions where id = ${session} and briefed_at is not null`;
  return rows.length > 0;
}
