/**
 * A real service that fails while a document is broken, and the agents around it: `backend` breaks it,
 * `responder` may put documents back by itself, `timid` only proposes, `marketing` is no responder.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Client, consume, type Incident } from "@lastgood/sdk";
import { startServer, type TestServer } from "../support/server.ts";
import { until } from "../support/until.ts";

export const service = "content-api";

export interface BrokenPage extends AsyncDisposable {
  readonly server: TestServer;
  /** `backend` writes what breaks the page; resolves with the incident once Lastgood has decided about it. */
  breakIt(): Promise<Incident>;
  /** What the page's visitors get now. */
  status(): Promise<number>;
  document(): Promise<unknown>;
}

const authority = { layers: ["state"], mode: "auto" };
const healthy = { title: "as it was" };
const broken = { title: null };

export async function startBrokenPage(config: object = {}): Promise<BrokenPage> {
  let read: () => Promise<unknown> = async () => healthy;
  const page = createServer((_, response) => {
    read().then(
      (body) =>
        response.writeHead(JSON.stringify(body) === JSON.stringify(broken) ? 500 : 200).end(),
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve) => page.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(page.address() as AddressInfo).port}`;
  const server = await startServer({
    agents: {
      backend: { authority },
      responder: { roles: ["responder"], authority },
      timid: { roles: ["responder"], authority: { ...authority, mode: "propose" } },
      marketing: { dependsOn: [service], authority },
    },
    services: {
      [service]: { url, reads: ["pages/*"], probes: { health: { path: "/", every: "50ms" } } },
    },
    ...config,
  });
  const { client } = server;
  const document = async () => (await client.getDocument("pages", "front")).body;
  await client.putDocument("pages", "front", { body: healthy, agent: "backend" });
  read = document;
  // They work: the all-clear waits until nobody has messages waiting.
  const stopping = new AbortController();
  const { signal } = stopping;
  const reading = ["backend", "marketing"].map((agent) =>
    consume(client, { agent, handler() {}, signal }),
  );
  return {
    server,
    document,
    async breakIt() {
      await until("samples of the healthy page", async () => {
        const { rule } = await client.rule(`${service}.health`);
        return rule.samples >= 40 ? true : null;
      });
      const backend = await server.clientAs("agent", "backend");
      await backend.putDocument("pages", "front", { body: broken, reason: "a shorter title" });
      return await decided(client);
    },
    status: async () => (await fetch(url)).status,
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await Promise.all(reading);
      await server[Symbol.asyncDispose]();
      page.closeAllConnections();
      await new Promise((resolve) => page.close(resolve));
    },
  };
}

async function decided(client: Client): Promise<Incident> {
  return await until(
    "the decision, and the plan to wait",
    async () => {
      const [open] = (await client.incidents()).incidents;
      if (open === undefined || open.recovery === null) return null;
      const { state } = await client.recovery(open.recovery);
      return state === "awaiting-approval" ? await client.incident(open.id) : null;
    },
    90_000,
  );
}
