/** The gateway's own door: raw HTTP, because every millisecond here is one of every model request. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Logger } from "pino";
import { Fault } from "../fault.ts";
import type { Admission } from "./admission.ts";
import { askedOf } from "./asked.ts";
import { type Dialect, dialects, openai } from "./dialect.ts";
import { ClientLeft } from "./relay.ts";
import { answer, answerFault, type ServeDeps, serve } from "./serve.ts";

export interface GatewayServerDeps extends ServeDeps {
  readonly log: Logger;
  readonly admission: Admission;
  inFlightMax(): number;
  /** What `/health` says. */
  health(): object;
}

export interface GatewayServer {
  readonly url: string;
  /** Answers what is under way, for at most five seconds. */
  stop(): Promise<void>;
}

export const requestBytesMax = 20_971_520;
const readMsMax = 60_000;
const graceMs = 5_000;

/** Faults `already_open` where the port is taken. */
export async function listenAsGateway(
  deps: GatewayServerDeps,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<GatewayServer> {
  const underWay = { count: 0 };
  const server = createServer(
    { keepAliveTimeout: 65_000, requestTimeout: readMsMax, noDelay: true },
    (request, response) => {
      underWay.count += 1;
      response.once("close", () => {
        underWay.count -= 1;
      });
      void handle(deps, underWay, request, response);
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) =>
      reject(
        cause.code === "EADDRINUSE"
          ? new Fault(
              "already_open",
              `${host}:${port} is taken: choose another port for the gateway (gateway.port, or --port; 0 takes a free one).`,
              { cause },
            )
          : cause,
      ),
    );
    server.listen(port, host, resolve);
  });
  const { port: taken } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${taken}`,
    async stop() {
      const cut = setTimeout(() => server.closeAllConnections(), graceMs);
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      });
      clearTimeout(cut);
    },
  };
}

/** Requests at this door, also those that are still being read. */
interface UnderWay {
  readonly count: number;
}

async function handle(
  deps: GatewayServerDeps,
  underWay: UnderWay,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? "").split("?")[0] ?? "";
  const dialect = dialects.find((each) => each.path === path);
  try {
    if (request.method === "GET" && path === "/health") return answer(response, 200, deps.health());
    if (dialect === undefined || request.method !== "POST") {
      throw new Fault(
        "not_found",
        `There is no ${request.method} ${path.slice(0, 100)} here: this gateway takes POST ${dialects.map((each) => each.path).join(" and POST ")}.`,
      );
    }
    await take(deps, { dialect, underWay }, request, response);
  } catch (error) {
    refuse(deps, dialect ?? openai, response, error);
  }
}

async function take(
  deps: GatewayServerDeps,
  { dialect, underWay }: { readonly dialect: Dialect; readonly underWay: UnderWay },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const left = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) left.abort(new ClientLeft());
  });
  const most = deps.inFlightMax();
  if (underWay.count > most) {
    response.setHeader("retry-after", "1");
    throw new Fault(
      "too_many",
      `${most} requests are under way here already: try again in a second.`,
    );
  }
  const caller = await deps.admission.admit(tokenOf(request));
  const text = await textOf(request).catch((error: unknown) => {
    // What comes of it still is read by nobody.
    response.setHeader("connection", "close");
    throw error;
  });
  await serve(deps, askedOf(dialect, caller, request.headers, text), response, left.signal);
}

/** As either API's clients present it. */
function tokenOf({ headers }: IncomingMessage): string {
  const key = headers["x-api-key"];
  if (typeof key === "string") return key;
  return (headers.authorization ?? "").replace(/^Bearer /i, "");
}

/** By its events: an iterator costs a tenth of a millisecond of every request. */
function textOf(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= requestBytesMax) return void chunks.push(chunk);
      // What it still sends is not read: it is answered now.
      request.pause();
      reject(tooLarge());
    });
    request.once("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
    request.once("error", reject);
    // Every request is closed once it is over.
    request.once("close", () => {
      if (!request.complete) reject(new ClientLeft());
    });
  });
}

function tooLarge(): Fault {
  return new Fault(
    "too_large",
    `The request has more than ${requestBytesMax} bytes: send less at once.`,
  );
}

function refuse(
  { log }: GatewayServerDeps,
  dialect: Dialect,
  response: ServerResponse,
  error: unknown,
): void {
  if (error instanceof ClientLeft || response.destroyed) {
    response.destroy();
    return;
  }
  if (error instanceof Fault) {
    answerFault(response, dialect, error);
    return;
  }
  log.error({ err: error }, "a bug in the gateway answered 500");
  answerFault(
    response,
    dialect,
    new Fault("internal", "Something broke inside the gateway: its log has the cause."),
  );
}
