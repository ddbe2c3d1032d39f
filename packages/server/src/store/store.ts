/** The store as a whole: a locked home, a PostgreSQL of ours or of yours, at this program's schema. */
import { dirname, join, resolve } from "node:path";
import type { Logger } from "pino";
import { createClosing } from "../closing.ts";
import { Fault } from "../fault.ts";
import { openHome, requireReachable, unprivilegedAccount } from "./account.ts";
import { type Db, openDatabase, requireServerVersion } from "./database.ts";
import { type EmbeddedServer, startEmbedded } from "./embedded.ts";
import { lockFolder } from "./folder-lock.ts";
import { migrate, readMigrations } from "./migrate.ts";

export interface StoreOptions {
  readonly home: string;
  /** Null for the embedded server. */
  readonly databaseUrl: string | null;
  readonly log?: Logger;
}

export interface Store {
  readonly db: Db;
  /** Null where the database is not ours. */
  readonly embedded: EmbeddedServer | null;
  close(): Promise<void>;
}

/**
 * Opens the store and brings it to this program's schema. Faults: `already_open`, `schema_too_new`,
 * `bad_configuration`, `store_unreachable`, `missing_program`.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const store = await openBareStore(options);
  try {
    await migrate(store.db, await readMigrations());
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** The same without touching the schema. */
export async function openBareStore({ home, databaseUrl, log }: StoreOptions): Promise<Store> {
  const closing = createClosing();
  const account = databaseUrl === null ? await unprivilegedAccount() : null;
  if (account !== null) await requireReachable(dirname(resolve(home)), account);
  try {
    await openHome(home);
    const lock = await lockFolder(home);
    closing.add(() => lock.release());
    const embedded =
      databaseUrl === null
        ? await startEmbedded({ home: join(home, "postgres"), ...(log && { log }) })
        : null;
    if (embedded !== null) closing.add(() => embedded.stop());
    const db = openDatabase(embedded?.url ?? requireUrl(databaseUrl ?? ""));
    closing.add(() => db.end({ timeout: 5 }));
    await requireServerVersion(db);
    return { db, embedded, close: () => closing.close() };
  } catch (error) {
    await closing.close();
    throw error;
  }
}

function requireUrl(text: string): string {
  if (/^postgres(ql)?:\/\//.test(text) && URL.canParse(text)) return text;
  throw new Fault(
    "bad_configuration",
    "DATABASE_URL is not a PostgreSQL address: write postgres://user:password@host:5432/database, or unset it to use the embedded server.",
    { context: { path: "DATABASE_URL" } },
  );
}
