import { Fault } from "../fault.ts";
import type { IncidentId } from "../ids.ts";
import type { Json, Query } from "../store/database.ts";
import { type Common, type Incident, type Opened, type Symptom, signatureOf } from "./incident.ts";
import { phaseOf, withPhase } from "./incident-phase.ts";

/** An incident with what guards its row. */
export interface Stored<T extends Incident = Incident> {
  readonly incident: T;
  readonly version: number;
  readonly pageDueAt: Date | null;
  readonly pagedAt: Date | null;
  readonly quietSince: Date | null;
}

/** Serialises everything that decides whether a verdict opens an incident or joins one. */
export async function lockOpening(db: Query): Promise<void> {
  await db`select pg_advisory_xact_lock(hashtext('incidents'))`;
}

export async function insertIncident(
  db: Query,
  incident: Opened,
  pageDueAt: Date | null,
): Promise<void> {
  await db`
    insert into incidents ${db({ ...columnsOf(incident), id: incident.id, page_due_at: pageDueAt })}`;
}

/**
 * Takes an arrow: writes the incident as it is now, provided that nobody moved it since it was read
 * (`version_conflict`).
 */
export async function moveIncident(
  db: Query,
  { version }: Pick<Stored, "version">,
  incident: Incident,
): Promise<Stored> {
  const moved = await db<Row[]>`
    update incidents set ${db(columnsOf(incident))}, version = version + 1,
      page_due_at = case when ${incident.containedAt !== null || incident.state === "closed"}
        then null else page_due_at end
    where id = ${incident.id} and version = ${version} returning *`;
  const [row] = moved;
  if (row === undefined) {
    throw new Fault(
      "version_conflict",
      `Incident ${incident.id} was moved by another meanwhile: look again with \`lastgood incident show ${incident.id}\`.`,
    );
  }
  return toStored(row);
}

export async function findIncident(db: Query, id: string): Promise<Stored | null> {
  const [row] = await db<Row[]>`select * from incidents where id = ${id}`;
  return row === undefined ? null : toStored(row);
}

export async function requireIncident(db: Query, id: string): Promise<Stored> {
  const found = await findIncident(db, id);
  if (found !== null) return found;
  throw new Fault(
    "not_found",
    `There is no incident ${id.slice(0, 80)}: list them with \`lastgood incident list\`.`,
  );
}

/** Newest first. */
export async function listIncidents(
  db: Query,
  { which, limit }: { which: "open" | "closed" | "all"; limit: number },
): Promise<readonly Stored[]> {
  const rows = await db<Row[]>`
    select * from incidents
    where ${which === "all" ? db`true` : which === "open" ? db`state <> 'closed'` : db`state = 'closed'`}
    order by opened_at desc, id desc limit ${limit}`;
  return rows.map(toStored);
}

/** Those that are in one of the states, oldest first. */
export async function incidentsIn(
  db: Query,
  states: readonly Incident["state"][],
  limit = 200,
): Promise<readonly Stored[]> {
  const rows = await db<Row[]>`
    select * from incidents where state = any(${[...states]})
    order by opened_at, id limit ${limit}`;
  return rows.map(toStored);
}

export async function isAnyOpen(db: Query): Promise<boolean> {
  const rows = await db`select 1 from incidents where state <> 'closed' limit 1`;
  return rows.length > 0;
}

/** Whether it is still looked into; it stays so until the transaction ends. */
export async function isInvestigated(tx: Query, id: IncidentId): Promise<boolean> {
  const rows = await tx`
    select 1 from incidents where id = ${id} and state = 'investigating' for share`;
  return rows.length > 0;
}

/** Whether an incident of this signature is open that was not verified yet: there is at most one. */
export async function isOpenAgain(db: Query, signature: string): Promise<boolean> {
  const rows = await db`
    select 1 from incidents
    where signature = ${signature} and state not in ('verified', 'resumed', 'closed')`;
  return rows.length > 0;
}

/** High incidents that were to be contained by now. */
export async function pagesDue(db: Query, now: Date): Promise<readonly Stored[]> {
  const rows = await db<Row[]>`
    select * from incidents where page_due_at <= ${now} and contained_at is null and state <> 'closed'
    order by page_due_at limit 200`;
  return rows.map(toStored);
}

/** Unless somebody was called already, or is to be sooner. */
export async function markPageDue(db: Query, id: IncidentId, dueAt: Date): Promise<void> {
  await db`
    update incidents set page_due_at = least(page_due_at, ${dueAt})
    where id = ${id} and paged_at is null`;
}

export async function markPaged(db: Query, id: IncidentId, at: Date): Promise<void> {
  await db`
    update incidents set paged_at = coalesce(paged_at, ${at}), page_due_at = null where id = ${id}`;
}

export async function markQuiet(db: Query, id: IncidentId, since: Date | null): Promise<void> {
  await db`update incidents set quiet_since = ${since} where id = ${id}`;
}

/** The newest incident with this symptom that is over, by when it was verified; null if there is none. */
export async function lastVerifiedWith(
  db: Query,
  signature: string,
): Promise<{ id: IncidentId; verifiedAt: Date } | null> {
  const [row] = await db<{ id: IncidentId; verifiedAt: Date }[]>`
    select i.id, i.verified_at as "verifiedAt" from incidents i
    join incident_symptoms s on s.incident = i.id
    where s.signature = ${signature} and i.verified_at is not null
    order by i.verified_at desc limit 1`;
  return row ?? null;
}

/** When a person dismissed the newest incident with this symptom that is over; null: it ended otherwise. */
export async function lastDismissedWith(db: Query, signature: string): Promise<Date | null> {
  const [row] = await db<{ outcome: string; closedAt: Date }[]>`
    select i.phase ->> 'outcome' as outcome, i.closed_at as "closedAt" from incidents i
    join incident_symptoms s on s.incident = i.id
    where s.signature = ${signature} and i.state = 'closed'
    order by i.closed_at desc limit 1`;
  return row?.outcome === "dismissed" ? row.closedAt : null;
}

/** Records the symptom, or how it stands now. True when it is new to the incident. */
export async function putSymptom(
  db: Query,
  incident: IncidentId,
  symptom: Symptom,
): Promise<boolean> {
  const [row] = await db<{ fresh: boolean }[]>`
    insert into incident_symptoms ${db({
      incident,
      signature: signatureOf(symptom),
      service: symptom.service,
      rule: symptom.rule,
      signal: symptom.signal,
      dimension: symptom.dimension,
      customer_facing: symptom.customerFacing,
      severity: symptom.severity,
      hard: symptom.hard,
      onset: symptom.onset,
      detected_at: symptom.detectedAt,
      floor: symptom.floor,
      level: symptom.level,
      evidence: finite(symptom.evidence),
      samples: symptom.samples,
      says: symptom.says,
    })}
    on conflict (incident, signature) do update set
      level = excluded.level, evidence = greatest(incident_symptoms.evidence, excluded.evidence),
      samples = excluded.samples, says = excluded.says
    returning (xmax = 0) as fresh`;
  return row?.fresh === true;
}

/** Oldest first. */
export async function symptomsOf(db: Query, incident: IncidentId): Promise<readonly Symptom[]> {
  return await db<Symptom[]>`
    select service, rule, signal, dimension, customer_facing as "customerFacing", severity, hard,
           onset, detected_at as "detectedAt", floor, level, evidence, samples, says
    from incident_symptoms where incident = ${incident} order by detected_at, signature`;
}

/** Services of other open incidents on which the same signal went bad around `onset`. */
export async function showingAround(
  db: Query,
  incident: IncidentId,
  signals: readonly string[],
  onset: Date,
  withinMs: number,
): Promise<readonly string[]> {
  const rows = await db<{ service: string }[]>`
    select distinct s.service from incident_symptoms s
    where s.incident <> ${incident} and s.signal = any(${[...signals]})
      and s.onset between ${new Date(onset.getTime() - withinMs)} and ${new Date(onset.getTime() + withinMs)}
    order by s.service limit 100`;
  return rows.map((row) => row.service);
}

/** PostgreSQL has no room for an infinite e-value in JSON that comes out of it again. */
function finite(evidence: number): number {
  return Math.min(evidence, Number.MAX_VALUE);
}

function columnsOf(incident: Incident) {
  return {
    kind: incident.kind,
    signature: incident.signature,
    severity: incident.severity,
    service: incident.service,
    title: incident.title,
    state: incident.state,
    phase: phaseOf(incident) as Json,
    onset: incident.onset,
    detected_at: incident.detectedAt,
    opened_at: incident.openedAt,
    decided_at: incident.decidedAt,
    contained_at: incident.containedAt,
    restored_at: incident.restoredAt,
    verified_at: incident.verifiedAt,
    resumed_at: incident.resumedAt,
    closed_at: incident.closedAt,
    taken_by: incident.state === "taken" ? incident.by : null,
  };
}

interface Row {
  id: IncidentId;
  version: number;
  kind: Common["kind"];
  signature: string;
  severity: Common["severity"];
  service: string;
  title: string;
  phase: unknown;
  onset: Date;
  detected_at: Date;
  opened_at: Date;
  decided_at: Date | null;
  contained_at: Date | null;
  restored_at: Date | null;
  verified_at: Date | null;
  resumed_at: Date | null;
  closed_at: Date | null;
  page_due_at: Date | null;
  paged_at: Date | null;
  quiet_since: Date | null;
}

function toStored(row: Row): Stored {
  const common: Common = {
    id: row.id,
    kind: row.kind,
    signature: row.signature,
    severity: row.severity,
    service: row.service,
    title: row.title,
    onset: row.onset,
    detectedAt: row.detected_at,
    openedAt: row.opened_at,
    decidedAt: row.decided_at,
    containedAt: row.contained_at,
    restoredAt: row.restored_at,
    verifiedAt: row.verified_at,
    resumedAt: row.resumed_at,
    closedAt: row.closed_at,
  };
  return {
    incident: withPhase(common, row.phase),
    version: row.version,
    pageDueAt: row.page_due_at,
    pagedAt: row.paged_at,
    quietSince: row.quiet_since,
  };
}
