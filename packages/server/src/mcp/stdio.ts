/** MCP over the standard streams of this process: one connection, one agent. */
import { setTimeout as pause } from "node:timers/promises";
import type { Connection } from "@lastgood/sdk";
import { StdioServerTransport, serveStdio } from "@modelcontextprotocol/server/stdio";
import { createHoldingCaller } from "./holding-caller.ts";
import { createKeptMessages } from "./kept-messages.ts";
import { createMcpServer } from "./mcp-server.ts";

export interface StdioOptions {
  readonly connection: Connection;
  readonly version: string;
  /** Where the host started us: the agent's work tree, if it is one. */
  readonly folder: string;
  report(error: unknown): void;
  /** Resolves with why this process is to stop. */
  readonly stopped: Promise<string>;
}

/** A message of 1 MiB with what surrounds it, and more than any tool takes. */
const messageBytesMax = 4 * 1_048_576;
const closeMsMax = 1_000;

/**
 * Serves until the host closes the connection, or this process is told to stop. Only the latter ends the
 * session: a connection that closes may be an agent that crashed, and one that did not says so itself.
 */
export async function serveOverStdio(options: StdioOptions): Promise<void> {
  const { connection, version, folder, report, stopped } = options;
  const kept = createKeptMessages();
  const caller = createHoldingCaller(connection, { kept, folder });
  const transport = new StdioServerTransport(process.stdin, process.stdout, {
    maxBufferSize: messageBytesMax,
  });
  const handle = serveStdio(() => createMcpServer({ version, caller, report }), {
    transport,
    onerror: report,
    maxSubscriptions: 16,
  });
  const because = await Promise.race([closed(transport), stopped]);
  if (because !== null) await caller.stop(because);
  kept.stop();
  // Nobody is left to be answered: what does not end by itself is not waited for.
  await Promise.race([handle.close(), pause(closeMsMax)]);
}

/** By the host, or by us because what it sends is none of the protocol's. */
function closed(transport: StdioServerTransport): Promise<null> {
  return new Promise((resolve) => {
    const { onclose } = transport;
    transport.onclose = () => {
      onclose?.();
      resolve(null);
    };
  });
}
