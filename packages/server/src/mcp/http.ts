/**
 * MCP over streamable HTTP, on loopback, for hosts that connect instead of starting a process. Both eras of the
 * protocol, each request for itself: nothing is held between two of them, so a restart loses nothing.
 *
 *   W1. Only what was sent to this machine by name, and from no web page: Host and Origin are checked, since
 *       a page whose name was rebound to loopback could reach us.
 *   W2. The caller's own token goes through to the server, which judges it. We keep none.
 *   W3. Bounded: bodies, requests at once, connections, streams.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  createMcpHandler,
  hostHeaderValidationResponse,
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  type McpHttpHandler,
  originValidationResponse,
} from "@modelcontextprotocol/server";
import { Fault } from "../fault.ts";
import { createKeptMessages } from "./kept-messages.ts";
import { createMcpServer } from "./mcp-server.ts";
import { createStatelessCaller, type Memory } from "./stateless-caller.ts";
import { answer, bodyOf, toRequest } from "./web-exchange.ts";

export interface HttpOptions {
  /** The Lastgood server. */
  readonly url: string;
  readonly port: number;
  readonly version: string;
  report(error: unknown): void;
}

export interface McpOverHttp {
  /** Where hosts connect. */
  readonly url: string;
  stop(): Promise<void>;
}

export const path = "/mcp";
const bodyBytesMax = 2 * 1_048_576;
const atOnceMax = 256;
const connectionsMax = 1_024;
const streamsMax = 64;
/** For the request to arrive; the answer may take longer. */
const requestMsMax = 60_000;
const tokenLengthMax = 4_096;

export async function serveOverHttp({
  url,
  port,
  version,
  report,
}: HttpOptions): Promise<McpOverHttp> {
  const memory: Memory = { kept: createKeptMessages(), agents: new Map() };
  const handler = createMcpHandler(
    ({ authInfo }) => {
      const caller = createStatelessCaller({ url, token: authInfo?.token ?? "" }, memory);
      return createMcpServer({ version, caller, report });
    },
    {
      // What a client did wrong is worth a line, and no more.
      onerror: ({ message }) => report(message),
      maxRequestBodySize: bodyBytesMax,
      maxSubscriptions: streamsMax,
    },
  );
  let atOnce = 0;
  const server = createServer((request, response) => {
    atOnce += 1;
    response.once("close", () => {
      atOnce -= 1;
    });
    exchange(handler, request, response, atOnce > atOnceMax).catch((error: unknown) => {
      report(error);
      response.destroy();
    });
  });
  server.maxConnections = connectionsMax;
  server.requestTimeout = requestMsMax;
  await listening(server, port);
  const { port: taken } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${taken}${path}`,
    async stop() {
      memory.kept.stop();
      await handler.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function exchange(
  handler: McpHttpHandler,
  incoming: IncomingMessage,
  response: ServerResponse,
  tooMany: boolean,
): Promise<void> {
  const refuse = (refusal: Response) => answer(response, refusal);
  if (tooMany) return await refuse(refusal(503, "Too many requests at once: try again."));
  const bare = toRequest(incoming, response);
  const foreign =
    hostHeaderValidationResponse(bare, localhostAllowedHostnames()) ??
    originValidationResponse(bare, localhostAllowedOrigins());
  if (foreign !== undefined) return await refuse(foreign);
  if (new URL(bare.url).pathname !== path) {
    return await refuse(refusal(404, `MCP is served at ${path}.`));
  }
  const token = tokenOf(incoming.headers.authorization);
  if (token === null) return await refuse(unauthorized());
  const body = await bodyOf(incoming, bodyBytesMax);
  if (body === "too-large") {
    return await refuse(refusal(413, `A request may have ${bodyBytesMax} bytes.`));
  }
  const authInfo = { token, clientId: "", scopes: [] };
  await answer(response, await handler.fetch(toRequest(incoming, response, body), { authInfo }));
}

function tokenOf(header: string | undefined): string | null {
  const [, token = ""] = /^Bearer +(\S+)$/i.exec(header ?? "") ?? [];
  return token === "" || token.length > tokenLengthMax ? null : token;
}

function unauthorized(): Response {
  const says =
    "No token: send `Authorization: Bearer <token>` with an agent's token (`lastgood token create --role agent`).";
  const refused = refusal(401, says);
  refused.headers.set("www-authenticate", 'Bearer realm="lastgood"');
  return refused;
}

function refusal(status: number, message: string): Response {
  return Response.json({ jsonrpc: "2.0", error: { code: -32_000, message }, id: null }, { status });
}

async function listening(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      reject(
        new Fault(
          "target_busy",
          `Port ${port} on 127.0.0.1 cannot be listened on (${cause.code ?? cause.message}): name another with --port.`,
          { cause },
        ),
      );
    });
    server.listen(port, "127.0.0.1", resolve);
  });
}
