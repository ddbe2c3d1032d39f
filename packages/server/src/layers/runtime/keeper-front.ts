/**
 * Owns the public port of a service and hands each request to the instance that is current.
 *
 *   F1. The port is never let go while the service runs: a switch changes where the next request goes
 *       and closes no client's connection.
 *   F2. A request belongs to the target it began on: `inFlight` counts it there until it ends.
 *   F3. A request with a body goes over a connection of its own. One without may reuse an idle one, and
 *       is sent again if the instance closed that connection before it answered: nothing is done twice.
 */
import {
  Agent,
  createServer,
  type IncomingMessage,
  request as requestOf,
  type Server,
  type ServerResponse,
} from "node:http";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { onUnaskedUpgrade } from "../../unasked-upgrade.ts";

/** An instance as the front sees it. */
export class Target {
  readonly port: number;
  /** Idle connections to it; `destroy` when it has ended. */
  readonly idle = new Agent({ keepAlive: true, maxFreeSockets: 64, timeout: 3_000 });
  #inFlight = 0;
  #idleListeners: (() => void)[] = [];

  constructor(port: number) {
    this.port = port;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  begin(): () => void {
    this.#inFlight += 1;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.#inFlight -= 1;
      if (this.#inFlight === 0) for (const listener of this.#idleListeners.splice(0)) listener();
    };
  }

  /** True when every request in flight has ended; false when `withinMs` passed first. */
  async drained(withinMs: number): Promise<boolean> {
    if (this.#inFlight === 0) return true;
    return await new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), withinMs);
      this.#idleListeners.push(() => {
        clearTimeout(timer);
        resolve(true);
      });
    });
  }
}

const connectionsMax = 10_000;

export class Front {
  readonly host: string;
  readonly port: number;
  readonly #server: Server;
  #target: Target | null = null;

  private constructor(host: string, port: number, server: Server) {
    this.host = host;
    this.port = port;
    this.#server = server;
  }

  static async listen(host: string, port: number): Promise<Front> {
    const server = createServer({
      keepAliveTimeout: 65_000,
      requestTimeout: 0,
      maxHeaderSize: 65_536,
    });
    server.maxConnections = connectionsMax;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port }, resolve);
    });
    const front = new Front(host, port, server);
    server.on("request", (request, reply) => front.#forward(request, reply));
    server.on("upgrade", (request, socket, head) => front.#upgrade(request, socket, head));
    return front;
  }

  /** F1. From now on requests go to this instance; null: there is none, and they are answered 503. */
  aim(target: Target | null): void {
    this.#target = target;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  #forward(request: IncomingMessage, reply: ServerResponse): void {
    const target = this.#target;
    if (target === null) {
      refuse(reply, 503, "no instance of this service runs");
      return;
    }
    const end = target.begin();
    reply.once("close", end);
    const bodyless = !(
      "content-length" in request.headers || "transfer-encoding" in request.headers
    );
    send(target, request, reply, bodyless);
  }

  #upgrade(request: IncomingMessage, client: Duplex, head: Buffer): void {
    const target = this.#target;
    if (target === null) {
      client.end("HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\n");
      return;
    }
    const end = target.begin();
    const upstream: Socket = connect({ host: "127.0.0.1", port: target.port });
    const both = () => {
      end();
      client.destroy();
      upstream.destroy();
    };
    for (const side of [client, upstream]) side.once("error", both).once("close", both);
    upstream.once("connect", () => {
      upstream.write(rawRequest(request));
      upstream.write(head);
      client.pipe(upstream).pipe(client);
    });
  }
}

function send(
  target: Target,
  request: IncomingMessage,
  reply: ServerResponse,
  bodyless: boolean,
): void {
  const upstream = requestOf({
    host: "127.0.0.1",
    port: target.port,
    method: request.method ?? "GET",
    path: request.url ?? "/",
    headers: forwarded(request),
    setHost: false,
    agent: bodyless ? target.idle : false,
  });
  upstream.once("response", (answer) => {
    reply.writeHead(answer.statusCode ?? 502, answer.statusMessage, endToEnd(answer.rawHeaders));
    answer.once("error", () => reply.destroy());
    answer.pipe(reply);
  });
  upstream.once("error", (error) => {
    if (reply.headersSent) reply.destroy();
    else if (bodyless && upstream.reusedSocket && isReset(error)) {
      send(target, request, reply, bodyless);
    } else refuse(reply, 502, "the instance of this service did not answer");
  });
  onUnaskedUpgrade(upstream, () => {
    refuse(reply, 502, "the instance of this service changed to a protocol that nobody asked for");
  });
  // A client that went away is not waited for.
  reply.once("close", () => upstream.destroy());
  request.once("error", () => upstream.destroy());
  if (bodyless) upstream.end();
  else request.pipe(upstream);
}

function refuse(reply: ServerResponse, status: number, because: string): void {
  reply.writeHead(status, { "content-type": "text/plain", "retry-after": "1" });
  reply.end(`${because}\n`);
}

function isReset(error: Error): boolean {
  return "code" in error && (error.code === "ECONNRESET" || error.code === "EPIPE");
}

const hopByHop = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Raw name and value pairs without those that speak of one connection only. */
function endToEnd(raw: readonly string[]): string[] {
  return raw.filter((_, index) => !hopByHop.has((raw[index - (index % 2)] ?? "").toLowerCase()));
}

function forwarded(request: IncomingMessage): string[] {
  const headers = endToEnd(request.rawHeaders);
  if ("transfer-encoding" in request.headers) headers.push("Transfer-Encoding", "chunked");
  headers.push("X-Forwarded-For", request.socket.remoteAddress ?? "unknown");
  return headers;
}

function rawRequest({ method, url, rawHeaders }: IncomingMessage): string {
  let text = `${method} ${url} HTTP/1.1\r\n`;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    text += `${rawHeaders[index]}: ${rawHeaders[index + 1]}\r\n`;
  }
  return `${text}\r\n`;
}
