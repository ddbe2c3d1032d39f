/** The post-mortem, written from the records alone: what is not recorded is not claimed. */
import type { Check, Incident, PostMortem, Recovery, Suspect } from "@lastgood/sdk";
import { gapOf, ownName, type Passage, questionsOf } from "./gap.ts";

export interface Records {
  readonly incident: Incident;
  readonly recovery: Recovery | null;
  readonly check: Check | null;
  /** Null where it was no release that did it. */
  readonly passage: Passage | null;
  readonly draft: boolean;
  readonly writtenAt: Date;
}

export function writePostMortem(records: Records): PostMortem {
  const { incident, recovery, check, passage, draft, writtenAt } = records;
  const cause = causeOf(incident, recovery);
  const { answers, answeredBy } = questionsOf(passage);
  const began = cause?.exposedAt ?? incident.onset;
  return {
    incident: incident.id,
    recovery: recovery?.id ?? null,
    title: incident.title,
    severity: incident.severity,
    summary: summaryOf(incident, cause, recovery),
    impact: incident.symptoms.map((symptom) => symptom.says),
    elapsedMs: {
      changedToDetected: between(began, incident.detectedAt),
      detectedToDecided: between(incident.detectedAt, incident.decidedAt),
      decidedToContained: between(incident.decidedAt, incident.containedAt),
      containedToRestored: between(incident.containedAt, incident.restoredAt),
      restoredToVerified: between(incident.restoredAt, incident.verifiedAt),
      verifiedToResumed: between(incident.verifiedAt, incident.resumedAt),
    },
    cause:
      cause === null
        ? null
        : {
            change: cause.change,
            agent: cause.agent,
            target: cause.target,
            revision: cause.to,
            reason: cause.reason,
            posterior: cause.posterior,
            evidence: cause.observations,
          },
    losses: recovery?.plan.losses ?? [],
    notCovered: recovery?.plan.gaps ?? [],
    timeline: incident.timeline.map(({ at, actor, event, text }) => ({
      at,
      elapsedMs: between(began, at) ?? 0,
      actor,
      event,
      text,
    })),
    check,
    gap: gapOf(check, passage),
    questions: answers,
    answeredBy,
    draft,
    writtenAt: writtenAt.toISOString(),
  };
}

/** What was put back; of several, the one that is most likely. */
function causeOf(incident: Incident, recovery: Recovery | null): Suspect | null {
  const undone = recovery?.changes ?? incident.decision?.changes ?? [];
  const suspects = incident.suspects.filter((suspect) => undone.includes(suspect.change));
  return suspects.toSorted((a, b) => b.posterior - a.posterior)[0] ?? null;
}

function summaryOf(incident: Incident, cause: Suspect | null, recovery: Recovery | null): string {
  const what = `${incident.service}: ${incident.title}.`;
  if (cause === null) return `${what} No change was put back.`;
  const change = `${cause.agent}'s ${cause.layer} change "${cause.reason}" (${(cause.to ?? cause.change).slice(0, 12)})`;
  const by = recovery?.runBy ?? recovery?.plannedBy ?? "hand";
  const how = by === ownName ? "automatically" : `by ${by}`;
  const state =
    incident.verifiedAt === null ? "and is not verified yet" : `verified ${incident.verifiedAt}`;
  return `${what} ${change} did it, with a posterior of ${cause.posterior.toFixed(4)}. It was put back ${how}, ${state}.`;
}

function between(from: string | null, to: string | null): number | null {
  return from === null || to === null ? null : new Date(to).getTime() - new Date(from).getTime();
}
