import type postgres from "postgres";
import { Fault } from "../fault.ts";
import { openPool } from "./driver.ts";

/**
 * A pool of connections. One statement, or `db.begin(tx => ...)` for several. Not `reserve`: what
 * holds a connection outside a transaction is not told when it was lost, and goes on upon another.
 */
export type Db = postgres.Sql<{ bigint: number }>;
/** Inside a transaction. A function that takes `Query` runs in either. */
export type Tx = postgres.TransactionSql<{ bigint: number }>;
export type Query = Db | Tx;
/** A value that goes into a `jsonb` column. */
export type Json = postgres.JSONValue;

const int8 = 20;

export interface PoolOptions {
  /** Connections at most. Default 10. */
  readonly max?: number;
  /** A statement that takes longer is ended by the server. Default 60,000; 0 for no limit. */
  readonly statementMsMax?: number;
}

const connectSecondsMax = 5;
const reconnectSecondsMax = 1;

/**
 * Opens a pool on any PostgreSQL >= 15. `int8` comes back as a number: ours stay under 2^53. Connections
 * that are lost are made anew at the next statement, at most a second apart, for as long as it takes.
 */
export function openDatabase(
  url: string,
  { max = 10, statementMsMax = 60_000 }: PoolOptions = {},
): Db {
  return openPool<{ bigint: postgres.PostgresType<number> }>(url, {
    max,
    onnotice: () => {},
    connect_timeout: connectSecondsMax,
    backoff: (failures: number) => Math.min(reconnectSecondsMax, 0.05 * 2 ** failures),
    connection: {
      application_name: "lastgood",
      TimeZone: "UTC",
      statement_timeout: statementMsMax,
    },
    types: {
      bigint: { to: int8, from: [int8], serialize: String, parse: Number },
    },
  });
}

/**
 * Refuses a server that does not let us in (`store_unreachable`) or is older than 15
 * (`bad_configuration`).
 */
export async function requireServerVersion(db: Db): Promise<void> {
  const version = await readServerVersion(db);
  if (version < versionMin) {
    throw new Fault(
      "bad_configuration",
      `PostgreSQL ${version / 10_000} is too old: point DATABASE_URL at version 15 or later, or unset it to use the embedded server.`,
    );
  }
}

const versionMin = 150_000;

async function readServerVersion(db: Db): Promise<number> {
  try {
    const [row] = await db<{ version: string }[]>`
      select current_setting('server_version_num') as version`;
    return Number(row?.version ?? 0);
  } catch (cause) {
    const { host, port, database, user } = db.options;
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new Fault(
      "store_unreachable",
      `PostgreSQL at ${host}:${port} does not let ${user} into ${database} (${said}): check DATABASE_URL and that it runs, or unset it to use the embedded server.`,
      { cause },
    );
  }
}
