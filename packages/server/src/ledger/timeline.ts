import type { IncidentId } from "../ids.ts";
import type { Json, Query } from "../store/database.ts";

/** One thing that happened in an incident. `event` is a noun and a past verb: `incident.opened`. */
export interface TimelineEvent {
  readonly at: Date;
  readonly actor: string;
  readonly event: string;
  readonly text: string;
  readonly details?: Readonly<Record<string, unknown>>;
  /** A second event under the same key is the first one told again, and is dropped. */
  readonly key?: string;
}

export async function recordEvent(
  db: Query,
  incident: IncidentId,
  { at, actor, event, text, details = {}, key }: TimelineEvent,
): Promise<void> {
  await db`
    insert into incident_events (incident, at, actor, event, text, details, key)
    values (${incident}, ${at}, ${actor}, ${event}, ${text}, ${db.json(details as Json)}, ${key ?? null})
    on conflict (incident, key) do nothing`;
}

/** Oldest first. */
export async function readTimeline(
  db: Query,
  incident: IncidentId,
): Promise<readonly Required<Omit<TimelineEvent, "key">>[]> {
  return await db<Required<Omit<TimelineEvent, "key">>[]>`
    select at, actor, event, text, details from incident_events
    where incident = ${incident} order by at, id`;
}
