/** The SQL of rollouts. */
import { Fault } from "../fault.ts";
import type { ChangeId } from "../ids.ts";
import type { Json, Query } from "../store/database.ts";
import { isOpen, isServing, type Rollout, type RolloutId } from "./rollout.ts";
import { planOf, stateOf, withState } from "./rollout-phase.ts";

/** A rollout with what guards its row. */
export interface Stored<T extends Rollout = Rollout> {
  readonly rollout: T;
  readonly version: number;
  readonly movedAt: Date;
  readonly endedAt: Date | null;
}

export interface Told {
  readonly actor: string;
  readonly event: string;
  readonly text: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly key?: string;
}

const openPhases = ["candidate", "shadow", "canary", "live", "frozen", "rolling-back"] as const;
const turningPhases = ["candidate", "shadow", "canary", "frozen", "rolling-back"] as const;
export const eventsShown = 500;

export async function insertRollout(db: Query, rollout: Rollout): Promise<void> {
  const { id, environment, artifact, candidate, purpose, phase, plan } = rollout;
  const { startedBy, startedAt, because } = rollout;
  await db`
    insert into rollouts ${db({
      ...{ id, environment, artifact, candidate, purpose, phase, because },
      ...{ state: stateOf(rollout) as Json, plan: plan as unknown as Json },
      ...{ started_by: startedBy, started_at: startedAt, moved_at: startedAt },
    })}`;
}

/** Takes an arrow and tells of it, provided that nobody moved the rollout since it was read (`version_conflict`). */
export async function moveRollout(
  db: Query,
  { version }: Pick<Stored, "version">,
  next: Rollout,
  at: Date,
  told: Told,
): Promise<Stored> {
  const [row] = await db<Row[]>`
    update rollouts set phase = ${next.phase}, state = ${db.json(stateOf(next) as Json)},
      version = version + 1, moved_at = ${at}, ended_at = ${isOpen(next) ? null : at}
    where id = ${next.id} and version = ${version} returning *`;
  if (row === undefined) throw await movedMeanwhile(db, next.id);
  await recordRolloutEvent(db, next.id, at, told);
  return toStored(row);
}

async function movedMeanwhile(db: Query, id: RolloutId): Promise<Fault> {
  const [last] = (await readEvents(db, id)).slice(-1);
  const who =
    last === undefined ? "" : `: ${last.actor}, at ${last.at.toISOString()} (${last.text})`;
  return new Fault(
    "version_conflict",
    `The rollout ${id} was moved by another first${who}. Nothing was moved; look again with \`lastgood rollout show ${id}\`, and repeat it if it is still wanted.`,
    { context: { rollout: id } },
  );
}

/** What was decided on an older state of it is refused, saying who was first. */
export async function requireUnmoved(
  db: Query,
  { rollout, version }: Stored,
  expect: number | undefined,
): Promise<void> {
  if (expect !== undefined && expect !== version) throw await movedMeanwhile(db, rollout.id);
}

export async function recordRolloutEvent(
  db: Query,
  rollout: RolloutId,
  at: Date,
  { actor, event, text, details = {}, key }: Told,
): Promise<void> {
  await db`
    insert into rollout_events (rollout, at, actor, event, text, details, key)
    values (${rollout}, ${at}, ${actor}, ${event}, ${text.slice(0, 2_000)}, ${db.json(details as Json)},
            ${key ?? null})
    on conflict (rollout, key) do nothing`;
}

/** Oldest first; the newest of them where there are more. */
export async function readEvents(
  db: Query,
  rollout: RolloutId,
): Promise<readonly (Required<Omit<Told, "key">> & { readonly at: Date })[]> {
  const rows = await db<(Required<Omit<Told, "key">> & { at: Date })[]>`
    select at, actor, event, text, details from rollout_events
    where rollout = ${rollout} order by id desc limit ${eventsShown}`;
  return rows.toReversed();
}

export async function findRollout(db: Query, id: string): Promise<Stored | null> {
  const [row] = await db<Row[]>`select * from rollouts where id = ${id}`;
  return row === undefined ? null : toStored(row);
}

export async function requireRollout(db: Query, id: string): Promise<Stored> {
  const found = await findRollout(db, id);
  if (found !== null) return found;
  throw new Fault(
    "not_found",
    `There is no rollout ${id.slice(0, 80)}: list them with \`lastgood rollout list\`.`,
    { context: { rollout: id.slice(0, 80) } },
  );
}

/** What turns the dial now, or waits in mid-turn; null: nothing does. */
export async function turningOn(
  db: Query,
  { environment, artifact }: { readonly environment: string; readonly artifact: string },
): Promise<Stored | null> {
  const [row] = await db<Row[]>`
    select * from rollouts where environment = ${environment} and artifact = ${artifact}
      and phase = any(${[...turningPhases]})`;
  return row === undefined ? null : toStored(row);
}

/** What turns the dial and serves already, otherwise what is live on it; null: neither. */
export async function servingOn(
  db: Query,
  { environment, artifact }: { readonly environment: string; readonly artifact: string },
): Promise<Stored | null> {
  const rows = await db<Row[]>`
    select * from rollouts where environment = ${environment} and artifact = ${artifact}
      and phase = any(${[...openPhases]})
    order by phase = 'live'`;
  return rows.map(toStored).find(({ rollout }) => isServing(rollout)) ?? null;
}

/** What is live on the dial and watched; null: nothing. */
export async function liveOn(
  db: Query,
  { environment, artifact }: { readonly environment: string; readonly artifact: string },
): Promise<Stored | null> {
  const [row] = await db<Row[]>`
    select * from rollouts
    where environment = ${environment} and artifact = ${artifact} and phase = 'live'`;
  return row === undefined ? null : toStored(row);
}

const openMax = 1_000;

/** Everything that can still change, oldest first. */
export async function openRollouts(db: Query): Promise<readonly Stored[]> {
  const rows = await db<Row[]>`
    select * from rollouts where phase = any(${[...openPhases]})
    order by started_at, id limit ${openMax}`;
  return rows.map(toStored);
}

/** How many are in each phase: all that can still change, and what ended since then. */
export async function phasesSince(
  db: Query,
  since: Date,
): Promise<readonly { readonly phase: Rollout["phase"]; readonly rollouts: number }[]> {
  return await db<{ phase: Rollout["phase"]; rollouts: number }[]>`
    select phase, count(*) as rollouts from rollouts
    where phase = any(${[...openPhases]}) or ended_at >= ${since} group by phase`;
}

export interface Listed {
  readonly state: "open" | "ended" | "all";
  readonly artifact?: string | undefined;
  readonly environment?: string | undefined;
  readonly limit: number;
}

/** Newest first. */
export async function listRollouts(
  db: Query,
  { state, artifact, environment, limit }: Listed,
): Promise<readonly Stored[]> {
  const phases = [...openPhases];
  const rows = await db<Row[]>`
    select * from rollouts where true
      ${state === "open" ? db`and phase = any(${phases})` : db``}
      ${state === "ended" ? db`and phase <> all(${phases})` : db``}
      ${artifact === undefined ? db`` : db`and artifact = ${artifact}`}
      ${environment === undefined ? db`` : db`and environment = ${environment}`}
    order by started_at desc, id desc limit ${limit}`;
  return rows.map(toStored);
}

/** The changes of the pin since this epoch by which the version got more of the keys, oldest first. */
export async function changesBringing(
  db: Query,
  dial: { readonly environment: string; readonly artifact: string },
  version: string,
  sinceEpoch: number,
): Promise<readonly ChangeId[]> {
  const rows = await db<{ change: ChangeId }[]>`
    select change_id as change from pins
    where environment = ${dial.environment} and artifact = ${dial.artifact}
      and epoch > ${sinceEpoch} and ${version} = any(gained)
    order by epoch limit 500`;
  return rows.map(({ change }) => change);
}

/** Drills that moved a share, or are over, and of which it is not written down yet what they have proven. */
export async function unprovenDrills(db: Query): Promise<readonly Stored[]> {
  const rows = await db<Row[]>`
    select * from rollouts r
    where purpose = 'drill' and phase not in ('candidate', 'shadow')
      and not exists (select from rollout_events e where e.rollout = r.id and e.key = 'proved')
    order by started_at desc limit 100`;
  return rows.map(toStored);
}

export interface Drilled {
  readonly environment: string;
  readonly artifact: string;
  readonly at: Date;
  readonly ok: boolean;
}

/** How the last drill of each dial went. */
export async function lastDrills(db: Query): Promise<readonly Drilled[]> {
  return await db<Drilled[]>`
    select distinct on (r.environment, r.artifact) r.environment, r.artifact, e.at,
           (e.details ->> 'ok')::boolean as ok
    from rollouts r join rollout_events e on e.rollout = r.id and e.key = 'proved'
    where r.purpose = 'drill'
    order by r.environment, r.artifact, r.started_at desc limit 1000`;
}

/** How many rollouts of the dial in a row went back by themselves since a person last began one. */
export async function automaticBacksInARow(
  db: Query,
  dial: { readonly environment: string; readonly artifact: string },
): Promise<number> {
  const rows = await db<{ phase: string; started_by: string; by: string | null }[]>`
    select phase, started_by, state -> 'turning' ->> 'by' as by from rollouts
    where environment = ${dial.environment} and artifact = ${dial.artifact} and purpose = 'release'
    order by started_at desc, id desc limit 50`;
  const ended = rows.findIndex(
    ({ phase, started_by, by }) =>
      started_by.startsWith("token:") || phase !== "rolled-back" || by?.startsWith("token:"),
  );
  return ended < 0 ? rows.length : ended;
}

interface Row {
  readonly id: RolloutId;
  readonly version: number;
  readonly environment: string;
  readonly artifact: string;
  readonly candidate: string;
  readonly purpose: Rollout["purpose"];
  readonly state: unknown;
  readonly plan: unknown;
  readonly started_by: string;
  readonly started_at: Date;
  readonly because: string;
  readonly moved_at: Date;
  readonly ended_at: Date | null;
}

function toStored(row: Row): Stored {
  const { id, environment, artifact, candidate, purpose, because } = row;
  const facts = {
    ...{ id, environment, artifact, candidate, purpose, because },
    ...{ plan: planOf(row.plan), startedBy: row.started_by, startedAt: row.started_at },
  };
  return {
    rollout: withState(facts, row.state),
    ...{ version: row.version, movedAt: row.moved_at, endedAt: row.ended_at },
  };
}
