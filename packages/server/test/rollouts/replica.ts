/** A server process of its own, at one address however often it is killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type Client, createClient } from "@lastgood/sdk";
import { freePort } from "../../src/free-port.ts";
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
