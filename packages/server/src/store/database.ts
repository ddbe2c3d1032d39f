import postgres from "postgres";
import { Fault } from "../fault.ts";

/** A pool of connections. One statement, or `db.begin(tx => ...)` for several. */
export type Db = postgres.Sql<{ bigint: number }>;
/** Inside a transaction. A function that takes `Query` runs in either. */
export type Tx = postgres.TransactionSql<{ bigint: number }>;
export type Query = Db | Tx;
/** A value that goes into a `jsonb` column. */
export type Json = postgres.JSONValue;

const int8 = 20;

/** Opens a pool on any PostgreSQL >= 15. `int8` comes back as a number: ours stay under 2^53. */
export function openDatabase(url: string, { max = 10 }: { max?: number } = {}): Db {
  return postgres<{ bigint: postgres.PostgresType<number> }>(url, {
    max,
    onnotice: () => {},
    connection: { application_name: "lastgood", TimeZone: "UTC" },
    types: {
      bigint: { to: int8, from: [int8], serialize: String, parse: Number },
    },
  });
}

export async function requireServerVersion(db: Db): Promise<void> {
  const [row] = await db<{ version: string }[]>`
    select current_setting('server_version_num') as version`;
  if (Number(row?.version ?? 0) < 150_000) {
    throw new Fault(
      "bad_configuration",
      `PostgreSQL ${row?.version} is too old: point DATABASE_URL at version 15 or later, or unset it to use the embedded server.`,
    );
  }
}
