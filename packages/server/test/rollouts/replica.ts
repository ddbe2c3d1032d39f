/** A server process of its own, at one address however often it is killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, createClient } from "@lastgood/sdk";
import { freePort } from "../../src/free-port.ts";
import { createToken } from "../../src/http/tokens.ts";
import { realWorld } from "../../src/world.ts";
import { startDatabase } from "../support/database.ts";
import { bin } from "../support/lastgood.ts";
import { until } from "../support/until.ts";

export interface Replica {
  readonly client: Client;
  readonly pid: () => number;
  start(): Promise<void>;
  /** SIGKILL, or as is asked for. Nothing where it does not run. */
  kill(signal?: NodeJS.Signals): Promise<void>;
}

/** `file` is its lastgood.yaml; `token` is asked for when the client is first used. */
export async function makeReplica(
  home: string,
  file: string,
  databaseUrl: string,
  token: () => string,
): Promise<Replica> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let child: ChildProcess | null = null;
  let client: Client | null = null;
  return {
    get client() {
      client ??= createClient({ url, token: token() });
      return client;
    },
    pid: () => child?.pid ?? 0,
    async start() {
      const args = ["start", "--home", home, "--port", String(port), "--config", file];
      child = spawn(process.execPath, [bin, ...args], {
        env: { ...process.env, DATABASE_URL: databaseUrl },
        stdio: ["ignore", "ignore", process.env.LASTGOOD_TEST_LOG ? "inherit" : "ignore"],
      });
      await until("the server", async () => (await fetch(`${url}/health`)).ok);
    },
    async kill(signal = "SIGKILL") {
      const ending = child;
      child = null;
      if (ending === null || ending.exitCode !== null) return;
      const ended = once(ending, "exit");
      ending.kill(signal);
      await ended;
    },
  };
}

/** One server over a database of its own, with an admin's token; `config` is its lastgood.yaml. */
export async function startKillable(config: string) {
  const folder = await mkdtemp(join(tmpdir(), "lastgood-killed-"));
  const store = await startDatabase();
  const file = join(folder, "lastgood.yaml");
  await writeFile(file, config);
  const token = await createToken(store.db, realWorld, {
    ...{ role: "admin", name: "admin", agent: null, expiresAt: null },
  });
  const server = await makeReplica(join(folder, "home"), file, store.url, () => token);
  return {
    ...{ server, client: server.client, db: store.db },
    async [Symbol.asyncDispose]() {
      await server.kill("SIGTERM");
      await store[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
