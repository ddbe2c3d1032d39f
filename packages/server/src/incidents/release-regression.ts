/**
 * A rollout's candidate is worse than what served before: the dial itself has made the comparison, so there is
 * one suspect, and nothing to look for.
 *
 *   Q1. It opens an incident, or joins the one that is about it or still open to it (joining.ts).
 *   Q2. It is decided by the same ladder as every incident: mode, freeze, caps, and what persons decided.
 *   Q3. With nothing left to compare with, a shared cause cannot be told from the candidate: a person is called.
 *   Q4. Told again, it changes nothing; a process that died in between is followed by the next telling.
 *   Q5. Who took what it moves for another incident is told there, and called: nothing goes back meanwhile.
 *   Q6. What fell with what served before it is an incident too, of drift: nobody is to blame that the dial knows.
 */
import type { Mode } from "../config/config.ts";
import { carriersOf, distance } from "../config/graph.ts";
import { Fault } from "../fault.ts";
import type { ChangeId, IncidentId } from "../ids.ts";
import { findChanges } from "../ledger/ledger-store.ts";
import { recordEvent } from "../ledger/timeline.ts";
import { ruleOfReleases } from "../signals/release-verdict.ts";
import type { Verdict } from "../signals/verdict.ts";
import type { Judgement } from "./act-ladder.ts";
import { type ConcludeDeps, conclude } from "./conclude.ts";
import type { Suspected } from "./gather.ts";
import { beginInvestigation, decisionOf, type Incident, recoveryOf } from "./incident.ts";
import { requireIncident, symptomsOf } from "./incident-store.ts";
import type { Finding } from "./investigate.ts";
import { type Dialled, isLeftToPerson } from "./joining.ts";
import { callPerson, moveFresh, ownName } from "./moves.ts";
import { type NoticeDeps, type Noticed, notice } from "./notice.ts";
import type { Weighed } from "./suspects.ts";
import { takenBy } from "./taken.ts";

/** Its changes are oldest first. */
export interface ReleaseRegression extends Dialled {
  readonly artifact: string;
  readonly candidate: string;
  readonly prior: string;
  readonly automatic: Mode;
  readonly verdict: {
    readonly signal: string;
    readonly dimension: string | null;
    readonly evidence: number;
    readonly level: number;
    readonly against: number;
    readonly samples: number;
    readonly onset: Date | null;
    /** Null: nothing served beside it. */
    readonly control: string | null;
    readonly failing: readonly string[];
    readonly says: string;
  };
}

type ReleaseDeps = ConcludeDeps & NoticeDeps;

/** Returns the incident, decided. */
export async function reportRelease(
  deps: ReleaseDeps,
  regressed: ReleaseRegression,
): Promise<IncidentId> {
  const noticed = await openOrJoin(deps, regressed, "regression");
  if (!("incident" in noticed)) {
    throw new Error(`${regressed.rollout} got worse, and no incident could be opened`);
  }
  const { incident: id } = noticed;
  await decideOn(deps, id, regressed);
  await tellWhoTookIt(deps, id, regressed);
  return id;
}

/** Q6. The incident's own turn concludes it. True where there is something to conclude. */
export async function reportDrift(deps: ReleaseDeps, fallen: ReleaseRegression): Promise<boolean> {
  const noticed = await openOrJoin(deps, fallen, "drift");
  if (!("incident" in noticed)) return false;
  const { kind, incident } = noticed;
  const isLookedAt = await lookElsewhere(deps, incident, fallen);
  return kind !== "known" || isLookedAt;
}

/**
 * What a person was to approve on its account is called off, unless somebody let it begin. True where it is looked
 * at again: nothing is decided on its changes then, so it is once.
 */
async function lookElsewhere(
  deps: ReleaseDeps,
  id: IncidentId,
  fallen: ReleaseRegression,
): Promise<boolean> {
  const { incident: joined } = await requireIncident(deps.db, id);
  if (!isLeftToPerson(joined) || !isDecided(joined, fallen)) return false;
  const planned = recoveryOf(joined);
  const recovery = planned === null ? null : await deps.recoveries.find(planned);
  if (recovery !== null && !["planned", "awaiting-approval"].includes(recovery.state)) return false;
  const because = `${sayComparison(fallen)}: looks for what did it elsewhere`;
  const which = { automaticOnly: true, waitingOnly: true };
  try {
    const { incident: now } = await moveFresh(
      deps,
      id,
      ({ incident }) =>
        isLeftToPerson(incident) && isDecided(incident, fallen)
          ? {
              next: beginInvestigation(incident),
              told: { actor: ownName, event: "incident.looked-at-again", text: because },
            }
          : null,
      async (tx) => await deps.recoveries.callOff(tx, id, { because, ...which }),
    );
    return now.state === "investigating";
  } catch (error) {
    // Somebody let one begin just now.
    if (error instanceof Fault && error.code === "state_forbids") return false;
    throw error;
  }
}

async function decideOn(
  deps: ReleaseDeps,
  id: IncidentId,
  regressed: ReleaseRegression,
): Promise<void> {
  const { incident } = await requireIncident(deps.db, id);
  if (isDecided(incident, regressed)) return;
  const { incident: now } = await moveFresh(deps, id, ({ incident }) =>
    incident.state === "opened" ||
    incident.state === "handed-back" ||
    (incident.state === "decided" && incident.decision.act === "none")
      ? {
          next: beginInvestigation(incident),
          told: { actor: ownName, event: "incident.investigated", text: sayComparison(regressed) },
        }
      : null,
  );
  // A person has it, or a recovery is under way already.
  if (now.state !== "investigating") return;
  await conclude(deps, id, await findingOf(deps, now, regressed), null);
}

/** Q5. */
async function tellWhoTookIt(
  deps: ReleaseDeps,
  id: IncidentId,
  regressed: ReleaseRegression,
): Promise<void> {
  const { rollout, artifact, candidate } = regressed;
  const taken = await takenBy(deps, [{ layer: "versions", target: artifact }]);
  if (taken === null || taken.incident === id) return;
  const { incident, by } = taken;
  await deps.db.begin(async (tx) => {
    await recordEvent(tx, incident, {
      at: deps.world.now(),
      actor: ownName,
      event: "release.regressed",
      text: `${sayComparison(regressed)}; nothing goes back while ${by} has this: see ${id}`,
      details: { incident: id, rollout },
      key: `regressed-${rollout}`,
    });
    const stored = await requireIncident(tx, id);
    if (stored.pagedAt !== null) return;
    const because = `${artifact}:${candidate} is worse, and ${by} took ${incident}: nothing goes back by itself`;
    await callPerson(tx, deps, stored, because);
  });
}

/** Q1. An echo of what was verified just now is the same incident still. */
async function openOrJoin(
  deps: ReleaseDeps,
  regressed: ReleaseRegression,
  kind: "regression" | "drift",
): Promise<Noticed> {
  const verdict = verdictOf(deps, regressed, kind);
  const noticed = await notice(deps, verdict, regressed);
  if (noticed.kind !== "echo") return noticed;
  // It began before the last one was over: dated anew, it is one of its own.
  const at = deps.world.now();
  return await notice(deps, { ...verdict, onset: at, at }, regressed);
}

function verdictOf(
  { configuration, world }: ConcludeDeps,
  { environment, artifact, verdict }: ReleaseRegression,
  kind: "regression" | "drift",
): Verdict {
  const { signal, dimension, evidence, level, against, samples, onset, says } = verdict;
  const at = world.now();
  const [service = artifact] = carriersOf(configuration.current(), {
    ...{ layer: "versions", target: artifact },
  });
  return {
    ...{ rule: ruleOfReleases({ environment, artifact }), service, signal, kind, at },
    ...{ customerFacing: true, severity: "high", onset: onset ?? at, evidence },
    ...{ floor: against, level, samples, failingKeys: verdict.failing.length },
    ...{ hard: false, dimension, says },
  };
}

function isDecided(incident: Incident, { changes }: ReleaseRegression): boolean {
  const decision = decisionOf(incident);
  return decision !== null && changes.some((change) => decision.changes.includes(change));
}

async function findingOf(
  { db, configuration, world }: ConcludeDeps,
  incident: Incident,
  regressed: ReleaseRegression,
): Promise<Finding> {
  const { changes: ids, verdict, automatic } = regressed;
  const config = configuration.current();
  const found = ids.length === 0 ? [] : await findChanges(db, { ids, limit: ids.length });
  const suspected: readonly Suspected[] = found.map((change) => ({
    change,
    exposedAt: change.exposures[0]?.exposedAt ?? change.at,
    deploy: null,
    distance: distance(config, change, incident.service) ?? 0,
  }));
  const posterior = verdict.evidence / (1 + Math.min(verdict.evidence, Number.MAX_VALUE / 2));
  const suspects = ids.map((change, index) =>
    weighed(change, index === 0 ? posterior : 0, regressed),
  );
  const none = {
    ...{ prior: 0.5, commonCause: 1, posterior: 1 - posterior },
    observations: [sayControl(regressed)],
  };
  const rows = suspects.map((each) => {
    const of = suspected.find(({ change }) => change.id === each.change);
    const exposedAt = of?.exposedAt ?? world.now();
    return { ...each, exposedAt, deploy: null, distance: of?.distance ?? 0 };
  });
  const judgement = judgementOf(regressed, posterior);
  return {
    symptoms: await symptomsOf(db, incident.id),
    ...{ suspected, judgement, knownGood: [], closed: Promise.resolve(), mode: automatic },
    weighing: { assessment: { suspects, none }, rows, judge: () => judgement },
  };
}

/** Q3. */
function judgementOf(regressed: ReleaseRegression, posterior: number): Judgement {
  const common = { changes: regressed.changes, innocents: [], posterior } as const;
  if (regressed.verdict.control === null) {
    const because = `${sayComparison(regressed)}; nothing served beside it, so a shared cause cannot be told from it`;
    return { ...common, rung: "freeze", witnesses: [], because };
  }
  return { ...common, rung: "act", witnesses: ["contrast"], because: sayComparison(regressed) };
}

function weighed(change: ChangeId, posterior: number, regressed: ReleaseRegression): Weighed {
  const observations = [
    posterior > 0 ? sayComparison(regressed) : "a later step of the same rollout",
  ];
  return {
    ...{ change, excluded: null, posterior, observations },
    factors: { prior: 0.5, contrast: 1, scope: 1, time: 1, rerun: 1 },
    witnesses: regressed.verdict.control === null ? [] : ["contrast"],
  };
}

function sayComparison({
  artifact,
  candidate,
  prior,
  rollout,
  verdict,
}: ReleaseRegression): string {
  return `${artifact}:${candidate} against ${prior} in ${rollout}: ${verdict.says}`;
}

function sayControl({ prior, verdict }: ReleaseRegression): string {
  return verdict.control === null
    ? "nothing served beside it"
    : `${prior} served beside it at the same time, and does not show it`;
}
