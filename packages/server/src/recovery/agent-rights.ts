/**
 * What an agent may do with recoveries, under its own name. People are bound by their token's role alone.
 *
 *   G1. An agent plans what takes back its own changes, and runs what it planned itself. A responder does so
 *       for anybody's changes, and lets plans run that others made; its own it runs, and never approves.
 *   G2. No agent goes past a person: not past what a person changed, not while a person holds what would
 *       move, not during a freeze.
 *   G3. All of it within the `authority` that lastgood.yaml gives the agent, and within the caps.
 */
import type { Config } from "../config/config.ts";
import { isResponder, responderRole } from "../config/responders.ts";
import { Fault } from "../fault.ts";
import type { Change } from "../ledger/change.ts";
import { beyondAuthority } from "./authority.ts";
import type { Recovery } from "./recovery.ts";

/** A change that a person decided on: nothing automatic goes back past it. */
export function isPersons(maker: string): boolean {
  return maker.startsWith("token:");
}

/** An agent, which can be held: neither a person nor the dial that a person set going. */
export function isHand(maker: string): boolean {
  return !isPersons(maker) && !maker.startsWith("rollout:");
}

/** G1. `not_yours`. */
export function requireMayPlan(config: Config, agent: string, changes: readonly Change[]): void {
  if (isResponder(config, agent)) return;
  const others = changes.find((change) => change.agent !== agent);
  if (others === undefined) return;
  throw new Fault(
    "not_yours",
    `Change ${others.id} is ${others.agent}'s, and this token is ${agent}'s, which is no ${responderRole}: ask one, or an operator.`,
  );
}

/** What speaks against an agent's own act, beside its authority. */
export interface Circumstances {
  /** Who made the changes that would go back. */
  readonly makers: readonly string[];
  /** A freeze, or a person who took over; null: neither. */
  readonly heldBecause: string | null;
  /** Recoveries in the last day that no person asked for or approved. */
  readonly ranToday: number;
  readonly now: Date;
}

/** Why the agent may not let this plan run by itself, a line each; empty when its authority covers it. */
export function whyBeyond(
  config: Config,
  agent: string,
  { plan, undo }: Pick<Recovery, "plan" | "undo">,
  { makers, now }: Pick<Circumstances, "makers" | "now">,
): readonly string[] {
  const declared = Object.hasOwn(config.agents, agent) ? config.agents[agent] : undefined;
  if (declared === undefined) return ["it is not declared under `agents`"];
  const persons = [...new Set(makers.filter(isPersons))];
  return [
    ...beyondAuthority(declared.authority, plan, undo, now),
    ...persons.map((each) => `${each} decided it, and no agent goes back past a person`),
  ];
}

/** Whether the agent may do it; otherwise the fault that says why not, and who can. */
export function requireMayAct(
  config: Config,
  agent: string,
  act: "run" | "approve",
  recovery: Recovery,
  circumstances: Circumstances,
): void {
  const { id, plannedBy } = recovery;
  const own = plannedBy === agent;
  if (!isResponder(config, agent) && (act === "approve" || !own)) {
    throw new Fault(
      "not_yours",
      `${id} was planned by ${plannedBy}, and ${agent} is no ${responderRole}: it runs only what it planned itself. A person can: \`lastgood approve ${id}\`.`,
    );
  }
  if (act === "approve" && own) {
    throw new Fault(
      "approval_needed",
      `${agent} planned ${id} itself, and cannot approve its own plan: run it, or ask another responder or a person.`,
    );
  }
  const beyond = whyBeyond(config, agent, recovery, circumstances);
  if (beyond.length > 0) {
    throw new Fault(
      "beyond_authority",
      `${agent} may not ${act} ${id} by itself: ${beyond.join("; ")}. A person can: \`lastgood approve ${id}\`.`,
    );
  }
  const { heldBecause, ranToday } = circumstances;
  if (heldBecause !== null) {
    throw new Fault("frozen", `${agent} may not ${act} ${id} now: ${heldBecause}.`);
  }
  const cap = config.caps.recoveriesPerDay;
  if (ranToday >= cap) {
    throw new Fault(
      "cap_reached",
      `${agent} may not ${act} ${id}: ${ranToday} recoveries ran in the last day without a person, and the cap is ${cap}. A person can: \`lastgood approve ${id}\`.`,
    );
  }
}
