/**
 * What follows a decision: the recovery is begun, or waits for approval, or a person is called.
 */
import { Fault, faults } from "../fault.ts";
import type { IncidentId } from "../ids.ts";
import type { Query } from "../store/database.ts";
import type { ConcludeDeps } from "./conclude.ts";
import { readFreeze } from "./freeze.ts";
import { beginInvestigation, type Decided, freezeIncident } from "./incident.ts";
import { isOpenAgain, requireIncident, type Stored } from "./incident-store.ts";
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
  const { code, message, context } = error;
  if (context.contradiction !== undefined) {
    return await stopForPerson(deps, incident.id, message, "no");
  }
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
  await stopForPerson(deps, incident.id, message, "always");
}

/** Freezes the incident where it stands and calls a person; `no`: one is called for it already. */
export async function stopForPerson(
  deps: MoveDeps,
  id: IncidentId,
  because: string,
  page: "always" | "once" | "no" = "once",
): Promise<void> {
  const { db } = deps;
  const call = async (tx: Query, stored: Stored) => {
    if (page !== "no") await callPerson(tx, deps, stored, because, { always: page === "always" });
  };
  const { state, signature } = (await requireIncident(db, id)).incident;
  if (state === "verified" && (await isOpenAgain(db, signature))) {
    // The same went bad anew, and that incident is the one to take.
    return await db.begin(async (tx) => call(tx, await requireIncident(tx, id)));
  }
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
        // Proven, but what was held or had failed did not come back.
        case "verified":
        case "mended":
          return {
            next: freezeIncident(incident, because),
            told: { actor: ownName, event: "incident.frozen", text: because },
          };
        default:
          return null;
      }
    },
    call,
  );
}
