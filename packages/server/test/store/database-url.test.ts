import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createClient } from "@lastgood/sdk";
import { pino } from "pino";
import { fixedConfiguration } from "../../src/config/load.ts";
import { createToken } from "../../src/http/tokens.ts";
import { verifyAllChains } from "../../src/layers/state/chains.ts";
import { type Lastgood, startLastgood } from "../../src/main.ts";
import { backup } from "../../src/store/backup.ts";
import { openDatabase } from "../../src/store/database.ts";
import { readMigrations } from "../../src/store/migrate.ts";
import { checkBackup, restore } from "../../src/store/restore.ts";
import { openStore } from "../../src/store/store.ts";
import { realWorld } from "../../src/world.ts";
import { startServer } from "../support/server.ts";
import { postgres15Missing, startPostgres15 } from "./other-postgres.ts";

interface Folder extends AsyncDisposable {
  readonly path: string;
}

async function makeFolder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), "lastgood-url-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

async function start(home: string, databaseUrl: string): Promise<Lastgood> {
  return await startLastgood({
    ...{ home, databaseUrl, host: "127.0.0.1", port: 0 },
    configuration: fixedConfiguration(),
    log: pino({ level: "silent" }),
  });
}

test("the whole server works on PostgreSQL 15, as a role that only owns its database", {
  skip: postgres15Missing,
}, async () => {
  await using postgres = await startPostgres15();
  await using folder = await makeFolder();
  const lastgood = await start(join(folder.path, "one"), postgres.url);
  try {
    const token = await createToken(lastgood.db, realWorld, {
      ...{ role: "admin", name: "test", agent: null, expiresAt: null },
    });
    const client = createClient({ url: lastgood.url, token });
    for (const text of ["first", "second"]) {
      await client.putDocument("notes", "one", { body: { text }, reason: "because" });
    }
    assert.equal((await client.changes({ layer: "state" })).changes.length, 2);
    assert.deepEqual((await client.verifyDocuments()).broken, []);
    assert.equal((await client.health()).status, "ok");

    // A second server beside it, as replicas are: on the same database, from a home of its own.
    const replica = await start(join(folder.path, "two"), postgres.url);
    assert.equal(replica.tokenFile, null);
    const beside = createClient({ url: replica.url, token });
    assert.equal((await beside.changes()).changes.length, 2);
    await replica.stop();
  } finally {
    await lastgood.stop();
  }
});

test("a backup of the embedded server goes into PostgreSQL 15", {
  skip: postgres15Missing,
}, async () => {
  await using postgres = await startPostgres15();
  await using folder = await makeFolder();
  const path = join(folder.path, "backup");
  {
    await using server = await startServer();
    await server.client.putDocument("notes", "one", { body: { text: "kept" }, reason: "because" });
    await backup({ db: server.lastgood.db, folder: path, version: "test", now: new Date() });
  }
  const db = openDatabase(postgres.url);
  try {
    const migrations = await readMigrations();
    const manifest = await checkBackup(path, migrations);
    await restore({ db, manifest, folder: path, migrations, verifiers: [verifyAllChains] });
    const [row] = await db`select body from document_versions`;
    assert.equal(row?.body, '{"text":"kept"}');
  } finally {
    await db.end();
  }
});

test("an address that is none, or where nobody answers, says what to do", async () => {
  await using folder = await makeFolder();
  const home = folder.path;
  await assert.rejects(openStore({ home, databaseUrl: "localhost:5432" }), {
    code: "bad_configuration",
    message: /postgres:\/\//,
  });
  await assert.rejects(openStore({ home, databaseUrl: "postgres://a:b@127.0.0.1:1/x" }), {
    code: "store_unreachable",
    message: /127\.0\.0\.1:1.*DATABASE_URL/s,
  });
});
