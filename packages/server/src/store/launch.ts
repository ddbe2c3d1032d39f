/** One run of the postgres program, from spawn to its first answer. */
import { spawn } from "node:child_process";
import { open, rename, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Fault } from "../fault.ts";
import type { Account } from "./account.ts";
import { ids, serverEnvironment } from "./cluster.ts";
import { complain, tailOf } from "./complaint.ts";
import type { Engine } from "./engine.ts";
import { stopPostmaster } from "./postmaster.ts";
import { untilReady } from "./ready.ts";

export interface Launched {
  readonly pid: number;
  readonly port: number;
  /** Resolves with how it ended. Never rejects. */
  readonly ended: Promise<number | string>;
}

export interface LaunchOptions {
  readonly home: string;
  readonly data: string;
  readonly engine: Engine;
  readonly account: Account | null;
  readonly password: string;
  readonly settings: Readonly<Record<string, string>>;
}

/** Small on purpose: the database of one control plane, on a machine that has other work. */
const baseSettings: Readonly<Record<string, string>> = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "60",
  shared_buffers: "32MB",
  max_wal_size: "512MB",
  wal_level: "minimal",
  max_wal_senders: "0",
  max_logical_replication_workers: "0",
  max_parallel_workers_per_gather: "0",
  autovacuum_max_workers: "2",
  io_method: "sync",
  jit: "off",
  logging_collector: "off",
  log_min_messages: "log",
  log_checkpoints: "off",
};

/** How long the orphans of a killed postmaster may take to notice, and how often to look. */
const orphansMsMax = 15_000;
const retryMs = 100;
const portsMax = 5;

/** Starts it on a port that nobody uses; another is taken when somebody was faster. */
export async function launchOnFreePort(
  options: LaunchOptions,
  signal: AbortSignal,
): Promise<Launched> {
  for (let tries = 1; ; tries++) {
    try {
      return await launch(options, await freePort(), signal);
    } catch (error) {
      if (!isPortClash(error) || tries === portsMax) throw error;
    }
  }
}

/** Starts it on this port and resolves when it answers. `store_unreachable` with what it said otherwise. */
export async function launch(
  options: LaunchOptions,
  port: number,
  signal: AbortSignal,
): Promise<Launched> {
  const deadline = Date.now() + orphansMsMax;
  for (;;) {
    try {
      return await launchOnce(options, port, signal);
    } catch (error) {
      if (!isOrphaned(error) || Date.now() > deadline || signal.aborted) throw error;
      await delay(retryMs);
    }
  }
}

async function launchOnce(
  { home, data, engine, account, password, settings }: LaunchOptions,
  port: number,
  signal: AbortSignal,
): Promise<Launched> {
  const log = join(home, "postgres.log");
  const logged = await rotate(log);
  const output = await open(log, "a", 0o600);
  const child = spawn(
    join(engine.folder, "bin/postgres"),
    ["-D", data, "-p", String(port), ...argumentsOf({ ...baseSettings, ...settings })],
    {
      // A file, not a pipe: it goes on writing when we are killed.
      stdio: ["ignore", output.fd, output.fd],
      cwd: data,
      env: serverEnvironment(),
      // A group of its own: Ctrl-C in our terminal must not end it before we have.
      detached: true,
      ...ids(account),
    },
  );
  child.unref();
  const ended = new Promise<number | string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, killed) => resolve(code ?? killed ?? "unknown"));
  });
  await output.close();
  const failed = ended.then(async (how) => {
    throw complain("postgres", how, await tailOf(log, logged), data);
  });
  failed.catch(() => {});
  const url = `postgres://lastgood:${password}@127.0.0.1:${port}/postgres`;
  const asking = new AbortController();
  try {
    const ready = untilReady(url, AbortSignal.any([signal, asking.signal]));
    await Promise.race([ready, failed]);
  } catch (error) {
    asking.abort();
    if (child.pid !== undefined) await stopPostmaster(data, child.pid);
    throw error;
  }
  return { pid: child.pid ?? -1, port, ended };
}

function argumentsOf(settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

const logBytesMax = 1_048_576;

/** Keeps one older log; the size that the present one starts from. */
async function rotate(log: string): Promise<number> {
  const size = (await stat(log).catch(() => null))?.size ?? 0;
  if (size < logBytesMax) return size;
  await rename(log, `${log}.1`);
  return 0;
}

function isOrphaned(error: unknown): boolean {
  return (
    error instanceof Fault &&
    /pre-existing shared memory|lock file .* already exists/.test(error.message)
  );
}

function isPortClash(error: unknown): boolean {
  return error instanceof Fault && /could not create any TCP\/IP sockets/.test(error.message);
}

/** Below the range that systems take the ports of outgoing connections from, so that ours stays free. */
const [portMin, portMax] = [20_000, 32_767];

async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = portMin + Math.floor(Math.random() * (portMax - portMin));
    if (await isFree(port)) return port;
  }
  throw new Fault(
    "store_unreachable",
    `No free port on 127.0.0.1 between ${portMin} and ${portMax} was found in 100 tries: stop something, or set DATABASE_URL.`,
  );
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
