/** The messages room on the engine under test, and what the tests do with it. */
import assert from "node:assert/strict";
import { type Client, createClient, type MessageDelivery } from "@lastgood/sdk";
import type { Role } from "../../src/http/actor.ts";
import { createToken } from "../../src/http/tokens.ts";
import type { AgentName } from "../../src/ids.ts";
import type { Messages } from "../../src/layers/messages/messages.ts";
import type { Db } from "../../src/store/database.ts";
import { realWorld } from "../../src/world.ts";
import { startDatabase } from "../support/database.ts";
import { type NatsServer, startNats } from "../support/nats.ts";
import { openRoom } from "./room.ts";

/** `embedded`, or the path of a nats-server. */
export type EngineUnderTest = string;

export interface MessagesWorld extends AsyncDisposable {
  readonly url: string;
  readonly db: Db;
  readonly databaseUrl: string;
  /** As an admin. */
  readonly client: Client;
  readonly messages: Messages;
  readonly nats: NatsServer | null;
  clientAs(role: Role, agent?: string): Promise<Client>;
  tokenAs(role: Role, agent?: string): Promise<string>;
  /** What the consumer hands out now, or within the time. */
  take(consumer: string, waitMs?: number, max?: number): Promise<readonly MessageDelivery[]>;
  /** One message, which must come within the time. */
  next(consumer: string, waitMs?: number): Promise<MessageDelivery>;
}

export interface WorldOptions {
  readonly messages?: Record<string, unknown>;
  /** Before Lastgood meets the nats-server. */
  readonly prepare?: (nats: NatsServer) => Promise<void>;
  /** NATS writes to the disk before it acknowledges. */
  readonly durable?: boolean;
}

export async function startMessages(
  engine: EngineUnderTest,
  { messages: wanted = {}, prepare = async () => {}, durable = false }: WorldOptions = {},
): Promise<MessagesWorld> {
  await using opened = new AsyncDisposableStack();
  const nats = engine === "embedded" ? null : opened.use(await startNats(engine, { durable }));
  if (nats !== null) await prepare(nats);
  const store = opened.use(await startDatabase());
  const { db } = store;
  const room = await openRoom({ db, port: 0, natsUrl: nats?.url ?? null, messages: wanted });
  opened.defer(() => room.stop());
  const { url, messages } = room;

  const tokenAs = (role: Role, agent = "backend") =>
    createToken(db, realWorld, {
      role,
      name: role,
      agent: role === "agent" ? (agent as AgentName) : null,
      expiresAt: null,
    });
  const clientAs = async (role: Role, agent?: string) =>
    createClient({ url, token: await tokenAs(role, agent) });
  const client = await clientAs("admin");
  const take = async (consumer: string, waitMs = 0, max = 1) =>
    (await client.fetchMessages(consumer, { waitMs, max })).messages;
  const closing = opened.move();
  return {
    ...{ url, db, databaseUrl: store.url, client, messages, nats, clientAs, tokenAs, take },
    async next(consumer, waitMs = 10_000) {
      const [message] = await take(consumer, waitMs);
      assert.ok(message, `${consumer} had nothing within ${waitMs} ms`);
      return message;
    },
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}
