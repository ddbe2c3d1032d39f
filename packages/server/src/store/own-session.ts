/** The session that a write names: it must exist, be of the agent that acts, and not be over. */
import { Fault } from "../fault.ts";
import type { Tx } from "./database.ts";
import { sessionIsOver } from "./living-session.ts";

export interface NamedSession {
  readonly id: string;
  readonly agent: string;
  readonly over: boolean;
}

/**
 * The living session under its key-share lock, so that it lives until the transaction ends. `agent`: whose it
 * must be; null for whoever may act for every agent. Faults: `not_found`, `not_yours`, `fenced`.
 */
export async function requireOwnSession(
  tx: Tx,
  id: string,
  agent: string | null,
): Promise<NamedSession> {
  const session = await lockOwnSession(tx, id, agent);
  if (session.over) throw sessionIsOver(id);
  return session;
}

/** As `requireOwnSession`, also when it is over. */
export async function lockOwnSession(
  tx: Tx,
  id: string,
  agent: string | null,
): Promise<NamedSession> {
  const [session] = await tx<NamedSession[]>`
    select id, agent, ended_at is not null as over from sessions where id = ${id} for key share`;
  if (session === undefined) {
    throw new Fault(
      "not_found",
      `There is no session ${id.slice(0, 200)}: open one before you name it.`,
      { context: { path: "session" } },
    );
  }
  if (agent !== null && session.agent !== agent) {
    throw new Fault(
      "not_yours",
      `The session ${id} is ${session.agent}'s and not ${agent}'s: name a session of your own.`,
      { context: { path: "session" } },
    );
  }
  return session;
}
