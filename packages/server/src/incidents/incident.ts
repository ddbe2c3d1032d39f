/**
 * An incident: something a rule says is wrong, until it is put right and written up.
 *
 *     opened ──> investigating ──> decided ──> contained ──> restored ──> verified ──> resumed ──> closed
 *        ^         ^    │            │  ^            │            │        ^    │                    ^
 *   (verdict)      │    v            v  │            v            v        │    v                    │
 *                  └── frozen <──────┘  │        (its recovery failed: frozen)                      │
 *                                       │                               mended <── taken            │
 *            handed-back <── taken ─────┘                                  (done)      ^             │
 *                                                                      every open state┘   dismissed ┘
 *
 *   I1. One function per arrow, named for the arrow. Nothing else makes a state.
 *   I2. Nothing leaves `closed`, and nothing automatic leaves `taken`.
 *   I3. What a person took out of a recovery goes back to where that recovery was.
 *   I4. Severity is only ever raised.
 *   I5. A time once set stays: the first containment is the containment.
 */
import {
  type IncidentAct,
  type IncidentKind,
  type IncidentState,
  type Mode,
  mayAct,
  type Severity,
  type Witness,
} from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import type { AgentName, ChangeId, IncidentId, RecoveryId } from "../ids.ts";
import { graver } from "./severity.ts";

export interface Symptom {
  readonly service: string;
  readonly rule: string;
  readonly signal: string;
  readonly dimension: string | null;
  readonly customerFacing: boolean;
  readonly severity: Severity;
  readonly hard: boolean;
  readonly onset: Date;
  readonly detectedAt: Date;
  readonly floor: number;
  readonly level: number;
  readonly evidence: number;
  readonly samples: number;
  readonly says: string;
}

/** When the incident first reached each state. */
export interface Times {
  readonly decidedAt: Date | null;
  readonly containedAt: Date | null;
  readonly restoredAt: Date | null;
  readonly verifiedAt: Date | null;
  readonly resumedAt: Date | null;
  readonly closedAt: Date | null;
}

export interface Common extends Times {
  readonly id: IncidentId;
  readonly kind: IncidentKind;
  readonly signature: string;
  readonly severity: Severity;
  readonly service: string;
  readonly title: string;
  readonly onset: Date;
  readonly detectedAt: Date;
  readonly openedAt: Date;
}

/** What triage concluded, under which mode, and what follows from it. */
export interface Decision {
  readonly at: Date;
  readonly act: IncidentAct;
  readonly would: "run" | "freeze" | "none";
  readonly mode: Mode;
  readonly changes: readonly ChangeId[];
  readonly innocents: readonly ChangeId[];
  readonly agents: readonly AgentName[];
  readonly posterior: number;
  readonly witnesses: readonly Witness[];
  readonly because: readonly string[];
}

type Recovering = { readonly decision: Decision | null; readonly recovery: RecoveryId };
export const outcomes = ["recovered", "mended", "subsided", "dismissed"] as const;
export type Outcome = (typeof outcomes)[number];

export type Opened = Common & { readonly state: "opened" };
export type Investigating = Common & { readonly state: "investigating" };
export type Decided = Common & {
  readonly state: "decided";
  readonly decision: Decision;
  readonly recovery: RecoveryId | null;
};
/** Nothing automatic happens to it: a person was called. */
export type Frozen = Common & {
  readonly state: "frozen";
  readonly decision: Decision | null;
  readonly recovery: RecoveryId | null;
  readonly because: string;
};
export type Contained = Common & Recovering & { readonly state: "contained" };
export type Restored = Common & Recovering & { readonly state: "restored" };
/** Without a recovery where a person put it right and nothing was left to replay. */
type Proven = { readonly decision: Decision | null; readonly recovery: RecoveryId | null };
export type Verified = Common & Proven & { readonly state: "verified" };
export type Resumed = Common & Proven & { readonly state: "resumed" };
export type Taken = Common & {
  readonly state: "taken";
  readonly by: string;
  readonly was: Takeable;
};
/** A person says that it is put right; a recovery without changes reads the world and replays. */
export type Mended = Common & {
  readonly state: "mended";
  readonly by: string;
  readonly decision: Decision | null;
  readonly recovery: RecoveryId | null;
};
export type HandedBack = Common & { readonly state: "handed-back"; readonly by: string };
export type Closed = Common & {
  readonly state: "closed";
  readonly outcome: Outcome;
  readonly because: string;
  readonly decision: Decision | null;
  readonly recovery: RecoveryId | null;
};

export type Takeable =
  | Opened
  | Investigating
  | Decided
  | Frozen
  | Contained
  | Restored
  | HandedBack;
export type Incident = Takeable | Verified | Resumed | Taken | Mended | Closed;

const untimed: Times = {
  decidedAt: null,
  containedAt: null,
  restoredAt: null,
  verifiedAt: null,
  resumedAt: null,
  closedAt: null,
};

/** Nothing automatic can put it right: a person is called as soon as it is open. */
export function isForPerson(kind: Incident["kind"]): boolean {
  return kind === "contradiction" || kind === "storm" || kind === "rollout";
}

export function openIncident(facts: Omit<Common, keyof Times>): Opened {
  return { ...facts, ...untimed, state: "opened" };
}

/** Also from `decided` and `frozen`: new evidence, or a thaw, makes automation look again. */
export function beginInvestigation(
  incident: Opened | HandedBack | Decided | Frozen,
): Investigating {
  return { ...common(incident), state: "investigating" };
}

export function decide(
  incident: Investigating,
  decision: Decision,
  recovery: RecoveryId | null,
): Decided {
  return {
    ...common(incident),
    decidedAt: incident.decidedAt ?? decision.at,
    state: "decided",
    decision,
    recovery,
  };
}

/** Nothing moves until a person decides. */
export function freezeIncident(
  incident: Opened | Investigating | Decided | Contained | Restored | Verified | Mended,
  because: string,
): Frozen {
  return {
    ...common(incident),
    state: "frozen",
    decision: decisionOf(incident),
    recovery: recoveryOf(incident),
    because,
  };
}

/** The damage spreads no further: hands and consumers are held. */
export function contain(incident: Decided | Frozen, recovery: RecoveryId, at: Date): Contained {
  return {
    ...common(incident),
    containedAt: incident.containedAt ?? at,
    state: "contained",
    decision: incident.decision,
    recovery,
  };
}

/** What was bad is back as it was. */
export function restore(incident: Contained, at: Date): Restored {
  return { ...incident, restoredAt: incident.restoredAt ?? at, state: "restored" };
}

/** The world was read afresh, and the rules hold again. */
export function verify(incident: Restored | Mended, at: Date): Verified {
  return {
    ...common(incident),
    containedAt: incident.containedAt ?? at,
    restoredAt: incident.restoredAt ?? at,
    verifiedAt: incident.verifiedAt ?? at,
    state: "verified",
    decision: incident.decision,
    recovery: incident.recovery,
  };
}

/** What was held or failed was replayed, and everyone works again. */
export function resume(incident: Verified, at: Date): Resumed {
  return { ...incident, resumedAt: incident.resumedAt ?? at, state: "resumed" };
}

export function take(incident: Takeable, by: string): Taken {
  return { ...common(incident), state: "taken", by, was: incident };
}

/** A person says that it is put right. */
export function mend(incident: Taken, by: string): Mended {
  return {
    ...common(incident),
    state: "mended",
    by,
    decision: decisionOf(incident.was),
    recovery: null,
  };
}

/** Automation goes on: where its recovery was (I3), or by looking again. */
export function handBack(incident: Taken, by: string): HandedBack | Contained | Restored {
  const { was } = incident;
  return was.state === "contained" || was.state === "restored"
    ? { ...was, ...common(incident) }
    : { ...common(incident), state: "handed-back", by };
}

export function close(
  incident: Exclude<Incident, Closed>,
  outcome: Outcome,
  because: string,
  at: Date,
): Closed {
  return {
    ...common(incident),
    closedAt: at,
    state: "closed",
    outcome,
    because,
    decision: decisionOf(incident),
    recovery: recoveryOf(incident),
  };
}

export function raiseSeverity<T extends Incident>(incident: T, to: Severity): T {
  return { ...incident, severity: graver(incident.severity, to) };
}

/** By which a regression is told from another: the same one never opens a second incident. */
export function signatureOf({
  service,
  rule,
  dimension,
}: Pick<Symptom, "service" | "rule" | "dimension">): string {
  return dimension === null ? `${service}/${rule}` : `${service}/${rule}/${dimension}`;
}

export type RecoveryProgress = "contained" | "restored" | "verified" | "resumed";
const ladder: readonly RecoveryProgress[] = ["contained", "restored", "verified", "resumed"];

/**
 * Takes every arrow up to `progress`, never one back. What a person holds stays with the person (I2). The recovery is
 * the one that tells of it: one that was planned again takes the place of the one before wherever that had come to.
 */
export function advance(
  incident: Incident,
  progress: RecoveryProgress,
  recovery: RecoveryId,
  at: Date,
): Incident {
  const goal = ladder.indexOf(progress);
  const reached = (step: RecoveryProgress) => goal >= ladder.indexOf(step);
  let now = followedBy(incident, recovery);
  if (now.state === "decided" || now.state === "frozen") now = contain(now, recovery, at);
  if (now.state === "contained" && reached("restored")) now = restore(now, at);
  if (now.state === "restored" && reached("verified")) now = verify(now, at);
  if (now.state === "mended" && reached("verified")) now = verify({ ...now, recovery }, at);
  if (now.state === "verified" && reached("resumed")) now = resume(now, at);
  return now;
}

function followedBy(incident: Incident, recovery: RecoveryId): Incident {
  const { state } = incident;
  const isUnderWay = state === "contained" || state === "restored" || state === "verified";
  return isUnderWay && incident.recovery !== recovery ? { ...incident, recovery } : incident;
}

export function decisionOf(incident: Incident): Decision | null {
  if (incident.state === "taken") return decisionOf(incident.was);
  return "decision" in incident ? incident.decision : null;
}

export function recoveryOf(incident: Incident): RecoveryId | null {
  if (incident.state === "taken") return recoveryOf(incident.was);
  return "recovery" in incident ? incident.recovery : null;
}

/** Why it stands where it stands. Total: a state added above makes this stop compiling. */
export function headline(incident: Incident): string {
  switch (incident.state) {
    case "opened":
      return "Just opened";
    case "investigating":
      return "Looking for the change that did it";
    case "decided":
      return incident.decision.because[0] ?? "Decided";
    case "frozen":
      return `Waits for a person: ${incident.because}`;
    case "contained":
      return "The damage spreads no further; being put back";
    case "restored":
      return "Put back; reading the world to prove it";
    case "verified":
      return "Proven; work is being resumed";
    case "resumed":
      return "Over; waits for its write-up";
    case "taken":
      return `Taken by ${incident.by}: nothing automatic touches it`;
    case "mended":
      return `${incident.by} says that it is put right; reading the world to prove it`;
    case "handed-back":
      return `Handed back by ${incident.by}`;
    case "closed":
      return incident.because;
  }
}

/** For incidents from outside the type system: `state_forbids` unless the table allows the action. */
export function requireAllowed(
  action: Parameters<typeof mayAct>[0],
  { id, state }: { readonly id: string; readonly state: IncidentState },
): void {
  if (mayAct(action, state)) return;
  throw new Fault(
    "state_forbids",
    `Incident ${id} is ${state}, which does not allow ${action}: see what it allows with \`lastgood incident show ${id}\`.`,
  );
}

function common(incident: Common): Common {
  const { id, kind, signature, severity, service, title, onset, detectedAt, openedAt } = incident;
  const { decidedAt, containedAt, restoredAt, verifiedAt, resumedAt, closedAt } = incident;
  return {
    ...{ id, kind, signature, severity, service, title, onset, detectedAt, openedAt },
    ...{ decidedAt, containedAt, restoredAt, verifiedAt, resumedAt, closedAt },
  };
}
