/**
 * Brings a database to this program's schema.
 *
 *   M1. Migrations are the files `NNN-name.sql` beside this one, applied in the order of their numbers,
 *       in one transaction under an advisory lock: a start that fails leaves the schema as it was, and
 *       two servers that start at once are safe.
 *   M2. A file whose first line is `-- breaking` must not be run against by an older program: a database
 *       with a breaking migration that this program does not know is refused.
 *   M3. What was applied never changes: its digest is recorded and compared.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../fault.ts";
import type { Db, Query, Tx } from "./database.ts";

export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  readonly breaking: boolean;
  readonly digest: string;
}

const lockKey = 4_715_382_901;

export async function readMigrations(
  directory: string = join(import.meta.dirname, "migrations"),
): Promise<readonly Migration[]> {
  const files = (await readdir(directory))
    .filter((file) => /^\d{3}-[\w-]+\.sql$/.test(file))
    .sort();
  return await Promise.all(
    files.map(async (file) => {
      const sql = await readFile(join(directory, file), "utf8");
      return {
        number: Number(file.slice(0, 3)),
        name: file.slice(4, -4),
        sql,
        breaking: sql.startsWith("-- breaking"),
        digest: createHash("sha256").update(sql).digest("hex"),
      };
    }),
  );
}

/** Applies what is missing and returns the names of what it applied. */
export async function migrate(
  db: Db,
  migrations: readonly Migration[],
): Promise<readonly string[]> {
  return await db.begin(async (tx) => {
    await lockSchema(tx);
    await makeMigrationsTable(tx);
    const applied = await tx<
      { number: number; name: string; breaking: boolean; digest: string }[]
    >`select number, name, breaking, digest from migrations`;
    for (const row of applied) requireKnown(row, migrations);
    const done = new Set(applied.map((row) => row.number));
    const missing = migrations.filter((migration) => !done.has(migration.number));
    for (const migration of missing) await applyMigration(tx, migration);
    return missing.map((migration) => migration.name);
  });
}

/** Until the transaction ends nobody else changes the schema, and statements may take as long as they need. */
export async function lockSchema(tx: Tx): Promise<void> {
  await tx`set local statement_timeout = 0`;
  await tx`select pg_advisory_xact_lock(${lockKey})`;
}

export async function makeMigrationsTable(db: Query): Promise<void> {
  await db`
    create table if not exists migrations (
      number int primary key, name text not null, breaking boolean not null,
      digest text not null, applied_at timestamptz not null default now())`;
}

/** Applies one and records it, inside the caller's transaction. */
export async function applyMigration(db: Query, migration: Migration): Promise<void> {
  const { number, name, breaking, digest } = migration;
  await db.unsafe(migration.sql);
  await db`insert into migrations ${db({ number, name, breaking, digest })}`;
}

function requireKnown(
  row: { number: number; name: string; breaking: boolean; digest: string },
  known: readonly Migration[],
): void {
  const same = known.find((migration) => migration.number === row.number);
  if (same === undefined && row.breaking) {
    throw new Fault(
      "schema_too_new",
      `The database has the breaking migration ${row.number} (${row.name}), which this version does not know: start the newer version, or restore a backup made before it.`,
    );
  }
  if (same !== undefined && same.digest !== row.digest) {
    throw new Fault(
      "schema_too_new",
      `Migration ${row.number} (${row.name}) was applied with other content than this version carries: start the version that applied it.`,
    );
  }
}
