import type { Configuration } from "../config/config.ts";
import { Fault } from "../fault.ts";
import type { IncidentId } from "../ids.ts";
import { recordEvent, type TimelineEvent } from "../ledger/timeline.ts";
import type { Notifier } from "../notify/notify.ts";
import type { Db, Query } from "../store/database.ts";
import type { World } from "../world.ts";
import { type Incident, raiseSeverity } from "./incident.ts";
import {
  findIncident,
  markPaged,
  moveIncident,
  requireIncident,
  type Stored,
} from "./incident-store.ts";

/** What every move of an incident needs. */
export interface MoveDeps {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
  readonly notifier: Notifier;
}

/** How Lastgood names itself where it acts by itself. */
export const ownName = "lastgood";

export type Told = Omit<TimelineEvent, "at">;

/** Takes an arrow and tells the timeline, in the caller's transaction. */
export async function move(
  tx: Query,
  { world }: MoveDeps,
  stored: Stored,
  next: Incident,
  told: Told,
): Promise<Stored> {
  const moved = await moveIncident(tx, stored, next);
  await recordEvent(tx, next.id, { at: world.now(), ...told });
  return moved;
}

const triesMax = 5;

/**
 * Reads the incident, asks `step` for its next state and takes the arrow in one transaction; again when
 * somebody else moved it meanwhile. `step` returns null to leave it as it is.
 */
export async function moveFresh(
  deps: MoveDeps,
  id: IncidentId,
  step: (stored: Stored) => { readonly next: Incident; readonly told: Told } | null,
  alongside: (tx: Query, moved: Stored, before: Stored) => Promise<void> = async () => {},
): Promise<Stored> {
  for (let tries = 1; ; tries++) {
    try {
      return await deps.db.begin(async (tx) => {
        const stored = await requireIncident(tx, id);
        const wanted = step(stored);
        if (wanted === null) return stored;
        const moved = await move(tx, deps, stored, wanted.next, wanted.told);
        await alongside(tx, moved, stored);
        return moved;
      });
    } catch (error) {
      const raced = error instanceof Fault && error.code === "version_conflict";
      if (!raced || tries >= triesMax) throw error;
    }
  }
}

/**
 * Calls a person: once per incident, however often it is asked for. What is always a person's makes the
 * incident critical.
 */
export async function callPerson(
  tx: Query,
  deps: MoveDeps,
  stored: Stored,
  because: string,
  { always = false }: { always?: boolean } = {},
): Promise<Stored> {
  const { notifier, configuration, world } = deps;
  const raised =
    always && stored.incident.severity !== "critical"
      ? await moveIncident(tx, stored, raiseSeverity(stored.incident, "critical"))
      : stored;
  const { incident } = raised;
  const at = world.now();
  const service = configuration.current().services[incident.service];
  await notifier.page(tx, {
    incident: incident.id,
    severity: incident.severity,
    summary: `${incident.title}: ${because}`.slice(0, 1_000),
    owner: service?.owner ?? null,
    details: {
      incident: incident.id,
      service: incident.service,
      state: incident.state,
      onset: incident.onset.toISOString(),
      because,
      look: `lastgood incident show ${incident.id}`,
      take: `lastgood incident take ${incident.id}`,
    },
  });
  await markPaged(tx, incident.id, at);
  await recordEvent(tx, incident.id, {
    at,
    actor: ownName,
    event: "person.called",
    text: because,
    key: "person.called",
  });
  return (await findIncident(tx, incident.id)) ?? raised;
}
