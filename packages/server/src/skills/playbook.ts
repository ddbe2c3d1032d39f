/** What a verified recovery teaches, and what is added when it helped again. Pure. */
import type {
  Check,
  Incident,
  Playbook,
  PlaybookCase,
  PlaybookCause,
  PlaybookStep,
  Recovery,
} from "@lastgood/sdk";
import { agentInbox } from "../config/inbox-names.ts";
import { signatureOf } from "../incidents/incident.ts";
import type { Step } from "../layers/layer.ts";
import { name, plain } from "./plain.ts";
import type { Trace } from "./trace.ts";

export interface Records {
  readonly incident: Incident;
  readonly recovery: Recovery | null;
  readonly check: Check | null;
  /** By change, of those that the recovery put back. */
  readonly traces: ReadonlyMap<string, Trace>;
}

export type Lesson = Omit<Playbook, "skill" | "revision">;

const causesMax = 5;
const casesMax = 20;
const signaturesMax = 20;
const stepsMax = 50;
const textMax = 200;

/**
 * Null where there is nothing to learn a plan from: nothing was put back, it is not verified, or a person put
 * it right by other means.
 */
export function lessonOf({ incident, recovery, check, traces }: Records): Lesson | null {
  if (incident.kind !== "regression" || recovery?.state !== "verified") return null;
  if (recovery.undoes !== null || !recovery.steps.some(({ layer }) => putsBack(layer))) return null;
  const innocents = incident.decision?.innocents ?? [];
  const causes = incident.suspects
    .filter(({ change }) => recovery.changes.includes(change) && !innocents.includes(change))
    .flatMap((suspect): readonly PlaybookCause[] => {
      const trace = traces.get(suspect.change);
      if (trace === undefined) return [];
      return [
        {
          incident: incident.id,
          ...trace,
          to: suspect.to === null ? null : name(suspect.to),
          agent: plain(suspect.agent, textMax),
          reason: plain(suspect.reason, textMax),
        },
      ];
    });
  if (causes.length === 0) return null;
  return {
    format: 1,
    service: name(incident.service),
    signatures: signaturesOf(incident),
    causes: causes.slice(0, causesMax),
    evidence: {
      witnesses: incident.decision?.witnesses ?? [],
      check: check?.accepted === true ? checkOf(check) : null,
    },
    steps: shapeOf(recovery.steps),
    cases: [caseOf(incident, recovery)],
  };
}

/** The playbook after it helped: what it learned then stands first. The plan is the newest that worked. */
export function learnedAgain(before: Playbook, lesson: Lesson): Playbook {
  const newest = lesson.cases[0]?.incident;
  const { evidence } = lesson;
  return {
    ...before,
    revision: before.revision + 1,
    signatures: [...new Set([...before.signatures, ...lesson.signatures])].slice(0, signaturesMax),
    causes: [
      ...lesson.causes,
      ...before.causes.filter(({ incident }) => incident !== newest),
    ].slice(0, causesMax),
    evidence: { ...evidence, check: evidence.check ?? before.evidence.check },
    steps: lesson.steps,
    cases: [...lesson.cases, ...before.cases.filter(({ incident }) => incident !== newest)].slice(
      0,
      casesMax,
    ),
  };
}

/** Of the incident and of every rule that failed in it: which of them speaks first is chance. */
export function signaturesOf({ symptoms }: Pick<Incident, "symptoms">): readonly string[] {
  return [...new Set(symptoms.map((symptom) => plain(signatureOf(symptom), textMax)))].slice(
    0,
    signaturesMax,
  );
}

/** `lastgood-content-api-health`: an Agent Skills name, the same for the same service and rule. */
export function skillNameOf({ service, signatures }: Lesson): string {
  const [first = ""] = signatures;
  const rule = first.startsWith(`${service}/`) ? first.slice(service.length + 1) : first;
  const own = rule.startsWith(`${service}.`) ? rule.slice(service.length + 1) : rule;
  const words = `lastgood ${service} ${own}`
    .normalize("NFKD")
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== "");
  return words.join("-").slice(0, skillNameMax).replace(/-+$/, "");
}

/** The format allows 64; what tells two of one name apart comes after. */
const skillNameMax = 58;

interface Acting {
  readonly layer: string;
  readonly stage: string;
  readonly action: Readonly<Record<string, unknown>>;
}

/** What a plan does, without the ids of the day: two plans of one shape do the same to the same things. */
export function shapeOf(steps: readonly (Acting | Step)[]): readonly PlaybookStep[] {
  const acting = steps.map(
    ({ stage, layer, action }): Acting => ({ stage, layer, action: { ...action } }),
  );
  const hands = acting.filter(({ layer }) => layer === "fleet").map(({ action }) => action.agent);
  const inboxes = hands.map((agent) => agentInbox(String(agent)).consumer);
  return acting.slice(0, stepsMax).map(({ stage, layer, action }) => ({
    ...{ stage: name(stage), layer: name(layer), do: name(String(action.do)) },
    target: inboxes.includes(String(action.consumer)) ? ownInbox : thingOf(layer, action),
  }));
}

/** Which agent made a change is of that day; which thing it was is not. */
function thingOf(layer: string, action: Acting["action"]): string {
  const { repository, artifact, service, consumer } = action;
  const thing = [repository, artifact, service, consumer].find((each) => typeof each === "string");
  return thing === undefined ? "" : `${name(layer)}:${name(String(thing))}`;
}

const ownInbox = "messages:inbox-of-the-hand";

/** How the plan of today differs from the one that worked, one line each; empty where it does not. */
export function differences(
  before: readonly PlaybookStep[],
  now: readonly PlaybookStep[],
): readonly string[] {
  const line = (step: PlaybookStep) =>
    `${step.stage} ${step.layer} ${step.do} ${step.target}`.trim();
  const [was, is] = [new Set(before.map(line)), new Set(now.map(line))];
  return [
    ...[...was].filter((each) => !is.has(each)).map((each) => `without ${each}`),
    ...[...is].filter((each) => !was.has(each)).map((each) => `also ${each}`),
  ];
}

function putsBack(layer: string): boolean {
  return layer !== "fleet" && layer !== "messages" && layer !== "signals";
}

function checkOf({ service, command, badRevision, goodRevision }: Check) {
  return {
    service: name(service),
    command: command.slice(0, 20).map((each) => plain(each, textMax)),
    bad: name(badRevision),
    good: name(goodRevision),
  };
}

function caseOf(incident: Incident, recovery: Recovery): PlaybookCase {
  const since = (at: string | null) =>
    at === null ? null : Date.parse(at) - Date.parse(incident.detectedAt);
  return {
    incident: incident.id,
    recovery: recovery.id,
    verifiedAt: incident.verifiedAt ?? recovery.endedAt ?? incident.detectedAt,
    detectedToDecidedMs: since(incident.decidedAt),
    detectedToVerifiedMs: since(incident.verifiedAt),
    reruns: incident.reruns.length,
  };
}
