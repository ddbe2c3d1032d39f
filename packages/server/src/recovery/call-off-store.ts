/** Recoveries that end before their last step, because a person ended what they were for. */
import { Fault } from "../fault.ts";
import type { IncidentId, RecoveryId } from "../ids.ts";
import type { Query } from "../store/database.ts";
import { type Lease, requireLease } from "../store/lease.ts";
import type { CallOff, RecoveryState } from "./recovery.ts";

const unfinished: readonly RecoveryState[] = ["planned", "awaiting-approval", "running", "paused"];

/** Ends what is not over of the incident's recoveries; returns those that had begun. */
export async function callOffRecoveries(
  db: Query,
  incident: IncidentId,
  { because, automaticOnly = false, waitingOnly = false, at }: CallOff & { readonly at: Date },
): Promise<readonly RecoveryId[]> {
  if (waitingOnly) await requireNoneBegun(db, incident);
  const rows = await db<{ id: RecoveryId; begun: boolean }[]>`
    update recoveries set state = 'refused', because = ${because}, ended_at = ${at}
    where incident = ${incident} and state = any(${[...unfinished]})
      and (automatic or not ${automaticOnly})
    returning id, started_at is not null as begun`;
  return rows.filter(({ begun }) => begun).map(({ id }) => id);
}

/** None begins any more until the caller's transaction is over. */
async function requireNoneBegun(db: Query, incident: IncidentId): Promise<void> {
  const rows = await db<{ id: RecoveryId; begun: boolean }[]>`
    select id, started_at is not null as begun from recoveries
    where incident = ${incident} and state = any(${[...unfinished]}) order by id for update`;
  const found = rows.find(({ begun }) => begun);
  if (found === undefined) return;
  throw new Fault(
    "state_forbids",
    `Recovery ${found.id} has begun already, and is not called off: see \`lastgood recover show ${found.id}\`.`,
  );
}

/** Of the incident, those that had begun and did not come to their end, are to free what they hold. */
export async function markLettingGo(db: Query, incident: IncidentId): Promise<void> {
  await db`
    update recoveries set letting_go = true
    where incident = ${incident} and state in ('refused', 'failed') and started_at is not null`;
}

/** Oldest first. */
export async function recoveriesLettingGo(db: Query): Promise<readonly RecoveryId[]> {
  const rows = await db<{ id: RecoveryId }[]>`
    select id from recoveries where letting_go order by started_at limit 100`;
  return rows.map(({ id }) => id);
}

export async function markLetGo(db: Query, lease: Lease, id: RecoveryId): Promise<void> {
  await requireLease(db, lease);
  await db`update recoveries set letting_go = false where id = ${id}`;
}
