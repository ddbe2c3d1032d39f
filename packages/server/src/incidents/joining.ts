/**
 * Which open incident a regression belongs to. Pure.
 *
 *   J1. The same regression (service, rule, segment) belongs to the incident that has it.
 *   J2. Another rule of the same service joins; so does one of a service that lies up- or downstream of
 *       it in the declared graph, if it went bad within 15 minutes of the incident.
 *   J3. What waits for a person though its other rules hold again is over, but for the person: nothing joins it.
 *   J4. A release belongs to the incident that is about it: its changes were decided on there, or nothing was and it
 *       was told there. Otherwise only to one that nothing was decided in, and that no other release was told in.
 *   J5. A release that fell with what served before it is no cause: it joins as a rule does.
 *   J6. An environment has its own incidents: the rules are those of the one that the services run in.
 */
import type { Config } from "../config/config.ts";
import { reachedFrom } from "../config/graph.ts";
import type { ChangeId } from "../ids.ts";
import { decisionOf, type Incident, isForPerson, type Symptom } from "./incident.ts";

/** A release on its dial. */
export interface Dialled {
  readonly rollout: string;
  readonly environment: string;
  /** The changes that brought it. */
  readonly changes: readonly ChangeId[];
}

/** What went bad. */
export interface Arriving {
  readonly symptom: Symptom;
  readonly kind: "regression" | "drift";
  /** Null: a rule says it. */
  readonly release: Dialled | null;
}

/** An open incident, as far as it matters to what may join it. */
export interface Open {
  readonly incident: Incident;
  /** It has the very symptom. */
  readonly isSame: boolean;
  /** Releases that were told in it. */
  readonly releases: readonly Pick<Dialled, "rollout" | "environment">[];
  /** Something in it does not hold again, other than what arrives. */
  readonly lasts: boolean;
}

const joinWithinMs = 15 * 60_000;

/** Of several the newest. */
export function joined(config: Config, open: readonly Open[], arriving: Arriving): Incident | null {
  const { release, kind } = arriving;
  const newest = (may: (each: Open) => boolean) => open.findLast(may)?.incident ?? null;
  if (release === null) {
    return newest(({ isSame }) => isSame) ?? newest((each) => mayJoin(config, each, arriving));
  }
  const own = newest((each) => isDecidedOn(each, release)) ?? newest((each) => isOf(each, release));
  if (own !== null) return own;
  return kind === "drift"
    ? newest((each) => mayJoin(config, each, arriving))
    : newest((each) => mayConclude(config, each, arriving));
}

function isDecidedOn({ incident }: Open, { changes }: Dialled): boolean {
  const decided = decisionOf(incident)?.changes ?? [];
  return changes.some((change) => decided.includes(change));
}

/** J4. Where something else was decided it is another's; no change is named of what none brought. */
function isOf({ incident, releases }: Open, { rollout, changes }: Dialled): boolean {
  const namesNone = changes.length === 0 && decisionOf(incident)?.changes.length === 0;
  return (isUndecided(incident) || namesNone) && releases.some((told) => told.rollout === rollout);
}

/** J2, J3, J6. */
function mayJoin(config: Config, each: Open, { symptom, release }: Arriving): boolean {
  const { incident, lasts } = each;
  if (isForPerson(incident.kind) || !belongs(config, incident, symptom)) return false;
  const { environment } = release ?? config.releases;
  const isOver = isLeftToPerson(incident) && !lasts && !isSoon(incident, symptom);
  return !isOver && environmentsOf(config, each).includes(environment);
}

/** J4. */
function mayConclude(config: Config, each: Open, arriving: Arriving): boolean {
  const { incident, releases } = each;
  const { state } = incident;
  const isLooking = state === "opened" || state === "investigating" || state === "decided";
  const isFree = isLooking && isUndecided(incident) && releases.length === 0;
  return isFree && mayJoin(config, each, arriving);
}

/** Where nothing was told of a release it is of the services' own. */
function environmentsOf(config: Config, { releases }: Open): readonly string[] {
  return releases.length === 0
    ? [config.releases.environment]
    : releases.map(({ environment }) => environment);
}

function belongs(config: Config, incident: Incident, symptom: Symptom): boolean {
  if (incident.service === symptom.service) return true;
  return isSoon(incident, symptom) && isRelated(config, incident.service, symptom.service);
}

/** Whether damage to one of the two may reach the other. */
function isRelated(config: Config, one: string, other: string): boolean {
  return reachedFrom(config, one).includes(other) || reachedFrom(config, other).includes(one);
}

function isSoon(incident: Incident, symptom: Symptom): boolean {
  return Math.abs(symptom.onset.getTime() - incident.onset.getTime()) <= joinWithinMs;
}

function isUndecided(incident: Incident): boolean {
  const decision = decisionOf(incident);
  return decision === null || decision.act === "none";
}

/** A person was called, or is to approve: nothing goes on by itself. */
export function isLeftToPerson(
  incident: Incident,
): incident is Extract<Incident, { state: "decided" | "frozen" }> {
  if (incident.state === "frozen") return true;
  return incident.state === "decided" && !["run", "none"].includes(incident.decision.act);
}
