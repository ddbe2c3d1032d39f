/** A digest of everything that bad input must leave as it is, by its parts. */
import { createHash } from "node:crypto";
import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import type { Db } from "../../src/store/database.ts";

/** What moves while nothing is asked: the audit takes every denial, the rest is of loops and probes. */
const restless = new Set([
  ...["audits", "leases", "fleet_watch", "prior_probes"],
  ...["signal_chunks", "signal_buckets", "rule_states", "rule_verdicts", "rule_trajectories"],
]);
/** Columns that say when somebody looked, or was heard, and not what is there. */
const lookedAt = "{looked_at,heard_at}";

export type Digests = Readonly<Record<string, string>>;

/** Every table, and every file below `folders` (git's refs, settings, index and work tree among them). */
export async function digestOfWorld(db: Db, folders: readonly string[]): Promise<Digests> {
  const tables = (
    await db<{ name: string }[]>`
    select tablename as name from pg_tables where schemaname = 'public' order by 1`
  ).filter(({ name }) => !restless.has(name));
  const parts = tables.map(
    ({ name }) => `select '${name}' as part, md5(coalesce(string_agg(row, ',' order by row), ''))
      as digest from (select (to_jsonb(t) - '${lookedAt}'::text[])::text as row from "${name}" t) r`,
  );
  const rows = await db.unsafe<{ part: string; digest: string }[]>(parts.join(" union all "), [], {
    prepare: true,
  });
  const files = await Promise.all(
    folders.map(async (folder) => [folder, await digestOfFolder(folder)] as const),
  );
  return Object.fromEntries([...rows.map(({ part, digest }) => [part, digest] as const), ...files]);
}

/** Objects of git are left out: they are what refs point to, and cannot change. */
async function digestOfFolder(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => ({ path: join(entry.parentPath, entry.name), link: entry.isSymbolicLink() }))
    .filter(({ path }) => !path.includes("/objects/"))
    .sort((one, other) => (one.path < other.path ? -1 : 1));
  const hash = createHash("sha256");
  for (const { path, link } of paths) {
    hash.update(`${path}\0`).update(link ? await readlink(path) : await readFile(path));
  }
  return hash.digest("hex");
}

/** The parts that are not as they were. */
export function moved(before: Digests, after: Digests): readonly string[] {
  const parts = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...parts].filter((part) => before[part] !== after[part]).sort();
}
