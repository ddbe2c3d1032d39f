/**
 * What reverting a migration's file means for the database that it was applied to: reverting the file
 * alone undoes nothing there.
 */
import { basename, matchesGlob } from "node:path";
import type { Config, RepositoryConfig } from "../../config/config.ts";
import type { PathChange } from "../../git/read-commits.ts";

export type MigrationsConfig = NonNullable<RepositoryConfig["migrations"]>;

export interface MigrationFile {
  /** The file's name without its endings: `003-orders`. */
  readonly id: string;
  readonly path: string;
}

/** The migrator's table, as rows of whatever columns it has. */
export type MigratorRows = readonly Readonly<Record<string, unknown>>[];

export type MigrationPlan =
  | { readonly kind: "none" }
  | { readonly kind: "down"; readonly migrations: readonly MigrationFile[] }
  | { readonly kind: "blocked"; readonly because: readonly string[] };

/** Every service of the repository brings its database to the declared schema when it starts. */
export function isDeclarative({ services }: Config, repository: string): boolean {
  const own = Object.values(services).filter((service) => service.repository === repository);
  return (
    own.length > 0 &&
    own.every((service) => service.schema !== "migrations") &&
    own.some((service) => service.schema === "declarative")
  );
}

/** Migration files that a revert would remove (they were added) or alter, newest name first. */
export function migrationsIn(
  changes: readonly PathChange[],
  { paths }: MigrationsConfig,
): { readonly removed: readonly MigrationFile[]; readonly altered: readonly MigrationFile[] } {
  const files = changes
    .filter(({ path }) => paths.some((glob) => matchesGlob(path, glob)))
    .filter(({ path }) => !/\.down\.\w+$/.test(path))
    .map(({ path, status }) => ({ path, status, id: idOf(path) }))
    .sort((one, other) => (one.path < other.path ? 1 : -1));
  const of = (status: (each: string) => boolean) =>
    files.filter((file) => status(file.status)).map(({ id, path }) => ({ id, path }));
  return {
    removed: of((each) => each === "D"),
    altered: of((each) => each !== "D" && each !== "A"),
  };
}

function idOf(path: string): string {
  return basename(path).replace(/(?:\.up)?\.\w+$/, "");
}

/**
 * Whether the migrator's table says that a migration is applied: a column holds the file's name, its id
 * or its leading number; or, where the table is one row of version and dirty, a version at least as high.
 */
export function isApplied({ id, path }: MigrationFile, rows: MigratorRows): boolean {
  const number = /^\d+/.exec(id)?.[0];
  const names = new Set([id, basename(path), path]);
  const [only] = rows;
  if (rows.length === 1 && only !== undefined && "dirty" in only && "version" in only) {
    return number !== undefined && Number(only.version) >= Number(number);
  }
  const matches = (value: unknown, column: string) => {
    const text = typeof value === "bigint" || typeof value === "number" ? String(value) : value;
    if (typeof text !== "string") return false;
    if (names.has(text)) return true;
    const isVersion = /version|migration|name|number|filename|script/i.test(column);
    return (
      isVersion && number !== undefined && /^\d+$/.test(text) && BigInt(text) === BigInt(number)
    );
  };
  return rows.some((row) => Object.entries(row).some(([column, value]) => matches(value, column)));
}

export interface MigrationQuestion {
  readonly repository: string;
  readonly changes: readonly PathChange[];
  readonly config: MigrationsConfig;
  /** The rows, or why they could not be read. */
  readonly migrator: { readonly rows: MigratorRows } | { readonly unreadable: string };
}

/** What a revert needs beside the push: the migrations' own downs, or a person. */
export function planMigrations(question: MigrationQuestion): MigrationPlan {
  const { repository, changes, config, migrator } = question;
  const { removed, altered } = migrationsIn(changes, config);
  if (removed.length === 0 && altered.length === 0) return { kind: "none" };
  if ("unreadable" in migrator) {
    const files = [...removed, ...altered].map(({ path }) => path).join(", ");
    return {
      kind: "blocked",
      because: [
        `${repository}: the revert touches migrations (${files}), and whether they are applied cannot be read: ${migrator.unreadable}. Undo them in the database, or give a forward migration.`,
      ],
    };
  }
  const applied = removed.filter((file) => isApplied(file, migrator.rows));
  const because = altered
    .filter((file) => isApplied(file, migrator.rows))
    .map(
      ({ path }) =>
        `${repository}: the migration ${path} was altered after it was applied: reverting its text does not touch the database; give a forward migration.`,
    );
  if (config.down === undefined) {
    because.push(
      ...applied.map(
        ({ path }) =>
          `${repository}: the migration ${path} is applied in ${config.table} and has no down: give a forward migration, or put the data layer back.`,
      ),
    );
  }
  if (because.length > 0) return { kind: "blocked", because };
  return applied.length === 0 ? { kind: "none" } : { kind: "down", migrations: applied };
}
