import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, createClient } from "@lastgood/sdk";
import { pino } from "pino";
import { configSchema } from "../../src/config/config.ts";
import { freePort } from "../../src/free-port.ts";
import { createToken } from "../../src/http/tokens.ts";
import type { AgentName } from "../../src/ids.ts";
import { type Lastgood, startLastgood } from "../../src/main.ts";
import { realWorld } from "../../src/world.ts";
import { startDatabase, type TestDatabase } from "./database.ts";

export interface RestartableServer extends AsyncDisposable {
  readonly url: string;
  /** An admin's. */
  readonly client: Client;
  /** Also while the server is stopped. */
  readonly store: TestDatabase;
  tokenFor(agent: string): Promise<string>;
  stop(): Promise<void>;
  /** At the same address, over the same database. */
  start(): Promise<void>;
}

/** A server that can be away for a while: `await using server = await startRestartable()`. */
export async function startRestartable(config: unknown = {}): Promise<RestartableServer> {
  const folder = await mkdtemp(join(tmpdir(), "lastgood-restartable-"));
  const store = await startDatabase();
  const parsed = configSchema.parse(config);
  const port = await freePort();
  let running: Lastgood | null = null;
  const start = async () => {
    running ??= await startLastgood({
      ...{ home: join(folder, "home"), host: "127.0.0.1", port, databaseUrl: store.url },
      configuration: { base: folder, current: () => parsed },
      log: pino({ level: process.env.LASTGOOD_TEST_LOG ?? "silent" }),
    });
  };
  const stop = async () => {
    await running?.stop({ services: true });
    running = null;
  };
  const token = (role: "admin" | "agent", agent: string | null) =>
    createToken(store.db, realWorld, {
      ...{ role, name: agent ?? role, agent: agent as AgentName | null, expiresAt: null },
    });
  await start();
  const url = `http://127.0.0.1:${port}`;
  return {
    ...{ url, start, stop, store },
    client: createClient({ url, token: await token("admin", null) }),
    tokenFor: (agent) => token("agent", agent),
    async [Symbol.asyncDispose]() {
      await stop();
      await store[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
