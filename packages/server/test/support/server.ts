import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, createClient } from "@lastgood/sdk";
import { pino } from "pino";
import { configSchema } from "../../src/config/config.ts";
import type { Role } from "../../src/http/actor.ts";
import { createToken } from "../../src/http/tokens.ts";
import type { AgentName } from "../../src/ids.ts";
import { type Lastgood, type Seams, startLastgood } from "../../src/main.ts";
import { realWorld } from "../../src/world.ts";
import { startDatabase } from "./database.ts";

export interface TestServer extends AsyncDisposable {
  readonly lastgood: Lastgood;
  /** The folder that relative paths of the configuration start from. */
  readonly folder: string;
  readonly databaseUrl: string;
  /** As an admin. */
  readonly client: Client;
  /** As another role; an agent's client needs the agent's name. */
  clientAs(role: Role, agent?: string): Promise<Client>;
  tokenAs(role: Role, agent?: string): Promise<string>;
}

/** The whole server on a free port over a database of its own: `await using server = await startServer()`. */
export async function startServer(config: unknown = {}, seams: Seams = {}): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), "lastgood-server-"));
  const store = await startDatabase();
  const parsed = configSchema.parse(config);
  const lastgood = await startLastgood({
    home: join(folder, "home"),
    host: "127.0.0.1",
    port: 0,
    databaseUrl: store.url,
    configuration: { base: folder, current: () => parsed },
    log: pino({ level: process.env.LASTGOOD_TEST_LOG ?? "silent" }),
    seams,
  });
  const tokenAs = (role: Role, agent?: string) =>
    createToken(lastgood.db, realWorld, {
      role,
      name: agent ?? role,
      agent: role === "agent" ? ((agent ?? "backend") as AgentName) : null,
      expiresAt: null,
    });
  const clientAs = async (role: Role, agent?: string) =>
    createClient({ url: lastgood.url, token: await tokenAs(role, agent) });
  return {
    lastgood,
    folder,
    databaseUrl: store.url,
    client: await clientAs("admin"),
    clientAs,
    tokenAs,
    async [Symbol.asyncDispose]() {
      await lastgood.stop({ services: true });
      await store[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
