/**
 * PostgreSQL as a child of ours: real binaries from the npm package, a data directory of our own.
 *
 *   home/               ours
 *     data/             the cluster, the account's own, 0700
 *     engine/<version>/ the binaries (engine.ts)
 *     password          the superuser's password, 0600
 *     postgres.log      what initdb and postgres say
 *     lock              one opener (folder-lock.ts)
 *
 *   E1. PostgreSQL never runs as root: as root we drop to an unprivileged account.
 *   E2. It listens on loopback only, and every connection presents a password (scram).
 *   E3. A living postmaster of this data directory (a leftover of a killed server) is adopted, not
 *       fought; one that merely looks like it is left alone, and the start refused.
 *   E4. While we live it is brought back whenever it ends, under the same address.
 *   E5. Only `stop` ends it. It outlives a killed Lastgood, and the next start finds it (E3).
 */
import { realpath } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { Fault } from "../fault.ts";
import { type Account, openHome, requireReachable, unprivilegedAccount } from "./account.ts";
import { passwordOf, prepareCluster } from "./cluster.ts";
import { type Engine, prepareEngine, pruneEngines } from "./engine.ts";
import { type FolderLock, lockFolder } from "./folder-lock.ts";
import { type Launched, launch, launchOnFreePort } from "./launch.ts";
import { disownRecord, findPostmaster, stopPostmaster, untilGone } from "./postmaster.ts";
import { findProcess } from "./process-table.ts";
import { ensureDatabase, untilReady } from "./ready.ts";

export interface EmbeddedOptions {
  /** The folder that holds everything of the embedded server. Created if absent. */
  readonly home: string;
  /** Extra `-c name=value` settings. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly log?: Logger;
}

export interface EmbeddedServer {
  /** Connects as superuser to the database `lastgood`. Stays the same while PostgreSQL comes and goes. */
  readonly url: string;
  /** The postmaster's present pid. */
  readonly pid: number;
  readonly adopted: boolean;
  /** Ends PostgreSQL cleanly and unlocks the home. */
  stop(): Promise<void>;
}

/** Opens the home, making what is missing; resolves when connections are answered. */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const account = await unprivilegedAccount();
  // Before anything is made there; and again below, where links in the way have been followed.
  if (account !== null) await requireReachable(dirname(resolve(options.home)), account);
  await openHome(options.home);
  const home = await realpath(options.home);
  if (account !== null) await requireReachable(home, account);
  const lock = await lockFolder(home);
  try {
    return await open({ ...options, home }, account, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

interface House {
  readonly home: string;
  readonly data: string;
  readonly engine: Engine;
  readonly account: Account | null;
  readonly password: string;
  readonly settings: Readonly<Record<string, string>>;
}

async function open(
  { home, settings = {}, log }: EmbeddedOptions,
  account: Account | null,
  lock: FolderLock,
): Promise<EmbeddedServer> {
  const data = join(home, "data");
  const stopping = new AbortController();
  const [engine, password] = [await prepareEngine(home), await passwordOf(home)];
  await prepareCluster(home, engine, account, password);
  const house: House = { home, data, engine, account, password, settings };

  const adopted = await adopt(house, stopping.signal);
  let current = adopted ?? (await launchOnFreePort(house, stopping.signal));
  const { port } = current;
  const url = urlOf(password, port);
  await ensureDatabase(url);
  if (adopted === null) await pruneEngines(engine);

  async function keepRunning(): Promise<void> {
    for (let failures = 0; ; ) {
      const ended = await current.ended;
      if (stopping.signal.aborted) return;
      log?.error({ pid: current.pid, ended, failures }, "PostgreSQL ended; it is started again");
      await delay(backoffMs(failures), undefined, { signal: stopping.signal }).catch(() => {});
      if (stopping.signal.aborted) return;
      try {
        current = await launch(house, port, stopping.signal);
        if (stopping.signal.aborted) return;
        failures = 0;
        log?.info({ pid: current.pid }, "PostgreSQL is back");
      } catch (error) {
        failures += 1;
        log?.error({ err: error }, "PostgreSQL could not be started; it will be tried again");
      }
    }
  }

  const kept = keepRunning();
  return {
    url,
    adopted: adopted !== null,
    get pid() {
      return current.pid;
    },
    async stop() {
      stopping.abort();
      // The child does not hold this process open: without it the loop may run empty before its exit is told.
      const awake = setInterval(() => {}, 1_000);
      try {
        await stopPostmaster(data, current.pid);
        await kept;
        // One that was being started again is another by now.
        await stopPostmaster(data, current.pid);
      } finally {
        clearInterval(awake);
        lock.release();
      }
    },
  };
}

const backoffMsMax = 5_000;

function backoffMs(failures: number): number {
  return failures === 0 ? 0 : Math.min(backoffMsMax, 50 * 2 ** Math.min(failures, 10));
}

/** E3. Null when there is nothing to adopt, and nothing in the way of a start. */
async function adopt(house: House, stopping: AbortSignal): Promise<Launched | null> {
  const { data, password } = house;
  const found = await findPostmaster(data);
  switch (found.kind) {
    case "none":
      return null;
    case "stale":
      if ((await findProcess(found.recorded.pid)) !== null) await disownRecord(data);
      return null;
    case "doubtful":
      throw new Fault(
        "already_open",
        `Process ${found.recorded.pid} is a PostgreSQL on ${data}, but not the one that its postmaster.pid tells of: stop it (kill -INT ${found.recorded.pid}), then start again.`,
        { context: { path: data } },
      );
    case "living":
  }
  const { pid, port } = found.recorded;
  const asking = new AbortController();
  const ended = untilGone(data, pid, stopping).then(() => "gone" as const);
  try {
    if (found.recorded.status !== "stopping") {
      const ready = untilReady(urlOf(password, port), asking.signal);
      if ((await Promise.race([ready, ended])) !== "gone") return { pid, port, ended };
    }
    // It was on its way out: let it finish, then start afresh.
    await ended;
    return null;
  } finally {
    asking.abort();
  }
}

function urlOf(password: string, port: number): string {
  return `postgres://lastgood:${password}@127.0.0.1:${port}/lastgood`;
}
