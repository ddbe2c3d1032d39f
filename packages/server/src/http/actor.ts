import { Fault } from "../fault.ts";
import type { AgentName } from "../ids.ts";

/** From least to most. An agent proposes and undoes its own; an operator approves and runs; an admin gives tokens. */
export const roles = ["viewer", "agent", "operator", "admin"] as const;
export type Role = (typeof roles)[number];

/** Who is behind a token. */
export type Actor =
  | {
      readonly role: "agent";
      readonly token: string;
      readonly name: string;
      readonly agent: AgentName;
    }
  | { readonly role: Exclude<Role, "agent">; readonly token: string; readonly name: string };

export function mayCall(actor: Actor, least: Role): boolean {
  return roles.indexOf(actor.role) >= roles.indexOf(least);
}

/** How the ledger and the audit name who acted: an agent by its name, a person by the token's. */
export function nameOf(actor: Actor): string {
  return actor.role === "agent" ? actor.agent : `token:${actor.name}`;
}

/**
 * The agent that `actor` acts as. An agent's token is bound to its agent (`not_yours` for any other);
 * operators and admins may act for any agent by naming it.
 */
export function actingAgent(actor: Actor, named: string | undefined): string {
  if (actor.role !== "agent") return named ?? nameOf(actor);
  if (named !== undefined && named !== actor.agent) {
    throw new Fault(
      "not_yours",
      `This token belongs to the agent ${actor.agent} and cannot act as ${named.slice(0, 80)}: use that agent's own token.`,
    );
  }
  return actor.agent;
}
