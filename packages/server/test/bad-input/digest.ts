/** A digest of everything that bad input must leave as it is, by its parts. */
import { createHash } from "node:crypto";
import { type Dirent, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
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

/** Takes the digest of every table, and of every file below a folder (git's refs, settings, index and work tree). */
export function createDigester(db: Db, folder: string): () => Promise<Digests> {
  const known: KnownFiles = new Map();
  return async () => ({ ...(await digestsOfTables(db)), [folder]: digestOfFolder(folder, known) });
}

async function digestsOfTables(db: Db): Promise<Digests> {
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
  return Object.fromEntries(rows.map(({ part, digest }) => [part, digest]));
}

/** By their paths, what was read of them: most of them stay as they are from row to row. */
type KnownFiles = Map<string, { readonly state: string; readonly digest: string }>;

/** Objects of git are left out: they are what refs point to, and cannot change. */
function digestOfFolder(folder: string, known: KnownFiles): string {
  const hash = createHash("sha256");
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort(byName)) {
    const path = join(folder, entry.name);
    if (!entry.isDirectory()) hash.update(`${path}\0${digestOfFile(path, known)}`);
    else if (entry.name !== "objects") hash.update(digestOfFolder(path, known));
  }
  return hash.digest("hex");
}

function byName(one: Dirent, other: Dirent): number {
  return one.name < other.name ? -1 : 1;
}

/** Read anew when it was written, replaced or renamed since: nobody can set the time of that back. */
function digestOfFile(path: string, known: KnownFiles): string {
  const file = lstatSync(path, { bigint: true });
  const state = `${file.ino} ${file.ctimeNs} ${file.size}`;
  const before = known.get(path);
  if (before?.state === state) return before.digest;
  const content = file.isSymbolicLink() ? readlinkSync(path) : readFileSync(path);
  const digest = createHash("sha256").update(content).digest("hex");
  known.set(path, { state, digest });
  return digest;
}

/** The parts that are not as they were. */
export function moved(before: Digests, after: Digests): readonly string[] {
  const parts = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...parts].filter((part) => before[part] !== after[part]).sort();
}
