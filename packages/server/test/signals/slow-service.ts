import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface SlowService extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Answers take this long from now on; Infinity: they never come. */
  delayMs: number;
  status: number;
  body: string;
  /** Requests so far, and the most that were under way at once. */
  readonly seen: { requests: number; atOnceMax: number };
}

/** A real HTTP service on a free port whose answers a test can slow down, fail or hold back. */
export async function startSlowService(): Promise<SlowService> {
  const timers = new Set<NodeJS.Timeout>();
  let atOnce = 0;
  const service = {
    url: "",
    port: 0,
    delayMs: 0,
    status: 200,
    body: "{}",
    seen: { requests: 0, atOnceMax: 0 },
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearTimeout(timer);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  function answer(_: IncomingMessage, response: ServerResponse): void {
    service.seen.requests += 1;
    atOnce += 1;
    service.seen.atOnceMax = Math.max(service.seen.atOnceMax, atOnce);
    response.once("close", () => {
      atOnce -= 1;
    });
    if (!Number.isFinite(service.delayMs)) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      response.writeHead(service.status, { "content-type": "application/json" }).end(service.body);
    }, service.delayMs);
    timers.add(timer);
  }
  const server: Server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  service.port = port;
  service.url = `http://127.0.0.1:${port}`;
  return service;
}
