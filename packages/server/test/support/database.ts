import { createHash, randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { type Db, openDatabase } from "../../src/store/database.ts";
import { openPool } from "../../src/store/driver.ts";
import { type EmbeddedServer, startEmbedded } from "../../src/store/embedded.ts";
import { migrate, readMigrations } from "../../src/store/migrate.ts";
import { endLeftovers, makeHome } from "./leftovers.ts";

/** Tests lose nothing when the machine goes down: they need speed, and many connections. */
export const testSettings = { fsync: "off", full_page_writes: "off", max_connections: "300" };

/** The server that the databases of tests are made in. */
export async function startTestPostgres(home: string): Promise<EmbeddedServer> {
  const server = await startEmbedded({ home, settings: testSettings });
  const db = openPool(server.url, { max: 1, onnotice: () => {} });
  // A password that is stretched as little as can be: tests open thousands of connections.
  const { username, password } = new URL(server.url);
  await db.unsafe("set scram_iterations = 1");
  await db.unsafe(`alter role ${username} password '${password}'`);
  await db.end();
  return server;
}

export interface TestDatabase extends AsyncDisposable {
  readonly db: Db;
  readonly url: string;
  /** Cuts all connections to it and lets none in, until `come`. */
  goAway(): Promise<void>;
  come(): Promise<void>;
}

/**
 * A migrated database of the test's own: `await using store = await startDatabase()`. It lives in the
 * run's server (`npm test`), or in one started for this file alone when the file is run by itself.
 */
export async function startDatabase({
  migrated = true,
  max = 10,
}: {
  migrated?: boolean;
  max?: number;
} = {}): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString("hex")}`;
  const admin = openPool(await serverUrl(), { max: 1, onnotice: () => {} });
  const template = migrated ? await migratedTemplate(admin) : "template1";
  await admin.unsafe(`create database ${name} template ${template} strategy file_copy`);
  const url = urlOf(await serverUrl(), name);
  const db = openDatabase(url, { max });
  return {
    db,
    url,
    async goAway() {
      await admin.unsafe(`alter database ${name} allow_connections false`);
      await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`;
    },
    async come() {
      await admin.unsafe(`alter database ${name} allow_connections true`);
    },
    async [Symbol.asyncDispose]() {
      await db.end({ timeout: 2 });
      await admin.unsafe(`drop database if exists ${name} with (force)`);
      await admin.end({ timeout: 2 });
    },
  };
}

const templateLock = 4_715_382_903;

/** A database at this program's schema, made once per server: a test's own is a copy of it. */
async function migratedTemplate(admin: ReturnType<typeof openPool>): Promise<string> {
  const migrations = await readMigrations();
  const digest = createHash("sha256").update(migrations.map((each) => each.digest).join());
  const name = `migrated_${digest.digest("hex").slice(0, 16)}`;
  await admin`select pg_advisory_lock(${templateLock})`;
  try {
    const found = await admin`select from pg_database where datname = ${name} and datistemplate`;
    if (found.length === 0) {
      await admin.unsafe(`drop database if exists ${name} with (force)`);
      await admin.unsafe(`create database ${name}`);
      const db = openDatabase(urlOf(await serverUrl(), name), { max: 1 });
      await migrate(db, migrations);
      await db.end({ timeout: 2 });
      await admin.unsafe(`alter database ${name} with is_template true allow_connections false`);
    }
  } finally {
    await admin`select pg_advisory_unlock(${templateLock})`;
  }
  return name;
}

function urlOf(server: string, database: string): string {
  const url = new URL(server);
  url.pathname = `/${database}`;
  return url.href;
}

let own: Promise<string> | null = null;

/** The run's server, or one for this file alone that ends with its process. */
async function serverUrl(): Promise<string> {
  own ??=
    process.env.LASTGOOD_TEST_DATABASE_URL === undefined
      ? startOwn()
      : Promise.resolve(process.env.LASTGOOD_TEST_DATABASE_URL);
  return await own;
}

async function startOwn(): Promise<string> {
  await endLeftovers();
  const home = await makeHome();
  const server = await startTestPostgres(home);
  process.once("beforeExit", async () => {
    await server.stop();
    await rm(home, { recursive: true, force: true });
  });
  return server.url;
}
