/**
 * How an incident follows its recovery. The recovery room tells of each phase, possibly twice; what was
 * told already changes nothing.
 */
import type { IncidentId, RecoveryId } from "../ids.ts";
import type { RecoveryEvent } from "../recovery/recovery.ts";
import type { Query } from "../store/database.ts";
import { stopForPerson } from "./hand-over.ts";
import { advance, type Incident, type RecoveryProgress } from "./incident.ts";
import type { Stored } from "./incident-store.ts";
import { type MoveDeps, moveFresh } from "./moves.ts";

/** Takes the incident as far as its recovery is, announces it, and resolves the page when all is clear. */
export async function followRecovery(deps: MoveDeps, event: RecoveryEvent): Promise<void> {
  const { incident: id, kind, recovery } = event;
  if (id === null) return;
  if (kind === "failed") {
    const because = `recovery ${recovery} failed: ${event.says}`;
    await stopForPerson(deps, id, because, event.calledFor === undefined ? "always" : "no");
    return;
  }
  await moveFresh(
    deps,
    id,
    ({ incident }) => {
      const next = advance(incident, kind, recovery, event.at);
      return next === incident
        ? null
        : {
            next,
            told: {
              actor: `recovery:${recovery}`,
              event: `incident.${kind}`,
              text: event.says,
              details: { recovery },
              key: `${kind}-${recovery}`,
            },
          };
    },
    (tx, moved, before) => announce(tx, deps, moved, before.incident),
  );
}

/** Catches up with a recovery whose events were lost: the process died between its word and ours. */
export async function catchUp(
  deps: MoveDeps,
  id: IncidentId,
  recovery: RecoveryId,
  progress: RecoveryProgress | "failed",
  at: Date,
  says: string,
): Promise<void> {
  await followRecovery(deps, { recovery, incident: id, kind: progress, at, says });
}

/** What people are told once the incident moved on. */
export async function announce(
  tx: Query,
  { notifier }: MoveDeps,
  { incident }: Stored,
  before: Incident,
): Promise<void> {
  const first = (now: Date | null, then: Date | null) => now !== null && then === null;
  if (first(incident.containedAt, before.containedAt)) {
    await notifier.announce(tx, incident.id, "contained", `${incident.title}: contained`);
  }
  if (first(incident.resumedAt, before.resumedAt)) {
    const text = `${incident.title}: all clear`;
    await notifier.announce(tx, incident.id, "all-clear", text);
    await notifier.resolve(tx, incident.id, text);
  }
}
