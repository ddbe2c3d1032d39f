/**
 * Wraps any program, so that an agent in any language is noticed when it dies and can be undone.
 *
 *   W1. One run of the program is one session. The session's process is this wrapper: it lives until it has told
 *       how the program ended, so that nobody who sees the program gone first takes a clean end for a crash.
 *   W2. Nothing of a program outlives its session: whatever is left of its group is ended with it.
 *   W3. A session that was fenced or parked under a living program ends the wrapper too: another works now,
 *       or a person must look. One that hung or whose lease ended is a crash, and is restarted like one.
 *   W4. A server that is away stops no program; only a start needs it.
 */
import { createClient, Fault, type OpenedSession } from "@lastgood/sdk";
import { ownHost } from "../own-host.ts";
import { identify } from "../process-group.ts";
import { type AgentToken, agentToken } from "./agent-token.ts";
import { rest } from "./beating.ts";
import { runOnce } from "./one-run.ts";
import type { RunAgentOptions } from "./run-options.ts";
import { openRunRecords } from "./run-records.ts";
import { createServerSide, type ServerSide } from "./server-side.ts";
import { listenToSignals } from "./stop-signals.ts";

const parkedExit = 7;

/** Returns with the exit code when it is over for good. */
export async function runAgent(options: RunAgentOptions): Promise<number> {
  const { connection, agent, home, told } = options;
  const client = createClient(connection);
  const records = openRunRecords(home, agent, connection.url);
  const signals = listenToSignals(process.stdin.isTTY === true);
  const { url } = connection;
  const server = createServerSide({ client, url, records, told, stop: signals.stop });
  let made: AgentToken | null = null;
  const token = async () => {
    made ??= await agentToken(client, agent, connection.token);
    return made;
  };
  try {
    await server.endAbandoned();
    for (let inARow = 0; ; ) {
      const opened = await open(options, server);
      if (opened === null) return 128 + 15;
      if (opened === "parked") return parkedExit;
      const run = { ...options, client, records, signals, server, token };
      const next = await runOnce(run, opened, inARow);
      if (next.do === "exit") {
        if (next.because !== null) told({ event: "stopped", because: next.because });
        return next.code;
      }
      inARow = next.inARow;
      told({ event: "restarting", afterMs: next.afterMs, inARow });
      await rest(next.afterMs, signals.stop);
    }
  } finally {
    signals.close();
    records.close();
    const id = (made as AgentToken | null)?.id ?? null;
    if (id !== null) await client.revokeToken(id).catch(() => {});
  }
}

async function open(
  { agent, leaseMs, workTree, told }: RunAgentOptions,
  server: ServerSide,
): Promise<OpenedSession | "parked" | null> {
  // The first process of a container has no identity that would tell anything.
  const wrapper = identify(process.pid);
  try {
    return await server.open({
      ...{ agent, leaseMs, door: "agent-run" },
      ...(workTree === null ? {} : { workTree: workTree.place }),
      ...(wrapper === null ? {} : { process: { host: ownHost(), ...wrapper } }),
    });
  } catch (error) {
    if (!(error instanceof Fault && error.code === "parked")) throw error;
    told({ event: "stopped", because: error.message });
    return "parked";
  }
}
