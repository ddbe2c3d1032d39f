/**
 * A backup is a folder: one file per table, and a manifest that says what must be in them.
 *
 *   backup/
 *     manifest.json            written last; without it there is no backup
 *     001-changes.copy.gz      PostgreSQL's COPY text, gzip
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { Fault } from "../fault.ts";

const identifier = z
  .string()
  .regex(/^[a-z_][a-z0-9_]*$/)
  .max(63);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.number().int().min(0);

const tableSchema = z.strictObject({
  name: identifier,
  file: z.string().regex(/^\d{3}-[a-z0-9_]+\.copy\.gz$/),
  columns: z.array(identifier).min(1),
  rows: count,
  /** Of the text before compression. */
  bytes: count,
  sha256,
});

const manifestSchema = z.strictObject({
  format: z.literal(1),
  madeAt: z.iso.datetime(),
  /** The version of Lastgood, and of PostgreSQL, that made it. */
  lastgood: z.string().max(100),
  postgres: z.string().max(100),
  migrations: z
    .array(z.strictObject({ number: count, name: z.string().max(100), digest: sha256 }))
    .min(1),
  /** In an order in which every row's references are there before it. */
  tables: z.array(tableSchema),
  sequences: z.array(
    z.strictObject({ name: identifier, last: z.string().regex(/^-?\d+$/), called: z.boolean() }),
  ),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type BackedUpTable = z.infer<typeof tableSchema>;

export const manifestFile = "manifest.json";
const formatMax = 1;

/** Faults: `not_found` where there is no backup, `schema_too_new` for a later format, `chain_broken`. */
export async function readManifest(folder: string): Promise<Manifest> {
  const file = join(folder, manifestFile);
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new Fault(
      "not_found",
      `There is no backup in ${folder}: it has no readable ${manifestFile} (one that was interrupted never gets one). Name a folder that \`lastgood backup\` made.`,
      { cause, context: { path: file } },
    );
  });
  const value = parseJson(text);
  const format = (value as { format?: unknown } | null)?.format;
  if (typeof format === "number" && format > formatMax) {
    throw new Fault(
      "schema_too_new",
      `${folder} is a backup of format ${format}, and this version reads ${formatMax}: restore it with the version that made it.`,
      { context: { path: file } },
    );
  }
  const parsed = manifestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw tampered(`${manifestFile} is not as it was written`, file);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** A backup that is not what it was when it was made. */
export function tampered(what: string, path: string): Fault {
  return new Fault(
    "chain_broken",
    `${what}: this backup was damaged or altered, and nothing of it was kept. Restore another one.`,
    { context: { path } },
  );
}
