import type { NoneOfThem, Witness } from "@lastgood/sdk";
import type { ChangeId, IncidentId, RecoveryId } from "../ids.ts";
import type { Change } from "../ledger/change.ts";
import { findChanges } from "../ledger/ledger-store.ts";
import type { CheckRun } from "../sandbox/sandbox.ts";
import type { Json, Query } from "../store/database.ts";
import type { Decision } from "./incident.ts";
import type { Weighed } from "./suspects.ts";

/** A change that was live in a service in reach of the failing one. */
export interface Candidate {
  readonly change: Change;
  readonly exposedAt: Date;
  readonly deploy: ChangeId | null;
}

/**
 * Changes exposed to one of the services in `[since, until]`, the newest exposures first. Not those that
 * were taken back or withdrawn by `asOf`, nor deploys that only carried other changes.
 */
export async function exposedCandidates(
  db: Query,
  {
    services,
    since,
    until,
    asOf,
    limit,
  }: { services: readonly string[]; since: Date; until: Date; asOf: Date; limit: number },
): Promise<readonly Candidate[]> {
  const rows = await db<{ id: ChangeId; exposedAt: Date; deploy: ChangeId | null }[]>`
    select * from (
      select distinct on (e.change_id) e.change_id as id, e.exposed_at as "exposedAt",
             e.deploy_id as deploy
      from exposures e
      where e.service = any(${[...services]}) and e.exposed_at between ${since} and ${until}
        and (e.withdrawn_at is null or e.withdrawn_at > ${asOf})
        and not exists (select from changes r
          where r.reverts <> '{}' and r.reverts @> array[e.change_id] and r.at <= ${asOf})
        and not exists (select from exposures carried where carried.deploy_id = e.change_id and carried.change_id <> e.change_id)
      order by e.change_id, e.exposed_at) as first
    order by "exposedAt" desc, id desc limit ${limit}`;
  if (rows.length === 0) return [];
  const changes = await findChanges(db, { ids: rows.map((row) => row.id), limit });
  const byId = new Map(changes.map((change) => [change.id, change]));
  return rows.flatMap(({ id, exposedAt, deploy }) => {
    const change = byId.get(id);
    return change === undefined ? [] : [{ change, exposedAt, deploy }];
  });
}

/** Writes of documents in the window that nothing took back: live in who reads them as soon as written. */
export async function writtenCandidates(
  db: Query,
  { since, until, asOf, limit }: { since: Date; until: Date; asOf: Date; limit: number },
): Promise<readonly Candidate[]> {
  const rows = await db<{ id: ChangeId }[]>`
    select c.id from changes c
    where c.layer = 'state' and c.at between ${since} and ${until}
      and not exists (select from exposures e where e.change_id = c.id)
      and not exists (select from changes r
        where r.reverts <> '{}' and r.reverts @> array[c.id] and r.at <= ${asOf})
    order by c.at desc limit ${limit}`;
  if (rows.length === 0) return [];
  const changes = await findChanges(db, { ids: rows.map((row) => row.id), limit });
  return changes.map((change) => ({ change, exposedAt: change.at, deploy: null }));
}

const undoneMax = 200;

/** Commits of a repository that were taken back since then, and by which. */
export async function undoneSince(
  db: Query,
  repository: string,
  since: Date,
): Promise<readonly { readonly commit: string; readonly by: string }[]> {
  return await db<{ commit: string; by: string }[]>`
    select c.to_ref as commit, r.to_ref as by
    from changes r cross join lateral unnest(r.reverts) as undone (id)
    join changes c on c.id = undone.id
    where r.reverts <> '{}' and r.layer = 'code' and r.target = ${repository} and r.at >= ${since}
      and c.layer = 'code' and c.target = r.target and c.to_ref is not null and r.to_ref is not null
    order by r.at desc limit ${undoneMax}`;
}

/** When anything last became live in one of the services; null when nothing ever did. */
export async function lastExposure(db: Query, services: readonly string[]): Promise<Date | null> {
  const [row] = await db<{ at: Date | null }[]>`
    select max(exposed_at) as at from exposures where service = any(${[...services]})`;
  return row?.at ?? null;
}

/** A suspect as its incident keeps it. */
export interface SuspectRow extends Weighed {
  readonly exposedAt: Date;
  readonly deploy: ChangeId | null;
  readonly distance: number | null;
}

/** Replaces the incident's table by how triage weighs it now. */
export async function putSuspects(
  db: Query,
  incident: IncidentId,
  suspects: readonly SuspectRow[],
  none: NoneOfThem,
  at: Date,
): Promise<void> {
  const rows = suspects.map((each, index) => ({
    incident,
    rank: index + 1,
    change_id: each.change,
    exposed_at: each.exposedAt,
    deploy_id: each.deploy,
    distance: each.distance,
    excluded: each.excluded,
    factors: { ...each.factors } as Json,
    posterior: each.posterior,
    witnesses: [...each.witnesses],
    observations: [...each.observations],
    weighed_at: at,
  }));
  const noneRow = {
    incident,
    rank: 0,
    change_id: null,
    exposed_at: null,
    deploy_id: null,
    distance: null,
    excluded: null,
    factors: { prior: none.prior, commonCause: none.commonCause } as Json,
    posterior: none.posterior,
    witnesses: [],
    observations: [...none.observations],
    weighed_at: at,
  };
  await db`delete from incident_suspects where incident = ${incident}`;
  await db`insert into incident_suspects ${db([noneRow, ...rows])}`;
}

export interface StoredSuspect extends SuspectRow {
  readonly agent: string;
  readonly layer: string;
  readonly target: string;
  readonly to: string | null;
  readonly reason: string;
}

/** The per-suspect table, the likeliest first, and "none of them"; null when nothing was weighed yet. */
export async function readSuspects(
  db: Query,
  incident: IncidentId,
): Promise<{ readonly suspects: readonly StoredSuspect[]; readonly none: NoneOfThem | null }> {
  const suspects = await db<StoredSuspect[]>`
    select s.change_id as change, s.exposed_at as "exposedAt", s.deploy_id as deploy, s.distance,
           s.excluded, s.factors, s.posterior, s.witnesses, s.observations,
           c.agent, c.layer, c.target, c.to_ref as to, c.reason
    from incident_suspects s join changes c on c.id = s.change_id
    where s.incident = ${incident} order by s.rank`;
  const [none] = await db<
    { factors: { prior: number; commonCause: number }; posterior: number; observations: string[] }[]
  >`
    select factors, posterior, observations from incident_suspects
    where incident = ${incident} and rank = 0`;
  return {
    suspects,
    none:
      none === undefined
        ? null
        : { ...none.factors, posterior: none.posterior, observations: none.observations },
  };
}

export interface StoredRerun {
  readonly at: Date;
  readonly service: string;
  readonly revision: string;
  readonly outcome: CheckRun["outcome"];
  readonly tookMs: number;
}

const outputKept = 4_000;

export async function putRerun(
  db: Query,
  incident: IncidentId,
  repository: string,
  run: CheckRun,
): Promise<void> {
  await db`
    insert into incident_reruns ${db({
      incident,
      service: run.service,
      repository,
      revision: run.revision,
      outcome: run.outcome,
      exit_code: run.exitCode,
      at: run.startedAt,
      took_ms: Math.round(run.tookMs),
      output: run.output.slice(-outputKept).replaceAll("\0", ""),
    })}`;
}

/** Oldest first. */
export async function rerunsOf(db: Query, incident: IncidentId): Promise<readonly StoredRerun[]> {
  return await db<StoredRerun[]>`
    select at, service, revision, outcome, took_ms as "tookMs"
    from incident_reruns where incident = ${incident} order by id`;
}

/** Runs on these revisions were runs on good ones: from them the check's flake rate is learned. */
export async function markKnownGood(
  db: Query,
  incident: IncidentId,
  revisions: readonly string[],
): Promise<void> {
  await db`
    update incident_reruns set known_good = true
    where incident = ${incident} and revision = any(${[...revisions]})`;
}

const historyRuns = 200;

/** How often the service's check passed and failed on known-good revisions: its last 200 such runs. */
export async function checkHistory(
  db: Query,
  service: string,
): Promise<{ good: number; bad: number }> {
  const [row] = await db<{ good: number; bad: number }[]>`
    select count(*) filter (where outcome = 'good') as good,
           count(*) filter (where outcome = 'bad') as bad
    from (select outcome from incident_reruns
          where service = ${service} and known_good and outcome <> 'cannot-tell'
          order by at desc limit ${historyRuns}) as known`;
  return row ?? { good: 0, bad: 0 };
}

export async function putDecision(
  db: Query,
  incident: IncidentId,
  service: string,
  decision: Decision,
  recovery: RecoveryId | null,
): Promise<void> {
  await db`
    insert into incident_decisions ${db({
      incident,
      service,
      at: decision.at,
      act: decision.act,
      would: decision.would,
      mode: decision.mode,
      changes: [...decision.changes],
      innocents: [...decision.innocents],
      posterior: decision.posterior,
      witnesses: [...decision.witnesses],
      because: [...decision.because],
      recovery,
    })}`;
}

export async function decisionCount(db: Query, incident: IncidentId): Promise<number> {
  const [row] = await db<{ count: number }[]>`
    select count(*) as count from incident_decisions where incident = ${incident}`;
  return row?.count ?? 0;
}

/** A decision that was taken and not acted on. */
export interface UnactedDecision {
  readonly incident: IncidentId;
  readonly service: string;
  readonly at: Date;
  readonly would: "run" | "freeze" | "none";
  readonly mode: Decision["mode"];
  readonly changes: readonly ChangeId[];
  readonly posterior: number;
  readonly witnesses: readonly Witness[];
  readonly because: readonly string[];
  readonly recovery: RecoveryId | null;
}

/** The last decision of each incident, where it was not Lastgood that acted. Newest first. */
export async function unactedDecisions(
  db: Query,
  since: Date,
  limit: number,
): Promise<readonly UnactedDecision[]> {
  return await db<UnactedDecision[]>`
    select * from (
      select distinct on (incident) incident, service, at, act, would, mode, changes, posterior,
             witnesses, because, recovery
      from incident_decisions where at >= ${since} order by incident, at desc, id desc) as last
    where act <> 'run' and would <> 'none'
    order by at desc limit ${limit}`;
}

/**
 * Automatic recoveries within the last day, and those on this service since a person last had a hand in
 * an incident of it. An incident that was planned twice counts once.
 */
export async function automaticRecoveries(
  db: Query,
  service: string,
  now: Date,
): Promise<{ today: number; inARow: number }> {
  const dayAgo = new Date(now.getTime() - 86_400_000);
  const [row] = await db<{ today: number; inARow: number }[]>`
    select count(distinct incident) as today,
           count(distinct incident) filter (where service = ${service} and at > coalesce((
             select max(e.at) from incident_events e join incidents i on i.id = e.incident
             where i.service = ${service}
               and e.event in ('incident.taken', 'incident.mended', 'incident.dismissed')
           ), '-infinity')) as "inARow"
    from incident_decisions where act = 'run' and at > ${dayAgo}`;
  return row ?? { today: 0, inARow: 0 };
}
