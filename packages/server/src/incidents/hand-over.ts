/**
 * What follows a decision: the recovery is begun, or waits for approval, or a person is called.
 */
import { Fault, faults } from "../fault.ts";
import type { IncidentId } from "../ids.ts";
import type { ConcludeDeps } from "./conclude.ts";
import { readFreeze } from "./freeze.ts";
import { beginInvestigation, type Decided, freezeIncident } from "./incident.ts";
import type { Stored } from "./incident-store.ts";
import { callPerson, type MoveDeps, moveFresh, ownName } from "./moves.ts";
import { takenBy, thingsOf } from "./taken.ts";
import { decisionCount } from "./triage-store.ts";

const lookedAgainMax = 3;

/**
 * Hands what was decided to the recovery room. Safe to repeat: called until the recovery has begun. Where
 * two processes do it at once, the recovery room lets one of them begin it.
 */
export async function handOver(deps: ConcludeDeps, { incident }: Stored): Promise<void> {
  if (incident.state !== "decided" && incident.state !== "frozen") return;
  const { decision, recovery: id } = incident;
  if (decision === null || id === null) return;
  const recovery = await deps.recoveries.find(id);
  if (recovery?.state !== "planned") return;
  if (decision.act !== "run" || incident.state === "frozen") {
    await deps.recoveries.awaitApproval(id, decision.because.join("; "));
    return;
  }
  const freeze = await readFreeze(deps.db);
  if (freeze !== null) {
    return await stopForPerson(
      deps,
      incident.id,
      `everything automatic is frozen: ${freeze.reason}`,
    );
  }
  // A person has what it would move in hand: the next turn asks again, and the page is due meanwhile.
  if ((await takenBy(deps, thingsOf(recovery.plan.steps))) !== null) return;
  try {
    await deps.recoveries.run(id, recovery.digest, ownName);
  } catch (error) {
    await notRun(deps, incident, error);
  }
}

/** Why a recovery could not begin decides what follows: wait, look again, or call a person. */
async function notRun(deps: ConcludeDeps, incident: Decided, error: unknown): Promise<void> {
  if (!(error instanceof Fault)) throw error;
  const { code, message } = error;
  // Another recovery moves the target: the next turn tries again, and the page is due if it takes long.
  if (faults[code].retry === "later") return;
  const recovery =
    incident.recovery === null ? null : await deps.recoveries.find(incident.recovery);
  // Another process handed it over first.
  if (recovery !== null && recovery.state !== "planned") return;
  if (code === "plan_stale" && (await decisionCount(deps.db, incident.id)) < lookedAgainMax) {
    await moveFresh(deps, incident.id, ({ incident: now }) =>
      now.state === "decided"
        ? {
            next: beginInvestigation(now),
            told: { actor: ownName, event: "incident.looked-at-again", text: message },
          }
        : null,
    );
    return;
  }
  await stopForPerson(deps, incident.id, message, true);
}

/** Freezes the incident where it stands and calls a person. */
export async function stopForPerson(
  deps: MoveDeps,
  id: IncidentId,
  because: string,
  always = false,
): Promise<void> {
  await moveFresh(
    deps,
    id,
    ({ incident }) => {
      switch (incident.state) {
        case "opened":
        case "investigating":
        case "decided":
        case "contained":
        case "restored":
        case "mended":
          return {
            next: freezeIncident(incident, because),
            told: { actor: ownName, event: "incident.frozen", text: because },
          };
        default:
          return null;
      }
    },
    async (tx, moved) => {
      await callPerson(tx, deps, moved, because, { always });
    },
  );
}
