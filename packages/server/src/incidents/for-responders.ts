/** What a responder must know of an incident, put together from the records. */
import type { Incident as ApiIncident, IncidentDossier } from "@lastgood/sdk";
import type { Config } from "../config/config.ts";
import { respondersOf } from "../config/responders.ts";
import type { RecoveryId } from "../ids.ts";
import { whyBeyond } from "../recovery/agent-rights.ts";
import type { Recoveries, Recovery } from "../recovery/recovery.ts";

const suspectsMax = 5;
const linesMax = 10;

export async function dossierOf(
  incident: ApiIncident,
  recoveries: Pick<Recoveries, "find">,
  config: Config,
  now: Date,
): Promise<IncidentDossier> {
  const { kind, state, severity, service, title, onset, because, decision } = incident;
  const recovery =
    incident.recovery === null ? null : await recoveries.find(incident.recovery as RecoveryId);
  return {
    ...{ incident: incident.id, kind, state, severity, service, title, onset, because },
    symptoms: incident.symptoms.slice(0, linesMax).map(({ says }) => says),
    suspects: incident.suspects
      .filter(({ excluded }) => excluded === null)
      .slice(0, suspectsMax)
      .map(({ change, agent, layer, target, to, reason, posterior, witnesses }) => ({
        ...{ change, agent, layer, target, to, reason, posterior, witnesses },
      })),
    decision:
      decision === null
        ? null
        : { act: decision.act, because: decision.because.slice(0, linesMax) },
    recovery: recovery === null ? null : shown(recovery),
    may: recovery === null ? [] : mayOf(incident, recovery, config, now),
  };
}

function shown({ id, digest, state, plannedBy, plan }: Recovery): IncidentDossier["recovery"] {
  const { reversible, blastRadius } = plan;
  return {
    ...{ id, digest, state, plannedBy, reversible, blastRadius },
    conflicts: plan.conflicts.slice(0, linesMax),
  };
}

function mayOf(
  incident: ApiIncident,
  recovery: Recovery,
  config: Config,
  now: Date,
): IncidentDossier["may"] {
  const makers = incident.suspects
    .filter(({ change }) => recovery.undo.changes.some((undone) => undone === change))
    .map(({ agent }) => agent);
  const waits = recovery.state === "planned" || recovery.state === "awaiting-approval";
  return respondersOf(config).map((agent) => {
    if (!waits) return { agent, act: null, because: [`the plan is ${recovery.state}`] };
    const beyond = [
      ...whyBeyond(config, agent, recovery, { makers, now }),
      ...recovery.plan.conflicts.map((each) => `conflict: ${each}`),
    ];
    const act = recovery.plannedBy === agent ? ("run" as const) : ("approve" as const);
    return { agent, act: beyond.length === 0 ? act : null, because: beyond.slice(0, linesMax) };
  });
}
