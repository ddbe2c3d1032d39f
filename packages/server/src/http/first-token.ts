/**
 * The token by which the machine's owner uses their own server: whoever can read its file, 0600 in the
 * home, is let in as an admin.
 */
import { open, readFile, rename, rm } from "node:fs/promises";
import { Fault } from "../fault.ts";
import type { Db } from "../store/database.ts";
import { tokenFileOf } from "../token-file.ts";
import type { World } from "../world.ts";
import { audit } from "./audit.ts";
import { authenticate, drawToken, recordToken } from "./tokens.ts";

export interface FirstTokenOptions {
  readonly home: string;
  readonly db: Db;
  readonly world: World;
  /** True where nobody but this home uses the database. */
  readonly own: boolean;
}

/** Between servers that start on one database at once. */
const lockKey = 4_715_382_911;
/** With a space: nobody can give this name to another. */
const firstName = "first token";

/**
 * The home's token file with a working admin token in it. One is made when the database has no admin's
 * yet, and when the database is this home's own and the file's token does not work (it was lost, or a
 * backup was restored). In a database that others share nothing is added to the tokens it has: then null.
 */
export async function ensureFirstToken(options: FirstTokenOptions): Promise<string | null> {
  const { home, db, world, own } = options;
  const file = tokenFileOf(home);
  return await db.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(${lockKey})`;
    const text = await readFile(file, "utf8").catch(() => "");
    if (await works(db, world, text.trim())) return file;
    const admins = await tx`select from tokens where role = 'admin' and revoked_at is null limit 1`;
    if (admins.length > 0 && !own) return null;
    const drawn = drawToken(world, "admin");
    // The file first: a token that is recorded and in nobody's hands could never be used or found.
    await writeSecret(file, drawn.text);
    await tx`
      update tokens set revoked_at = ${world.now()} where name = ${firstName} and revoked_at is null`;
    const token = { role: "admin", name: firstName, agent: null, expiresAt: null } as const;
    await recordToken(tx, world, drawn, token);
    await audit(tx, {
      at: world.now(),
      actor: "lastgood",
      action: "token.created",
      target: drawn.id,
      outcome: "done",
      because: "the first token of this home",
    });
    return file;
  });
}

async function works(db: Db, world: World, text: string): Promise<boolean> {
  try {
    return (await authenticate(db, world, text)).role === "admin";
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
}

async function writeSecret(file: string, text: string): Promise<void> {
  const aside = `${file}.partial`;
  await rm(aside, { force: true });
  const handle = await open(aside, "wx", 0o600);
  try {
    await handle.writeFile(`${text}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(aside, file);
}
