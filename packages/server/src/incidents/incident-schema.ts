import {
  type Freeze as ApiFreeze,
  type Incident as ApiIncident,
  type Symptom as ApiSymptom,
  type IncidentSummary,
  type incidentActions,
  incidentStates,
  mayAct,
  type Rerun,
  type Suspect,
  type TimelineEntry,
  type WouldHave,
} from "@lastgood/sdk";
import { z } from "zod";
import { readTimeline } from "../ledger/timeline.ts";
import type { Query } from "../store/database.ts";
import type { Freeze } from "./freeze.ts";
import { type Decision, decisionOf, headline, recoveryOf, type Symptom } from "./incident.ts";
import { type Stored, symptomsOf } from "./incident-store.ts";
import { readSuspects, rerunsOf, type StoredRerun, type StoredSuspect } from "./triage-store.ts";

const moment = z.string().nullable();
const severity = z.enum(["critical", "high", "low"]);
const witnesses = z.array(z.enum(["contrast", "rerun", "reports"]));
const mode = z.enum(["watch", "propose", "auto"]);
const would = z.enum(["run", "freeze", "none"]);

const summaryShape = {
  id: z.string(),
  kind: z.enum(["regression", "drift", "contradiction", "storm", "rollout"]),
  state: z.enum(incidentStates),
  severity,
  service: z.string(),
  title: z.string(),
  onset: z.string(),
  detectedAt: z.string(),
  openedAt: z.string(),
  decidedAt: moment,
  containedAt: moment,
  restoredAt: moment,
  verifiedAt: moment,
  resumedAt: moment,
  closedAt: moment,
  recovery: z.string().nullable(),
  takenBy: z.string().nullable(),
  pagedAt: moment,
  because: z.string(),
  outcome: z.string().nullable(),
};

/** The shapes that the SDK states; a difference between the two does not compile. */
export const summarySchema: z.ZodType<IncidentSummary> = z.object(summaryShape);

const symptomSchema: z.ZodType<ApiSymptom> = z.object({
  service: z.string(),
  rule: z.string(),
  signal: z.string(),
  dimension: z.string().nullable(),
  customerFacing: z.boolean(),
  severity,
  hard: z.boolean(),
  onset: z.string(),
  detectedAt: z.string(),
  floor: z.number(),
  level: z.number(),
  evidence: z.number(),
  samples: z.number(),
  says: z.string(),
});

const suspectSchema: z.ZodType<Suspect> = z.object({
  change: z.string(),
  agent: z.string(),
  layer: z.string(),
  target: z.string(),
  to: z.string().nullable(),
  reason: z.string(),
  exposedAt: z.string(),
  deploy: z.string().nullable(),
  distance: z.number().nullable(),
  excluded: z.string().nullable(),
  factors: z.object({
    prior: z.number(),
    contrast: z.number(),
    scope: z.number(),
    time: z.number(),
    rerun: z.number(),
  }),
  posterior: z.number(),
  witnesses,
  observations: z.array(z.string()),
});

const timelineSchema: z.ZodType<TimelineEntry> = z.object({
  at: z.string(),
  actor: z.string(),
  event: z.string(),
  text: z.string(),
  details: z.record(z.string(), z.unknown()),
});

export const incidentSchema: z.ZodType<ApiIncident> = z.object({
  ...summaryShape,
  symptoms: z.array(symptomSchema),
  suspects: z.array(suspectSchema),
  none: z
    .object({
      prior: z.number(),
      commonCause: z.number(),
      posterior: z.number(),
      observations: z.array(z.string()),
    })
    .nullable(),
  decision: z
    .object({
      at: z.string(),
      act: z.enum(["run", "propose", "watch", "freeze", "none"]),
      would,
      mode,
      changes: z.array(z.string()),
      innocents: z.array(z.string()),
      posterior: z.number(),
      witnesses,
      because: z.array(z.string()),
    })
    .nullable(),
  reruns: z.array(
    z.object({
      at: z.string(),
      service: z.string(),
      revision: z.string(),
      outcome: z.enum(["good", "bad", "cannot-tell"]),
      tookMs: z.number(),
    }),
  ),
  timeline: z.array(timelineSchema),
  next: z.array(z.string()),
});

export const freezeSchema: z.ZodType<ApiFreeze> = z.object({
  by: z.string(),
  reason: z.string(),
  at: z.string(),
});

export const wouldHaveSchema: z.ZodType<WouldHave> = z.object({
  at: z.string(),
  incident: z.string().nullable(),
  service: z.string(),
  would,
  mode,
  changes: z.array(z.string()),
  says: z.string(),
  posterior: z.number(),
  because: z.array(z.string()),
  people: z.enum(["agreed", "other", "nothing"]),
  peopleSay: z.string(),
});

export function summaryOf({ incident, pagedAt }: Stored): IncidentSummary {
  return {
    id: incident.id,
    kind: incident.kind,
    state: incident.state,
    severity: incident.severity,
    service: incident.service,
    title: incident.title,
    onset: incident.onset.toISOString(),
    detectedAt: incident.detectedAt.toISOString(),
    openedAt: incident.openedAt.toISOString(),
    decidedAt: iso(incident.decidedAt),
    containedAt: iso(incident.containedAt),
    restoredAt: iso(incident.restoredAt),
    verifiedAt: iso(incident.verifiedAt),
    resumedAt: iso(incident.resumedAt),
    closedAt: iso(incident.closedAt),
    recovery: recoveryOf(incident),
    takenBy: incident.state === "taken" ? incident.by : null,
    pagedAt: iso(pagedAt),
    because: headline(incident),
    outcome: incident.state === "closed" ? incident.outcome : null,
  };
}

/** Everything that is known of an incident. */
export async function toApi(db: Query, stored: Stored): Promise<ApiIncident> {
  const { incident } = stored;
  const symptoms = await symptomsOf(db, incident.id);
  const { suspects, none } = await readSuspects(db, incident.id);
  const reruns = await rerunsOf(db, incident.id);
  const timeline = await readTimeline(db, incident.id);
  const decision = decisionOf(incident);
  return {
    ...summaryOf(stored),
    symptoms: symptoms.map(toApiSymptom),
    suspects: suspects.map(toApiSuspect),
    none,
    decision: decision === null ? null : toApiDecision(decision),
    reruns: reruns.map(toApiRerun),
    timeline: timeline.map((event) => ({ ...event, at: event.at.toISOString() })),
    next: nextCommands(stored),
  };
}

/** What a person may do now, the likeliest first. */
export function nextCommands({ incident }: Stored): readonly string[] {
  const recovery = recoveryOf(incident);
  const commands: Readonly<Record<keyof typeof incidentActions, readonly string[]>> = {
    approve:
      recovery === null
        ? []
        : [`lastgood recover show ${recovery}`, `lastgood approve ${recovery}`],
    take: [`lastgood incident take ${incident.id}`],
    done: [`lastgood incident done ${incident.id} "what you did"`],
    "hand-back": [`lastgood incident hand-back ${incident.id}`],
    close: [`lastgood incident close ${incident.id} "why it needs nothing"`],
  };
  const gap =
    incident.state === "resumed"
      ? [`lastgood incident gap ${incident.id} GAP "why it got through"`]
      : [];
  const order = ["approve", "take", "done", "hand-back", "close"] as const;
  const acts = order.flatMap((action) => (mayAct(action, incident.state) ? commands[action] : []));
  return [...gap, ...acts];
}

export function toApiFreeze(freeze: Freeze): ApiFreeze {
  return { ...freeze, at: freeze.at.toISOString() };
}

function toApiSymptom(symptom: Symptom): ApiSymptom {
  return {
    ...symptom,
    onset: symptom.onset.toISOString(),
    detectedAt: symptom.detectedAt.toISOString(),
  };
}

function toApiSuspect(suspect: StoredSuspect): Suspect {
  return { ...suspect, exposedAt: suspect.exposedAt.toISOString() };
}

function toApiRerun(rerun: StoredRerun): Rerun {
  return { ...rerun, at: rerun.at.toISOString() };
}

function toApiDecision({ agents: _, ...decision }: Decision): NonNullable<ApiIncident["decision"]> {
  return { ...decision, at: decision.at.toISOString() };
}

function iso(at: Date | null): string | null {
  return at === null ? null : at.toISOString();
}
