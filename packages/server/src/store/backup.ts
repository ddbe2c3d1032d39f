/**
 * Backs the database up while it works: every table of ours as one moment saw it.
 *
 *   B1. One REPEATABLE READ transaction reads everything, so that no row refers to one that is missing.
 *   B2. Tables are found in the catalogue, not listed here: a new one is backed up without being asked.
 *   B3. The folder gets its name, and the manifest its place, when everything is on the disk.
 */
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Fault } from "../fault.ts";
import { type BackedUpTable, type Manifest, manifestFile } from "./backup-format.ts";
import { copyOut } from "./copy.ts";
import type { Db, Query, Tx } from "./database.ts";

export interface BackupOptions {
  readonly db: Db;
  /** A folder that does not exist, or is empty. */
  readonly folder: string;
  readonly version: string;
  readonly now: Date;
}

/** Faults: `already_exists` for a folder that holds something, `not_found` for a database without our schema. */
export async function backup(options: BackupOptions): Promise<Manifest> {
  const folder = resolve(options.folder);
  await requireEmpty(folder);
  const aside = `${folder}.partial`;
  await rm(aside, { recursive: true, force: true });
  await mkdir(aside, { recursive: true, mode: 0o700 });
  try {
    const manifest = await options.db.begin(
      "isolation level repeatable read read only",
      async (tx) => await copyAll(tx, aside, options),
    );
    await writeDurably(join(aside, manifestFile), `${JSON.stringify(manifest, null, 2)}\n`);
    await rm(folder, { recursive: true, force: true });
    await rename(aside, folder);
    return manifest;
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    throw error;
  }
}

async function copyAll(tx: Tx, aside: string, { version, now }: BackupOptions): Promise<Manifest> {
  await tx`set local statement_timeout = 0`;
  const migrations = await readMigrationList(tx);
  const tables: BackedUpTable[] = [];
  for (const [index, table] of (await listTables(tx)).entries()) {
    const file = `${String(index + 1).padStart(3, "0")}-${table.name}.copy.gz`;
    const tally = await copyOut(tx, table.name, table.columns, join(aside, file));
    tables.push({ ...table, file, ...tally });
  }
  const [server] = await tx<{ version: string }[]>`
    select current_setting('server_version') as version`;
  return {
    format: 1,
    madeAt: now.toISOString(),
    lastgood: version,
    postgres: server?.version ?? "",
    migrations,
    tables,
    // Sequences know no transactions: read last, they are at least as far as any row above.
    sequences: await readSequences(tx),
  };
}

async function requireEmpty(folder: string): Promise<void> {
  const present = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw new Fault(
      "bad_input",
      `${folder} is not a folder: name one for the backup to be made in.`,
      {
        cause: error,
        context: { path: folder },
      },
    );
  });
  if (present.length > 0) {
    throw new Fault(
      "already_exists",
      `${folder} holds something: name a folder that is empty, or does not exist yet.`,
      { context: { path: folder } },
    );
  }
}

async function readMigrationList(db: Query): Promise<Manifest["migrations"]> {
  const [found] = await db`select to_regclass('migrations') as present`;
  if (found?.present === null) {
    throw new Fault(
      "not_found",
      "The database holds nothing of Lastgood: there is nothing to back up.",
    );
  }
  const rows = await db<Manifest["migrations"]>`
    select number, name, digest from migrations order by number`;
  return [...rows];
}

export interface Table {
  readonly name: string;
  /** Those that are stored; generated ones make themselves. */
  readonly columns: string[];
}

/** The schema's tables except `migrations`, each after those that its rows refer to. */
export async function listTables(db: Query): Promise<readonly Table[]> {
  const found = await db<{ name: string; kind: string; columns: string[]; refers: string[] }[]>`
    select c.relname as name, c.relkind as kind,
      array(select a.attname::text from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
        order by a.attnum) as columns,
      array(select distinct f.relname::text from pg_constraint k join pg_class f on f.oid = k.confrelid
        where k.conrelid = c.oid and k.contype = 'f' and k.confrelid <> c.oid) as refers
    from pg_class c
    where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p', 'f', 'm')
      and c.relname <> 'migrations'
    order by c.relname`;
  const odd = found.find((each) => each.kind !== "r");
  if (odd !== undefined) {
    throw new Error(`${odd.name} is not a plain table, and backup knows no other kind yet`);
  }
  return inOrder(found);
}

/** Each table after those that it refers to; by name where that is free. */
export function inOrder<T extends { name: string; refers: readonly string[] } & Table>(
  tables: readonly T[],
): readonly Table[] {
  const left = new Map(tables.map((table) => [table.name, table]));
  const ordered: Table[] = [];
  while (left.size > 0) {
    const next = [...left.values()].find((table) => table.refers.every((name) => !left.has(name)));
    if (next === undefined) {
      throw new Error(`${[...left.keys()].join(", ")} refer to each other in a circle`);
    }
    left.delete(next.name);
    ordered.push({ name: next.name, columns: next.columns });
  }
  return ordered;
}

async function readSequences(db: Query): Promise<Manifest["sequences"]> {
  const names = await db<{ name: string }[]>`
    select relname as name from pg_class
    where relnamespace = current_schema()::regnamespace and relkind = 'S' order by relname`;
  const sequences: Manifest["sequences"] = [];
  for (const { name } of names) {
    const [row] = await db<{ last: string; called: boolean }[]>`
      select last_value::text as last, is_called as called from ${db(name)}`;
    if (row !== undefined) sequences.push({ name, ...row });
  }
  return sequences;
}

async function writeDurably(file: string, text: string): Promise<void> {
  const handle = await open(file, "wx", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
