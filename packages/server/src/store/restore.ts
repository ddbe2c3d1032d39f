/**
 * Puts a backup into an empty database, all of it or nothing.
 *
 *   R1. One transaction: the schema that was recorded, the rows, the sequences, the checks. A failure at
 *       any point leaves the database as empty as it was.
 *   R2. It is trusted only when read: every file against its digest and count before anything is written
 *       and again as it is copied in, then every chain by its verifier, before the commit.
 *   R3. Later migrations are not its business: the next start applies them.
 */
import { join, resolve } from "node:path";
import { Fault } from "../fault.ts";
import { listTables } from "./backup.ts";
import { type Manifest, readManifest, tampered } from "./backup-format.ts";
import { copyIn, type Tally, tallyOf } from "./copy.ts";
import type { Db, Query, Tx } from "./database.ts";
import { applyMigration, lockSchema, type Migration, makeMigrationsTable } from "./migrate.ts";

/** Names every chain that does not hold, in words; none when all do. Reads only. */
export type ChainVerifier = (db: Db) => Promise<readonly string[]>;

export interface RestoreOptions {
  readonly db: Db;
  readonly manifest: Manifest;
  readonly folder: string;
  /** What this program can apply. */
  readonly migrations: readonly Migration[];
  readonly verifiers: readonly ChainVerifier[];
}

/** Reads a backup through without a database. Faults: `not_found`, `chain_broken`, `schema_too_new`. */
export async function checkBackup(
  folder: string,
  migrations: readonly Migration[],
): Promise<Manifest> {
  const manifest = await readManifest(resolve(folder));
  schemaOf(manifest, migrations);
  for (const table of manifest.tables) {
    const file = join(folder, table.file);
    const tally = await tallyOf(file).catch(() => {
      throw tampered(`${table.file} cannot be read`, file);
    });
    requireSame(table, tally, file);
  }
  return manifest;
}

/** Faults: `state_forbids` for a database that is not empty, `chain_broken`, `schema_too_new`. */
export async function restore(options: RestoreOptions): Promise<void> {
  await options.db.begin(async (tx) => {
    await lockSchema(tx);
    await requireEmptyDatabase(tx);
    await build(tx, options);
  });
}

async function build(
  tx: Tx,
  { manifest, folder, migrations, verifiers }: RestoreOptions,
): Promise<void> {
  await makeMigrationsTable(tx);
  for (const migration of schemaOf(manifest, migrations)) {
    await applyMigration(tx, migration);
  }
  const tables = await listTables(tx);
  requireSameTables(tables, manifest, folder);
  // What migrations and triggers would write of themselves is in the backup already.
  for (const { name } of tables) {
    await tx`alter table ${tx(name)} disable trigger user`;
  }
  if (tables.length > 0) {
    await tx`truncate ${tx(tables.map((table) => table.name))}`;
  }
  for (const table of manifest.tables) {
    const file = join(folder, table.file);
    const tally = await copyIn(tx, table.name, table.columns, file).catch((cause: unknown) => {
      throw Object.assign(tampered(`${table.file} does not go into its table`, file), { cause });
    });
    requireSame(table, tally, file);
    await requireCount(tx, table.name, table.rows, file);
  }
  for (const { name, last, called } of manifest.sequences) {
    await tx`select setval(${name}::regclass, ${last}::bigint, ${called})`;
  }
  for (const { name } of tables) {
    await tx`alter table ${tx(name)} enable trigger user`;
  }
  await requireChains(tx, verifiers, folder);
}

async function requireChains(
  tx: Tx,
  verifiers: readonly ChainVerifier[],
  folder: string,
): Promise<void> {
  const view = asDatabase(tx);
  const broken: string[] = [];
  for (const verify of verifiers) broken.push(...(await verify(view)));
  if (broken.length > 0) {
    const shown = broken.slice(0, 5).join("; ");
    throw tampered(`${broken.length} chain(s) do not hold (${shown})`, folder);
  }
}

/**
 * The open transaction in the shape of a database, for verifiers that read in a transaction of their own:
 * theirs becomes a savepoint in this one, beside which nobody writes.
 */
function asDatabase(tx: Tx): Db {
  type Read = (tx: Tx) => Promise<unknown>;
  const begin = (first: unknown, second?: unknown) => tx.savepoint((second ?? first) as Read);
  return new Proxy(tx, {
    get: (target, name) => (name === "begin" ? begin : Reflect.get(target, name)),
  }) as unknown as Db;
}

/** The backup's migrations, as this program has them. */
function schemaOf(manifest: Manifest, known: readonly Migration[]): readonly Migration[] {
  return manifest.migrations.map(({ number, name, digest }) => {
    const same = known.find((migration) => migration.number === number);
    if (same?.digest === digest) return same;
    throw new Fault(
      "schema_too_new",
      `The backup was made with migration ${number} (${name}), which this version ${same === undefined ? "does not know" : "has in another form"}: restore it with version ${manifest.lastgood}, or a later one.`,
    );
  });
}

async function requireEmptyDatabase(db: Query): Promise<void> {
  const present = await db<{ name: string }[]>`
    select relname as name from pg_class
    where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')
    order by relname limit 3`;
  if (present.length > 0) {
    throw new Fault(
      "state_forbids",
      `The database is not empty (it has ${present.map((each) => each.name).join(", ")}, for example), and restore never overwrites: give it an empty one, such as a fresh --home.`,
    );
  }
}

function requireSameTables(
  tables: readonly { readonly name: string }[],
  manifest: Manifest,
  folder: string,
): void {
  const [ours, theirs] = [tables, manifest.tables].map((list) =>
    list
      .map((table) => table.name)
      .sort()
      .join(),
  );
  if (ours !== theirs) throw tampered("Its tables are not those of its schema", folder);
}

function requireSame(expected: Tally, found: Tally, file: string): void {
  const { rows, bytes, sha256 } = expected;
  if (rows === found.rows && bytes === found.bytes && sha256 === found.sha256) return;
  throw tampered(`${file} is not what its manifest says`, file);
}

async function requireCount(db: Query, table: string, rows: number, file: string): Promise<void> {
  const [found] = await db<{ rows: number }[]>`select count(*) as rows from ${db(table)}`;
  if (found?.rows !== rows) throw tampered(`${table} holds ${found?.rows} rows, not ${rows}`, file);
}
