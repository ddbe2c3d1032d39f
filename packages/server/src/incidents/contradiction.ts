import type { IncidentId } from "../ids.ts";
import { recordEvent } from "../ledger/timeline.ts";
import { newId } from "../world.ts";
import { freezeIncident, openIncident } from "./incident.ts";
import {
  incidentsIn,
  insertIncident,
  lockOpening,
  moveIncident,
  requireIncident,
} from "./incident-store.ts";
import { callPerson, type MoveDeps, ownName } from "./moves.ts";
import type { Contradiction } from "./neighbours.ts";

/**
 * Two actors pull one target in opposite directions: one incident and one page per target, however often
 * it is reported. Nothing automatic happens to it.
 */
export async function openContradiction(
  deps: MoveDeps,
  { target, service, actors, changes, because }: Contradiction,
): Promise<IncidentId> {
  const { db, world } = deps;
  const signature = `contradiction ${target}`;
  return await db.begin(async (tx) => {
    await lockOpening(tx);
    const now = world.now();
    const open = (await incidentsIn(tx, ["frozen", "taken", "handed-back"])).find(
      (stored) => stored.incident.signature === signature,
    );
    const id = open?.incident.id ?? newId<IncidentId>(world, "inc");
    const text = `${actors.join(" and ")} contradict each other on ${target}: ${because}`;
    if (open === undefined) {
      const incident = openIncident({
        id,
        kind: "contradiction",
        signature,
        severity: "critical",
        service: service ?? target,
        title: `${target}: ${actors.join(" and ")} contradict each other`,
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
      const stored = await moveIncident(
        tx,
        await requireIncident(tx, id),
        freezeIncident(incident, text),
      );
      await callPerson(tx, deps, stored, text, { always: true });
    }
    await recordEvent(tx, id, {
      at: now,
      actor: ownName,
      event: "contradiction.seen",
      text,
      details: { target, actors, changes },
      key: `contradiction-${[...changes].sort().join("-")}`,
    });
    return id;
  });
}
