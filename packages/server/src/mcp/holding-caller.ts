/**
 * The caller of one stdio connection, which holds one session: kept alive while this process lives, and used
 * in every call that names no other.
 *
 *   H1. Starting again finds the session that is held: a context that was compacted goes on in its session.
 *   H2. One that was fenced stays held, so that whoever goes on without looking is told `fenced` again;
 *       starting again is what takes over.
 *   H3. A connection that closes says nothing of the agent. Its process ends without ending the session, and
 *       the lease tells the rest.
 */
import { existsSync } from "node:fs";
import { join as joinPath } from "node:path";
import { type AgentSession, type Connection, createClient } from "@lastgood/sdk";
import { ownHost } from "../own-host.ts";
import { type Caller, clientIn, type InSession, noSession, type StartRequest } from "./caller.ts";
import type { KeptMessages } from "./kept-messages.ts";
import { createStatelessCaller } from "./stateless-caller.ts";

export interface HoldingCaller extends Caller {
  /** Ends the session that is held, if any: somebody told this process to stop. */
  stop(detail: string): Promise<void>;
}

/** How long a call waits for a server that is away: less than hosts wait for a tool. */
const patienceMs = 20_000;

export function createHoldingCaller(
  connection: Connection,
  { kept, folder }: { readonly kept: KeptMessages; readonly folder: string },
): HoldingCaller {
  const lastgood = createClient(connection);
  const others = createStatelessCaller(connection, { kept, agents: new Map() });
  let held: AgentSession | null = null;

  function heldFor(named: string | undefined): AgentSession | null {
    const own = held !== null && (named === undefined || named === held.id) ? held : null;
    if (own !== null) kept.heard(own.id);
    return own;
  }

  async function inSession(named: string | undefined): Promise<InSession> {
    const own = heldFor(named);
    if (own !== null) return { session: own.id, agent: own.agent, client: own.client };
    if (named === undefined) throw noSession("call session_start first.");
    return await others.inSession(named);
  }

  async function begin({ leaseMs, workTree, ...asked }: StartRequest): Promise<AgentSession> {
    const place = workTree ?? workTreeAt(folder);
    return await lastgood.session({
      ...asked,
      ...{ door: "mcp", patienceMs },
      ...(leaseMs === undefined ? {} : { leaseMs }),
      ...(place === undefined ? {} : { workTree: { host: ownHost(), ...place } }),
    });
  }

  return {
    inSession,
    async start(request) {
      const again =
        held !== null &&
        !held.signal.aborted &&
        request.effects !== "fork" &&
        (request.join ?? held.id) === held.id &&
        (request.agent ?? held.agent) === held.agent;
      const before = held;
      const session = again && held !== null ? held : await begin(request);
      held = session;
      // Its heartbeats stop with it; where the new one has fenced it, it is over already.
      if (before !== null && before !== session) await before.end("stopped").catch(() => {});
      return {
        ...{ session: session.id, agent: session.agent, recovery: session.recovery },
        before: session.before?.session_id ?? null,
        ...{
          held: true,
          already: again,
          leaseMs: (await session.client.sessionOf(session.id)).leaseMs,
        },
      };
    },
    current: (named) => named ?? held?.id,
    client(named) {
      return heldFor(named)?.client ?? clientIn(connection, named);
    },
    async agentOf({ agent, session }) {
      return agent ?? (await inSession(session)).agent;
    },
    async end(named, { reason, detail }) {
      const own = heldFor(named);
      if (own === null) return await others.end(named, { reason, detail });
      const { record } = await lastgood.endSession(own.id, { reason, detail });
      // It is over already: this stops its heartbeats.
      await own.end(reason).catch(() => {});
      return { session: own.id, exitReason: record.exit_reason ?? reason };
    },
    took({ session, client }, delivery) {
      kept.took(session, client, delivery);
    },
    settled: (token) => kept.settled(token),
    async stop(detail) {
      await held?.end("stopped", detail);
    },
  };
}

/** Hosts start their servers in the folder that is worked in. */
function workTreeAt(folder: string): { readonly path: string } | undefined {
  return existsSync(joinPath(folder, ".git")) ? { path: folder } : undefined;
}
