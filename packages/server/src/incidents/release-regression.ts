/**
 * A rollout's candidate is worse than what served before: the dial itself has made the comparison, so there is
 * one suspect, and nothing to look for.
 *
 *   Q1. It opens an incident or joins the one that its service has, as any regression does.
 *   Q2. It is decided by the same ladder as every incident: mode, freeze, caps, and what persons decided.
 *   Q3. With nothing left to compare with, a shared cause cannot be told from the candidate: a person is called.
 *   Q4. Told again, it changes nothing; a process that died in between is followed by the next telling.
 */
import type { Mode } from "../config/config.ts";
import { carriersOf, distance } from "../config/graph.ts";
import type { ChangeId, IncidentId } from "../ids.ts";
import { findChanges } from "../ledger/ledger-store.ts";
import type { Verdict } from "../signals/verdict.ts";
import type { Judgement } from "./act-ladder.ts";
import { type ConcludeDeps, conclude } from "./conclude.ts";
import type { Suspected } from "./gather.ts";
import { beginInvestigation, decisionOf, type Incident } from "./incident.ts";
import { requireIncident, symptomsOf } from "./incident-store.ts";
import type { Finding } from "./investigate.ts";
import { moveFresh, ownName } from "./moves.ts";
import { notice } from "./notice.ts";
import type { Weighed } from "./suspects.ts";

export interface ReleaseRegression {
  readonly rollout: string;
  readonly environment: string;
  readonly artifact: string;
  readonly candidate: string;
  readonly prior: string;
  /** The changes that brought it, oldest first. */
  readonly changes: readonly ChangeId[];
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

/** Returns the incident, decided. */
export async function reportRelease(
  deps: ConcludeDeps,
  regressed: ReleaseRegression,
): Promise<IncidentId> {
  const id = await openOrJoin(deps, regressed);
  const { incident } = await requireIncident(deps.db, id);
  if (isDecided(incident, regressed)) return id;
  const { incident: now } = await moveFresh(deps, id, ({ incident }) =>
    incident.state === "opened" ||
    (incident.state === "decided" && incident.decision.act === "none")
      ? {
          next: beginInvestigation(incident),
          told: { actor: ownName, event: "incident.investigated", text: sayComparison(regressed) },
        }
      : null,
  );
  // A person has it, or a recovery is under way already.
  if (now.state !== "investigating") return id;
  await conclude(deps, id, await findingOf(deps, now, regressed), null);
  return id;
}

/** Q1. An echo of what was verified just now is the same incident still. */
async function openOrJoin(deps: ConcludeDeps, regressed: ReleaseRegression): Promise<IncidentId> {
  const noticed = await notice(deps, verdictOf(deps, regressed));
  if ("incident" in noticed) return noticed.incident;
  // It began before the last one was over: dated anew, it is one of its own.
  const at = deps.world.now();
  const anew = await notice(deps, { ...verdictOf(deps, regressed), onset: at, at });
  if ("incident" in anew) return anew.incident;
  throw new Error(`${regressed.rollout} regressed, and no incident could be opened`);
}

function verdictOf(
  { configuration, world }: ConcludeDeps,
  { environment, artifact, verdict }: ReleaseRegression,
): Verdict {
  const { signal, dimension, evidence, level, against, samples, onset, says } = verdict;
  const at = world.now();
  const [service = artifact] = carriersOf(configuration.current(), {
    ...{ layer: "versions", target: artifact },
  });
  return {
    ...{ rule: `${artifact}@${environment}`, service, signal, kind: "regression", at },
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
