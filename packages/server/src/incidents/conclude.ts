/**
 * From a finding to a decision on record, and from there to the recovery room.
 *
 *   D1. Plan first, then decide: conflicts, reach and reversibility are known before anything is said.
 *   D2. Decision, table of suspects, timeline and page are one transaction, under the lease.
 *   D3. What was decided is handed over after it is on record, and again after a restart: the recovery
 *       room starts a planned recovery once.
 */
import type { Logger } from "pino";
import { authoritySchema } from "../config/config.ts";
import { upstreamOf } from "../config/graph.ts";
import { Fault, faults } from "../fault.ts";
import type { AgentName, IncidentId, ServiceName } from "../ids.ts";
import type { Undo } from "../layers/layer.ts";
import { recordEvent } from "../ledger/timeline.ts";
import { isHand, isPersons } from "../recovery/agent-rights.ts";
import { beyondAuthority } from "../recovery/authority.ts";
import type { Recoveries, Recovery } from "../recovery/recovery.ts";
import { type Lease, requireLease } from "../store/lease.ts";
import { type Judgement, type Permit, percent, permit } from "./act-ladder.ts";
import { readFreeze } from "./freeze.ts";
import { slackOf } from "./gather.ts";
import { type Decision, decide, freezeIncident, type Incident } from "./incident.ts";
import { moveIncident, requireIncident, type Stored } from "./incident-store.ts";
import type { Finding } from "./investigate.ts";
import { modeOf, strictest, touchedBy } from "./modes.ts";
import { callPerson, type MoveDeps, move, ownName } from "./moves.ts";
import type { Playbooks } from "./neighbours.ts";
import {
  automaticRecoveries,
  lastExposure,
  markKnownGood,
  putDecision,
  putSuspects,
} from "./triage-store.ts";

export interface ConcludeDeps extends MoveDeps {
  readonly recoveries: Recoveries;
  readonly log: Logger;
  readonly playbooks?: Playbooks;
}

/** What Lastgood itself may put back without asking; modes and caps bound it further. */
export const ownAuthority = authoritySchema.parse({
  layers: ["code", "state", "messages", "versions", "runtime", "data"],
  maxHours: 72,
  mode: "auto",
});

const planTriesMax = 3;

/** Records what is to be done about the finding. Returns the incident as it then stands. */
export async function conclude(
  deps: ConcludeDeps,
  id: IncidentId,
  finding: Finding,
  lease: Lease | null,
): Promise<Stored> {
  const { db } = deps;
  const { incident } = await requireIncident(db, id);
  const { judgement } = finding;
  const planned = await planFor(deps, incident, finding);
  const { decision, permitted } = await decisionFor(deps, incident, finding, planned);
  const recovery = planned.recovery?.id ?? null;
  const concluded = await db.begin(async (tx) => {
    if (lease !== null) await requireLease(tx, lease);
    const stored = await requireIncident(tx, id);
    // A person took it, or closed it, while it was investigated.
    if (stored.incident.state !== "investigating") return stored;
    const decided = decide(stored.incident, decision, recovery);
    let now = await move(tx, deps, stored, decided, {
      actor: ownName,
      event: "incident.decided",
      text: sayDecision(decision),
      details: {
        act: decision.act,
        would: decision.would,
        mode: decision.mode,
        changes: decision.changes,
        posterior: decision.posterior,
        witnesses: decision.witnesses,
        recovery,
      },
    });
    const { rows, assessment } = finding.weighing;
    await putSuspects(tx, id, rows, assessment.none, decision.at);
    await putDecision(tx, id, incident.service, decision, recovery);
    if (decision.would === "run") await markKnownGood(tx, id, finding.knownGood);
    if (permitted.drift) await tellDrift(tx, deps, id, finding);
    if (decision.act === "freeze") {
      const because = decision.because.join("; ");
      now = await moveIncident(tx, now, freezeIncident(decided, because));
    }
    if (permitted.permit.page !== "no") {
      const always = permitted.permit.page === "always-a-person";
      now = await callPerson(tx, deps, now, decision.because.join("; "), { always });
    }
    return now;
  });
  await deps.playbooks?.decided(id, {
    changes: judgement.changes,
    sure: judgement.rung === "act",
    steps: planned.recovery?.plan.steps ?? [],
  });
  return concluded;
}

interface Planned {
  readonly recovery: Recovery | null;
  readonly unplanned: string | null;
}

/** A plan for what the judgement means; what cannot be planned is said, not thrown. */
async function planFor(
  { recoveries }: ConcludeDeps,
  incident: Incident,
  { judgement, suspected, symptoms }: Finding,
): Promise<Planned> {
  if (judgement.rung === "none") return { recovery: null, unplanned: null };
  const guilty = judgement.changes.filter((change) => !judgement.innocents.includes(change));
  const hands = suspected
    .filter(({ change }) => guilty.includes(change.id) && isHand(change.agent))
    .map(({ change }) => change.agent as AgentName);
  const undo: Undo = {
    changes: judgement.changes,
    agents: [...new Set(hands)],
    services: [...new Set(symptoms.map(({ service }) => service as ServiceName))],
    since: incident.onset,
    incident: incident.id,
    because: `${incident.title}: ${sayChanges(judgement, suspected)}`,
  };
  for (let tries = 1; ; tries++) {
    try {
      const recovery = await recoveries.plan(undo, ownName, { automatic: true });
      return { recovery, unplanned: null };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (faults[error.code].retry === "later" && tries < planTriesMax) continue;
      return { recovery: null, unplanned: `it cannot be planned: ${error.message}` };
    }
  }
}

async function decisionFor(
  deps: ConcludeDeps,
  incident: Incident,
  { judgement, suspected, symptoms, mode: ownMode = "auto" }: Finding,
  { recovery, unplanned }: Planned,
): Promise<{ decision: Decision; permitted: { permit: Permit; drift: boolean } }> {
  const { db, world, configuration } = deps;
  const config = configuration.current();
  const now = world.now();
  const touched = touchedBy(recovery?.plan.steps ?? []);
  const services = [...new Set([...symptoms.map((each) => each.service), ...touched.services])];
  const named = judgement.changes.length;
  const drift =
    named === 0 &&
    (incident.kind === "drift" || (await hasDrifted(deps, incident, suspected.length)));
  const freeze = await readFreeze(db);
  const meant = suspected.filter(({ change }) => judgement.changes.includes(change.id));
  const mode = strictest([ownMode, modeOf(config, services, touched.layers)]);
  const permitted = permit(judgement, {
    mode,
    frozenBecause: freeze?.reason ?? null,
    indicatorsOnly: !symptoms.some((each) => each.customerFacing),
    drift,
    humanDecisions: meant
      .filter(({ change }) => isPersons(change.agent))
      .map(({ change }) => `${change.agent}: ${change.reason}`),
    plan: recovery?.plan ?? null,
    unplanned,
    beyondAuthority:
      recovery === null ? [] : beyondAuthority(ownAuthority, recovery.plan, recovery.undo, now),
    recoveries: await automaticRecoveries(db, incident.service, now),
    caps: config.caps,
    severity: incident.severity,
  });
  const agents = [...new Set(meant.map(({ change }) => change.agent as AgentName))];
  return {
    permitted: { permit: permitted, drift },
    decision: {
      at: now,
      act: permitted.act,
      would: permitted.would,
      mode,
      changes: judgement.changes,
      innocents: judgement.innocents,
      agents,
      posterior: judgement.posterior,
      witnesses: judgement.witnesses,
      because: [...permitted.because, ...sayInnocents(judgement, suspected)],
    },
  };
}

/** Nothing new reached it, and what is live has been so for longer than `freshFor`. */
async function hasDrifted(
  { db, configuration }: ConcludeDeps,
  { service, onset }: Incident,
  suspects: number,
): Promise<boolean> {
  if (suspects > 0) return false;
  const config = configuration.current();
  const last = await lastExposure(db, upstreamOf(config, service));
  const ageMs = last === null ? 0 : onset.getTime() + slackOf(config, service) - last.getTime();
  return ageMs > config.triage.freshFor;
}

async function tellDrift(
  tx: Parameters<typeof recordEvent>[0],
  { world }: ConcludeDeps,
  id: IncidentId,
  { judgement, symptoms }: Finding,
): Promise<void> {
  const said = symptoms.map(({ says }) => says.replace(/\.$/, "")).join("; ");
  await recordEvent(tx, id, {
    at: world.now(),
    actor: ownName,
    event: "drift.detected",
    text: `Nothing is rolled back: ${said} (${judgement.because}). Look for what they share; where that is well, what is live got worse by itself: retrain or rewrite it.`,
    key: "drift",
  });
}

function sayDecision(decision: Decision): string {
  const acts: Readonly<Record<Decision["act"], string>> = {
    run: "Puts it back",
    propose: "Proposes to put it back",
    watch: `Would ${decision.would === "run" ? "put it back" : "call a person"}, and only watches`,
    freeze: "Leaves it to a person",
    none: "Moves nothing",
  };
  return `${acts[decision.act]}: ${decision.because.join("; ")}`;
}

function sayChanges({ changes, posterior }: Judgement, suspected: Finding["suspected"]): string {
  const told = suspected
    .filter(({ change }) => changes.includes(change.id))
    .map(({ change }) => sayChange(change));
  return `${told.join(", ")} did it (${percent(posterior)})`;
}

/** `b8e4d12 "refactor the index" by backend`. */
export function sayChange({
  to,
  target,
  reason,
  agent,
}: {
  readonly to: string | null;
  readonly target: string;
  readonly reason: string;
  readonly agent: string;
}): string {
  const what =
    to !== null && /^[0-9a-f]{40,64}$/.test(to) ? to.slice(0, 7) : `${target} ${to ?? ""}`;
  return `${what.trim()} "${reason.slice(0, 80)}" by ${agent}`;
}

function sayInnocents(
  { innocents }: Judgement,
  suspected: Finding["suspected"],
): readonly string[] {
  if (innocents.length === 0) return [];
  const told = suspected
    .filter(({ change }) => innocents.includes(change.id))
    .map(({ change }) => sayChange(change));
  return [`could not be split in time; likely innocent and going back with it: ${told.join(", ")}`];
}
