/** An incident that a recovery put right, as the API shows it: what a skill is written from. */
import type { Check, Incident, Recovery } from "@lastgood/sdk";
import type { IncidentId } from "../../src/ids.ts";

export const guilty = "01a219ce-16e4-7363-8b71-6ef48a738429";
const detectedAt = "2026-09-21T09:00:00.000Z";

export function incidentOf(id: string, change: Partial<Incident> = {}): Incident {
  const times = { onset: detectedAt, detectedAt, openedAt: detectedAt };
  return {
    id,
    ...{ kind: "regression", state: "resumed", severity: "high", service: "content-api" },
    ...{ title: "content-api: latency went bad", ...times, decidedAt: "2026-09-21T09:00:06.000Z" },
    ...{ containedAt: null, restoredAt: null, verifiedAt: "2026-09-21T09:00:12.000Z" },
    ...{ resumedAt: null, closedAt: null, recovery: "rec_1", takenBy: null, pagedAt: null },
    ...{ because: "", outcome: null, none: null, timeline: [], next: [] },
    symptoms: [
      {
        ...{ service: "content-api", rule: "health", signal: "health", dimension: null },
        ...{ customerFacing: true, severity: "high", hard: true, onset: detectedAt, detectedAt },
        ...{ floor: 0.97, level: 0, evidence: 1_000, samples: 20, says: "went bad" },
      },
    ],
    suspects: [
      {
        ...{ change: guilty, agent: "backend", layer: "code", target: "api", to: "a".repeat(40) },
        ...{ reason: "refactor: one index is enough", exposedAt: detectedAt, deploy: null },
        ...{ distance: 0, excluded: null, posterior: 0.994, witnesses: ["contrast", "rerun"] },
        factors: { prior: 0.1, contrast: 99, scope: 1, time: 1, rerun: 99 },
        observations: [],
      },
    ],
    decision: {
      ...{ at: detectedAt, act: "run", would: "run", mode: "auto", changes: [guilty] },
      ...{ innocents: [], posterior: 0.994, witnesses: ["contrast", "rerun"], because: [] },
    },
    reruns: [],
    ...change,
  };
}

export function recoveryOf(incident: string, change: Partial<Recovery> = {}): Recovery {
  const step = {
    says: "",
    state: "verified",
    observed: [],
    startedAt: null,
    endedAt: null,
  } as const;
  return {
    ...{ id: "rec_1", incident, state: "verified", because: "", digest: "d", reason: "" },
    changes: [guilty],
    plan: {
      ...{ losses: [], conflicts: [], gaps: [], reversible: true, blastRadius: 1, undoWith: "" },
      touches: { commits: 1, documents: 0, consumers: 0, executions: 0, servicesDown: [] },
    },
    steps: [
      {
        ...{ ...step, index: 0, layer: "fleet", stage: "contain" },
        action: { do: "contain", agent: "backend" },
      },
      {
        ...{ ...step, index: 1, layer: "code", stage: "restore" },
        action: { do: "revert", repository: "api", commits: ["a".repeat(40)] },
      },
    ],
    ...{ plannedBy: "lastgood", runBy: "lastgood", automatic: true, approvals: [] },
    ...{ plannedAt: detectedAt, startedAt: null, endedAt: null, replaces: null, undoes: null },
    ...change,
  };
}

export function checkOf(incident: string): Check {
  return {
    ...{ id: "chk_1", incident, service: "content-api", command: ["node", "check/check.js"] },
    ...{ badRevision: "a".repeat(40), goodRevision: "b".repeat(40), accepted: true },
    ...{ because: "3 of 3 red", runs: [] },
  };
}

export const asIncident = (id: string) => id as IncidentId;
