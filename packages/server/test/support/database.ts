import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { type Db, openDatabase } from "../../src/store/database.ts";
import { startEmbedded } from "../../src/store/embedded.ts";
import { migrate, readMigrations } from "../../src/store/migrate.ts";

export interface TestDatabase extends AsyncDisposable {
  readonly db: Db;
  readonly url: string;
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
  const server = await testServer();
  const name = `test_${randomBytes(8).toString("hex")}`;
  const admin = postgres(server.url, { max: 1, onnotice: () => {} });
  await admin.unsafe(`create database ${name}`);
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  const db = openDatabase(url.href, { max });
  if (migrated) await migrate(db, await readMigrations());
  return {
    db,
    url: url.href,
    async [Symbol.asyncDispose]() {
      await db.end({ timeout: 2 });
      await admin.unsafe(`drop database if exists ${name} with (force)`);
      await admin.end({ timeout: 2 });
      await server.release();
    },
  };
}

interface TestServer {
  readonly url: string;
  release(): Promise<void>;
}

let own: Promise<{ url: string; stop(): Promise<void> }> | null = null;
let users = 0;

async function testServer(): Promise<TestServer> {
  const shared = process.env.LASTGOOD_TEST_DATABASE_URL;
  if (shared !== undefined) return { url: shared, release: async () => {} };
  own ??= startOwn();
  users += 1;
  const { url } = await own;
  return {
    url,
    async release() {
      users -= 1;
      if (users > 0) return;
      const ending = own;
      own = null;
      await (await ending)?.stop();
    },
  };
}

async function startOwn() {
  const home = await mkdtemp(join(tmpdir(), "lastgood-test-"));
  const server = await startEmbedded({ home, settings: { fsync: "off", max_connections: "300" } });
  return {
    url: server.url,
    async stop() {
      await server.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}
