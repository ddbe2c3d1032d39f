/** A server whose messages run on the engine under test, and what the tests do with it. */
import assert from "node:assert/strict";
import type { Client, MessageDelivery } from "@lastgood/sdk";
import { type NatsServer, startNats } from "../support/nats.ts";
import { startServer, type TestServer } from "../support/server.ts";

/** `embedded`, or the path of a nats-server. */
export type EngineUnderTest = "embedded" | (string & {});

export interface MessagesWorld extends AsyncDisposable {
  readonly server: TestServer;
  readonly client: Client;
  readonly nats: NatsServer | null;
  /** What the consumer hands out now, or within the time. */
  take(consumer: string, waitMs?: number, max?: number): Promise<readonly MessageDelivery[]>;
  /** One message, which must come within the time. */
  next(consumer: string, waitMs?: number): Promise<MessageDelivery>;
}

const quick = { ackWait: "1s", maxDeliver: 3 };

export const tasksConfig = {
  streams: { TASKS: { subjects: ["tasks.>"], reviewer: "reviewer" } },
  consumers: {
    worker: { stream: "TASKS", ...quick },
    audit: { stream: "TASKS", ...quick, maxInFlight: 10 },
    reviews: { stream: "TASKS", subjects: ["tasks.review", "tasks.check.*"], ...quick },
  },
};

const agents = {
  marketing: { dependsOn: ["content-api"], roles: ["writers"] },
  backend: {},
  reviewer: {},
};
const services = { "content-api": { dependsOn: ["database"] }, database: {}, billing: {} };

export async function startMessages(
  engine: EngineUnderTest,
  messages: Record<string, unknown> = tasksConfig,
  prepare: (nats: NatsServer) => Promise<void> = async () => {},
): Promise<MessagesWorld> {
  const nats = engine === "embedded" ? null : await startNats(engine);
  if (nats !== null) await prepare(nats);
  const server = await startServer({
    agents,
    services,
    messages: {
      ...messages,
      ...(nats === null ? {} : { engine: "nats", url: nats.url }),
    },
  });
  const { client } = server;
  const take = async (consumer: string, waitMs = 0, max = 1) =>
    (await client.fetchMessages(consumer, { waitMs, max })).messages;
  return {
    server,
    client,
    nats,
    take,
    async next(consumer, waitMs = 10_000) {
      const [message] = await take(consumer, waitMs);
      assert.ok(message, `${consumer} had nothing within ${waitMs} ms`);
      return message;
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await nats?.[Symbol.asyncDispose]();
    },
  };
}

/** Waits for a condition with a deadline. */
export async function until<T>(
  what: string,
  look: () => Promise<T | null | undefined | false>,
  withinMs = 10_000,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== null && seen !== undefined && seen !== false) return seen;
    assert.ok(Date.now() < deadline, `not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
