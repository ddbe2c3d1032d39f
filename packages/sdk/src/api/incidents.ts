import { type Call, segment } from "../call.ts";

/**
 * Where an incident stands. `handed-back` waits for automation like `opened`; `frozen` waits for a
 * person; in `mended` a person says that it is put right and Lastgood is reading the world.
 */
export const incidentStates = [
  "opened",
  "investigating",
  "decided",
  "frozen",
  "contained",
  "restored",
  "verified",
  "resumed",
  "taken",
  "mended",
  "handed-back",
  "closed",
] as const;
export type IncidentState = (typeof incidentStates)[number];

/** What a person may do to an incident, and in which states: one table for server, CLI and dashboard. */
export const incidentActions = {
  take: ["opened", "investigating", "decided", "frozen", "contained", "restored", "handed-back"],
  done: ["taken"],
  "hand-back": ["taken"],
  approve: ["decided", "frozen"],
  close: ["decided", "frozen", "taken", "handed-back", "resumed"],
} as const satisfies Record<string, readonly IncidentState[]>;
export type IncidentAction = keyof typeof incidentActions;

/** Whether the action is allowed to an incident in this state. */
export function mayAct(action: IncidentAction, state: IncidentState): boolean {
  return (incidentActions[action] as readonly IncidentState[]).includes(state);
}

export type Severity = "critical" | "high" | "low";
export type IncidentKind = "regression" | "drift" | "contradiction" | "storm" | "rollout";
export type Mode = "watch" | "propose" | "auto";

/** One rule of one service that went bad in this incident. */
export interface Symptom {
  readonly service: string;
  readonly rule: string;
  readonly signal: string;
  /** A segment such as `language=de`; null for the whole. */
  readonly dimension: string | null;
  readonly customerFacing: boolean;
  readonly severity: Severity;
  readonly hard: boolean;
  readonly onset: string;
  readonly detectedAt: string;
  /** The floor it is held to and its level since the onset, both in [0,1]. */
  readonly floor: number;
  readonly level: number;
  readonly evidence: number;
  readonly samples: number;
  readonly says: string;
}

export type Witness = "contrast" | "rerun" | "reports";

/** The factors whose product, normalised over all suspects and none of them, is the posterior. */
export interface SuspectFactors {
  readonly prior: number;
  readonly contrast: number;
  readonly scope: number;
  readonly time: number;
  readonly rerun: number;
}

export interface Suspect {
  readonly change: string;
  readonly agent: string;
  readonly layer: string;
  readonly target: string;
  /** The revision or version that the change made. */
  readonly to: string | null;
  readonly reason: string;
  readonly exposedAt: string;
  /** The deploy it went out with; null where it went out by itself or that is not known. */
  readonly deploy: string | null;
  /** Edges from what was changed to what fails. */
  readonly distance: number | null;
  /** Why it cannot be the one, whatever else speaks against it; null for a true suspect. */
  readonly excluded: string | null;
  readonly factors: SuspectFactors;
  readonly posterior: number;
  readonly witnesses: readonly Witness[];
  /** What was seen, a line each. */
  readonly observations: readonly string[];
}

/** How likely it is that none of the suspects did it. */
export interface NoneOfThem {
  readonly prior: number;
  readonly commonCause: number;
  readonly posterior: number;
  readonly observations: readonly string[];
}

/** `run`: Lastgood puts it back. `propose`: asks. `watch`: only records. `freeze`: pages. `none`: waits. */
export type IncidentAct = "run" | "propose" | "watch" | "freeze" | "none";

export interface IncidentDecision {
  readonly at: string;
  readonly act: IncidentAct;
  /** What it would have done under `auto`. */
  readonly would: "run" | "freeze" | "none";
  readonly mode: Mode;
  /** What goes back, and which of these are known innocents of an unsplit bundle. */
  readonly changes: readonly string[];
  readonly innocents: readonly string[];
  readonly posterior: number;
  readonly witnesses: readonly Witness[];
  readonly because: readonly string[];
}

/** One run of a service's check on one revision, in a sandbox. */
export interface Rerun {
  readonly at: string;
  readonly service: string;
  readonly revision: string;
  readonly outcome: "good" | "bad" | "cannot-tell";
  readonly tookMs: number;
}

export interface IncidentSummary {
  readonly id: string;
  readonly kind: IncidentKind;
  readonly state: IncidentState;
  readonly severity: Severity;
  /** The failing service that is nearest to the cause; a contradiction's target. */
  readonly service: string;
  readonly title: string;
  readonly onset: string;
  readonly detectedAt: string;
  readonly openedAt: string;
  readonly decidedAt: string | null;
  readonly containedAt: string | null;
  readonly restoredAt: string | null;
  readonly verifiedAt: string | null;
  readonly resumedAt: string | null;
  readonly closedAt: string | null;
  readonly recovery: string | null;
  readonly takenBy: string | null;
  readonly pagedAt: string | null;
  /** Why it stands where it stands, in one line. */
  readonly because: string;
  /** How a closed one ended: recovered, mended, subsided or dismissed. */
  readonly outcome: string | null;
}

export interface TimelineEntry {
  readonly at: string;
  readonly actor: string;
  readonly event: string;
  readonly text: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface Incident extends IncidentSummary {
  readonly symptoms: readonly Symptom[];
  readonly suspects: readonly Suspect[];
  readonly none: NoneOfThem | null;
  readonly decision: IncidentDecision | null;
  readonly reruns: readonly Rerun[];
  readonly timeline: readonly TimelineEntry[];
  /** What a person may do now, as commands. */
  readonly next: readonly string[];
}

/** What responders are told of an incident, in their role's inbox, as the message's `details`. */
export interface IncidentDossier
  extends Pick<
    IncidentSummary,
    "kind" | "state" | "severity" | "service" | "title" | "onset" | "because"
  > {
  readonly incident: string;
  readonly symptoms: readonly string[];
  /** The likeliest first, at most five, once they are found; the rest is in the incident. */
  readonly suspects: readonly Pick<
    Suspect,
    "change" | "agent" | "layer" | "target" | "to" | "reason" | "posterior" | "witnesses"
  >[];
  readonly decision: Pick<IncidentDecision, "act" | "because"> | null;
  /** The plan that was made for it. */
  readonly recovery: {
    readonly id: string;
    readonly digest: string;
    readonly state: string;
    readonly plannedBy: string;
    readonly reversible: boolean;
    readonly blastRadius: number;
    readonly conflicts: readonly string[];
  } | null;
  /** What each responder may do about the plan by itself, and why not more. */
  readonly may: readonly {
    readonly agent: string;
    readonly act: "run" | "approve" | null;
    readonly because: readonly string[];
  }[];
}

export interface Freeze {
  readonly by: string;
  readonly reason: string;
  readonly at: string;
}

/** A decision that was not acted on, against what people did. */
export interface WouldHave {
  readonly at: string;
  /** Null for a decision that a replay of the history made. */
  readonly incident: string | null;
  readonly service: string;
  readonly would: "run" | "freeze" | "none";
  readonly mode: Mode;
  readonly changes: readonly string[];
  /** What the changes are, for people: `api b8e4d12 "drop the index"`. */
  readonly says: string;
  readonly posterior: number;
  readonly because: readonly string[];
  /** `agreed`: a person took the same change back. `other`: another one. `nothing`: none. */
  readonly people: "agreed" | "other" | "nothing";
  readonly peopleSay: string;
}

export function incidentsApi(call: Call) {
  const path = (id: string, verb: string) => `/v1/incidents/${segment(id)}/${verb}`;
  return {
    incidents: (query: { state?: "open" | "closed" | "all"; limit?: number } = {}) =>
      call<{ incidents: readonly IncidentSummary[]; more: boolean }>("GET", "/v1/incidents", {
        query: { ...query },
      }),
    incident: (id: string) => call<Incident>("GET", `/v1/incidents/${segment(id)}`),
    takeIncident: (id: string, reason = "") =>
      call<IncidentSummary>("POST", path(id, "take"), { body: { reason } }),
    finishIncident: (id: string, reason: string) =>
      call<IncidentSummary>("POST", path(id, "done"), { body: { reason } }),
    handBackIncident: (id: string, reason = "") =>
      call<IncidentSummary>("POST", path(id, "hand-back"), { body: { reason } }),
    closeIncident: (id: string, reason: string) =>
      call<IncidentSummary>("POST", path(id, "close"), { body: { reason } }),
    freeze: (reason: string) => call<Freeze>("POST", "/v1/freeze", { body: { reason } }),
    thaw: (reason = "") => call<{ was: Freeze | null }>("POST", "/v1/thaw", { body: { reason } }),
    frozen: () => call<{ freeze: Freeze | null }>("GET", "/v1/freeze"),
    /** Decisions not acted on; with `since`, also the history since then replayed on recorded samples. */
    wouldHave: (query: { since?: string } = {}) =>
      call<{ decisions: readonly WouldHave[]; notReplayed: readonly string[] }>(
        "GET",
        "/v1/would-have",
        { query: { ...query }, timeoutMs: 120_000 },
      ),
  };
}
