import type { IncidentId } from "../ids.ts";
import { recordEvent } from "../ledger/timeline.ts";
import type { Tx } from "../store/database.ts";
import { newId } from "../world.ts";
import { freezeIncident, type Incident, openIncident } from "./incident.ts";
import {
  incidentsIn,
  insertIncident,
  lockOpening,
  moveIncident,
  requireIncident,
  type Stored,
} from "./incident-store.ts";
import { callPerson, type MoveDeps, ownName } from "./moves.ts";

export interface PersonsCase {
  readonly kind: Extract<Incident["kind"], "contradiction" | "storm" | "rollout">;
  /** One open incident per signature, however often it is reported. */
  readonly signature: string;
  /** A service, or whatever else it is about. */
  readonly about: string;
  readonly title: string;
  readonly text: string;
}

/** Opens an incident that only a person can end, frozen from the first, and calls one; or finds the open one. */
export async function openForPerson(
  tx: Tx,
  deps: MoveDeps,
  { kind, signature, about, title, text }: PersonsCase,
): Promise<IncidentId> {
  await lockOpening(tx);
  const open = await findForPerson(tx, signature);
  if (open !== null) return open.incident.id;
  const now = deps.world.now();
  const id = newId<IncidentId>(deps.world, "inc");
  const incident = openIncident({
    ...{ id, kind, signature, title },
    severity: "critical",
    service: about,
    onset: now,
    detectedAt: now,
    openedAt: now,
  });
  await insertIncident(tx, incident, null);
  await recordEvent(tx, id, {
    at: now,
    actor: ownName,
    event: "incident.opened",
    text,
    key: "opened",
  });
  const stored = await requireIncident(tx, id);
  const frozen = await moveIncident(tx, stored, freezeIncident(incident, text));
  await callPerson(tx, deps, frozen, text, { always: true });
  return id;
}

/** Where such an incident stands while it is open. */
export const forPerson = ["frozen", "taken", "handed-back", "mended"] as const;

export async function findForPerson(tx: Tx, signature: string): Promise<Stored | null> {
  const open = await incidentsIn(tx, forPerson);
  return open.find(({ incident }) => incident.signature === signature) ?? null;
}
