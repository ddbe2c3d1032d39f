import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface SlowService extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Answers take this long from now on; Infinity: they never come. */
  delayMs: number;
  status: number;
  body: string;
  /** Called as each request comes, before it is seen how it is to be answered. */
  asked(): void;
  /** Requests so far, the most that were under way at once, and when each came. */
  readonly seen: { requests: number; atOnceMax: number; readonly cameAt: number[] };
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
    asked() {},
    seen: { requests: 0, atOnceMax: 0, cameAt: [] as number[] },
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearTimeout(timer);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  function answer(_: IncomingMessage, response: ServerResponse): void {
    service.asked();
    service.seen.requests += 1;
    service.seen.cameAt.push(Date.now());
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
