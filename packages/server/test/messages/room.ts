/** The messages room behind its own doors, as a test or a child process of one starts it. */
import { pino } from "pino";
import { configSchema } from "../../src/config/config.ts";
import { createApp } from "../../src/http/server.ts";
import { createMessages, type Messages } from "../../src/layers/messages/messages.ts";
import { messagesRoutes } from "../../src/layers/messages/messages-routes.ts";
import { createState } from "../../src/layers/state/state.ts";
import { ledgerRoutes } from "../../src/ledger/ledger-routes.ts";
import type { Db } from "../../src/store/database.ts";
import { realWorld } from "../../src/world.ts";

const agents = {
  marketing: { dependsOn: ["content-api"], roles: ["writers"] },
  backend: { roles: ["pairs"] },
  frontend: { roles: ["pairs"] },
  reviewer: {},
};
const services = { "content-api": { dependsOn: ["database"] }, database: {}, billing: {} };
const consumers = { pair: { role: "pairs", ackWait: "400ms" } };

export interface Room {
  readonly url: string;
  readonly messages: Messages;
  stop(): Promise<void>;
}

export interface RoomOptions {
  readonly db: Db;
  readonly port: number;
  readonly natsUrl: string | null;
  readonly messages?: Record<string, unknown>;
}

export async function openRoom(options: RoomOptions): Promise<Room> {
  const { db, port, natsUrl } = options;
  const config = configSchema.parse({
    ...{ agents, services },
    messages: {
      ...{ consumers, ...options.messages },
      ...(natsUrl === null ? {} : { engine: "nats", url: natsUrl }),
    },
  });
  const configuration = { base: "/", current: () => config };
  const log = pino({ level: process.env.LASTGOOD_TEST_LOG ?? "silent" }, pino.destination(2));
  const app = await createApp({ db, world: realWorld, log, version: "test" });
  const state = createState({ db, world: realWorld, configuration });
  const messages = await createMessages({
    ...{ db, world: realWorld, log, configuration },
    async putPart({ collection, id, body, sender }) {
      const author = { agent: sender, task: null, session: null, reason: "content" };
      await state.documents.put({ collection, id }, { body, expect: null }, author);
    },
  });
  state.routes(app);
  messagesRoutes(app, messages, configuration);
  ledgerRoutes(app, { db, world: realWorld, reaching: () => ({ exact: [], globs: [] }) });
  const url = await app.listen({ host: "127.0.0.1", port });
  return {
    url,
    messages,
    async stop() {
      await app.close();
      await messages.stop();
    },
  };
}
