/**
 * The caller of one HTTP request. Nothing of a connection is left between two requests, so the session is named
 * in every call that needs one: a second client of the same agent cannot slip into the first one's session.
 */
import type { Connection } from "@lastgood/sdk";
import { type Caller, clientIn, type InSession, noSession, type StartRequest } from "./caller.ts";
import type { KeptMessages } from "./kept-messages.ts";

/** What the process remembers across requests: nothing that could not be asked for again. */
export interface Memory {
  readonly kept: KeptMessages;
  /** Whose sessions are, of those that were named lately. */
  readonly agents: Map<string, string>;
}

/** Without heartbeats, the time between two calls may be as long as a model's longest thought. */
export const leaseMsDefault = 300_000;
const rememberedMax = 10_000;

export function createStatelessCaller(connection: Connection, { kept, agents }: Memory): Caller {
  const plain = clientIn(connection, undefined);

  function remember(session: string, agent: string): void {
    agents.delete(session);
    agents.set(session, agent);
    const [oldest] = agents.keys();
    if (agents.size > rememberedMax && oldest !== undefined) agents.delete(oldest);
  }

  async function inSession(named: string | undefined): Promise<InSession> {
    if (named === undefined) {
      throw noSession("call session_start, and name the session that it answers in every call.");
    }
    const agent = agents.get(named) ?? (await plain.sessionOf(named)).record.agent;
    remember(named, agent);
    kept.heard(named);
    return { session: named, agent, client: clientIn(connection, named) };
  }

  return {
    inSession,
    async start({ join, leaseMs = leaseMsDefault, ...asked }: StartRequest) {
      if (join !== undefined) {
        const { record, leaseMs: lease, previous } = await plain.sessionOf(join);
        const { session_id: session, agent } = record;
        // A sign of life, and `fenced` where it is over.
        await plain.heartbeat(session);
        remember(session, agent);
        return {
          ...{ session, agent, recovery: "full", before: previous },
          ...{ held: false, already: true, leaseMs: lease },
        };
      }
      const opened = await plain.openSession({ ...asked, leaseMs, door: "mcp" });
      const { session_id: session, agent } = opened.record;
      remember(session, agent);
      return {
        ...{ session, agent, recovery: opened.recovery, before: opened.previous },
        ...{ held: false, already: false, leaseMs },
      };
    },
    current: (named) => named,
    client(named) {
      if (named !== undefined) kept.heard(named);
      return clientIn(connection, named);
    },
    async agentOf({ agent, session }) {
      if (agent !== undefined) return agent;
      if (session !== undefined) return (await inSession(session)).agent;
      throw noSession("name the session, or the agent.");
    },
    async end(named, end) {
      const { session } = await inSession(named);
      const { record } = await plain.endSession(session, end);
      return { session, exitReason: record.exit_reason ?? end.reason };
    },
    took({ session, client }, delivery) {
      kept.took(session, client, delivery);
    },
    settled: (token) => kept.settled(token),
  };
}
