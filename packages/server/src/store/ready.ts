/** Whether a PostgreSQL answers, asked the only way that counts: by connecting. */
import { setTimeout as delay } from "node:timers/promises";
import { Fault } from "../fault.ts";
import { openPool } from "./driver.ts";

/** Replaying the log after a crash is bounded by max_wal_size; this is far above it. */
const readyMsMax = 300_000;
const betweenMs = 15;

/** Not there yet: nothing listens, or it starts up, shuts down or replays its log. */
const notYet = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "CONNECT_TIMEOUT",
  "57P03",
]);

/** Resolves at the first answer, or when nobody asks any more. `store_unreachable` when none comes, or one that no waiting changes. */
export async function untilReady(url: string, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + readyMsMax;
  for (;;) {
    const failure = await attempt(url);
    if (failure === null || signal.aborted) return;
    if (!notYet.has(failure.code ?? "") || Date.now() > deadline) {
      throw new Fault(
        "store_unreachable",
        `The embedded PostgreSQL does not let us in (${failure.message}): see postgres.log in its home. If its password file was lost, put it back from a copy.`,
        { cause: failure },
      );
    }
    await delay(betweenMs);
  }
}

async function attempt(url: string): Promise<(Error & { code?: string }) | null> {
  const sql = openMaintenance(url);
  try {
    await sql`select 1`;
    return null;
  } catch (error) {
    return error as Error & { code?: string };
  } finally {
    await sql.end({ timeout: 1 });
  }
}

export async function ensureDatabase(url: string): Promise<void> {
  const sql = openMaintenance(url);
  try {
    const found = await sql`select 1 from pg_database where datname = 'lastgood'`;
    if (found.length === 0) await sql`create database lastgood`;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** One connection to the database that every cluster has. */
function openMaintenance(url: string) {
  const target = new URL(url);
  target.pathname = "/postgres";
  return openPool(target.href, { max: 1, connect_timeout: 2, onnotice: () => {} });
}
