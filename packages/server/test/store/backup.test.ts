import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { verifyAllChains } from "../../src/layers/state/chains.ts";
import { exposeChanges, recordChanges } from "../../src/ledger/ledger-store.ts";
import { backup, inOrder, listTables } from "../../src/store/backup.ts";
import { type Manifest, manifestFile } from "../../src/store/backup-format.ts";
import { type Db, openDatabase } from "../../src/store/database.ts";
import { migrate, readMigrations } from "../../src/store/migrate.ts";
import { checkBackup, restore } from "../../src/store/restore.ts";
import { newChangeId, realWorld } from "../../src/world.ts";
import { startDatabase } from "../support/database.ts";
import { startServer } from "../support/server.ts";

interface Folder extends AsyncDisposable {
  readonly path: string;
}

async function makeFolder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), "lastgood-backup-"));
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

async function backUp(db: Db, folder: string): Promise<Manifest> {
  return await backup({ db, folder, version: "0.0.0-test", now: new Date() });
}

async function restoreInto(db: Db, folder: string): Promise<void> {
  const migrations = await readMigrations();
  const manifest = await checkBackup(folder, migrations);
  await restore({ db, manifest, folder, migrations, verifiers: [verifyAllChains] });
}

/** Every row of every table as text, so that nothing a driver might round is missed. */
async function contentOf(db: Db): Promise<Record<string, readonly string[]>> {
  const content: Record<string, readonly string[]> = {};
  for (const { name } of await listTables(db)) {
    const rows = await db<{ row: string }[]>`
      select t::text as row from ${db(name)} t order by 1`;
    content[name] = rows.map((each) => each.row);
  }
  return content;
}

async function tablesIn(db: Db): Promise<number> {
  const [row] = await db<{ tables: number }[]>`
    select count(*) as tables from pg_class where relnamespace = 'public'::regnamespace`;
  return row?.tables ?? -1;
}

const awkward = 'tab\t newline\n return\r backslash\\ \\N \\. quote" ’ 🜂';

test("a backup restored elsewhere is the same in every row, and goes on from there", async () => {
  await using folder = await makeFolder();
  const path = join(folder.path, "backup");
  let content: Record<string, readonly string[]> = {};
  {
    await using server = await startServer();
    const { db } = server.lastgood;
    const change = { at: new Date(), layer: "code", kind: "commit", agent: "backend" } as const;
    const ids = [newChangeId(realWorld), newChangeId(realWorld)] as const;
    await recordChanges(db, [
      { ...change, id: ids[0], target: "api", reason: awkward, details: { awkward } },
      { ...change, id: ids[1], target: "api", reverts: [ids[0]] },
    ]);
    await exposeChanges(db, [ids[0]], "content-api", new Date(), null);
    for (const body of [{ text: awkward }, { text: "second" }, { text: "third", deep: [1, [2]] }]) {
      await server.client.putDocument("notes", "one", { body, reason: awkward });
    }
    await server.client.createToken({ role: "viewer", name: "alice", expiresIn: "90d" });
    // A server that lives writes by itself, and what is compared is read after what was backed up.
    await server.lastgood.stop();
    const still = openDatabase(server.databaseUrl);
    const manifest = await backUp(still, path);
    content = await contentOf(still);
    await still.end();
    assert.ok(
      manifest.tables.some((table) => table.name === "document_versions" && table.rows === 3),
    );
  }
  assert.equal((await stat(path)).mode & 0o777, 0o700);

  await using elsewhere = await startDatabase({ migrated: false });
  await restoreInto(elsewhere.db, path);
  assert.deepEqual(await contentOf(elsewhere.db), content);
  assert.deepEqual(await migrate(elsewhere.db, await readMigrations()), []);
  // An identity that began anew would collide with what is there.
  const [next] = await elsewhere.db<{ id: number }[]>`
    insert into audits (at, actor, action, target, outcome)
    values (now(), 'test', 'test', '', 'done') returning id`;
  const [before] = await elsewhere.db<{ last: number }[]>`
    select max(id) as last from audits where actor <> 'test'`;
  assert.ok(Number(next?.id) > Number(before?.last));
  assert.deepEqual(await verifyAllChains(elsewhere.db), []);
});

test("a backup made while others write holds no row whose reference is missing", async () => {
  await using store = await startDatabase();
  await using folder = await makeFolder();
  let writing = true;
  const writer = (async () => {
    for (let count = 0; writing; count++) {
      const id = newChangeId(realWorld);
      const common = { at: new Date(), layer: "code", kind: "commit", agent: "a" } as const;
      await recordChanges(store.db, [{ ...common, id, target: `t${count}` }]);
      await exposeChanges(store.db, [id], "service", new Date(), null);
    }
  })();
  const path = join(folder.path, "backup");
  try {
    await backUp(store.db, path);
  } finally {
    writing = false;
    await writer;
  }
  await using elsewhere = await startDatabase({ migrated: false });
  await restoreInto(elsewhere.db, path);
});

async function rewrite(
  path: string,
  table: string,
  edit: (text: string) => string,
  alsoManifest: boolean,
): Promise<void> {
  const manifestPath = join(path, manifestFile);
  const manifest = JSON.parse(await readFile(manifestPath, "utf8")) as {
    tables: { name: string; file: string; bytes: number; rows: number; sha256: string }[];
  };
  const entry = manifest.tables.find((each) => each.name === table);
  assert.ok(entry);
  const file = join(path, entry.file);
  const text = edit(gunzipSync(await readFile(file)).toString("utf8"));
  await writeFile(file, gzipSync(text));
  if (!alsoManifest) return;
  entry.bytes = Buffer.byteLength(text);
  entry.rows = text.split("\n").length - 1;
  entry.sha256 = createHash("sha256").update(text).digest("hex");
  await writeFile(manifestPath, JSON.stringify(manifest));
}

test("a backup that was tampered with is refused, and nothing of it is written", async () => {
  await using folder = await makeFolder();
  const good = join(folder.path, "good");
  {
    await using server = await startServer();
    for (const text of ["first", "second"]) {
      await server.client.putDocument("notes", "one", { body: { text }, reason: "because" });
    }
    await backUp(server.lastgood.db, good);
  }
  const cases: readonly [what: string, tamper: (path: string) => Promise<void>][] = [
    [
      "other bytes",
      (path) => rewrite(path, "changes", (text) => text.replace("because", "BECAUSE"), false),
    ],
    [
      "no such file",
      (path) => rm(join(path, "001-audits.copy.gz"), { force: true }).then(() => removeOne(path)),
    ],
    ["a torn file", (path) => tearOne(path)],
    ["a manifest that is no JSON", (path) => writeFile(join(path, manifestFile), "{")],
    [
      "a document's body, digests made to fit",
      (path) => rewrite(path, "document_versions", (text) => text.replace("first", "forged"), true),
    ],
    [
      "a version taken out, digests made to fit",
      (path) =>
        rewrite(path, "document_versions", (text) => text.slice(text.indexOf("\n") + 1), true),
    ],
    [
      "a row that does not fit its table",
      (path) => rewrite(path, "changes", (text) => `${text}not a row\n`, true),
    ],
    [
      "a row whose reference is missing",
      (path) =>
        rewrite(
          path,
          "exposures",
          () => `${newChangeId(realWorld)}\tservice\t2026-01-01 00:00:00+00\t\\N\t\\N\n`,
          true,
        ),
    ],
  ];
  for (const [what, tamper] of cases) {
    const path = join(folder.path, "tampered");
    await copyFolder(good, path);
    await tamper(path);
    await using elsewhere = await startDatabase({ migrated: false });
    await assert.rejects(restoreInto(elsewhere.db, path), { code: "chain_broken" }, what);
    assert.equal(await tablesIn(elsewhere.db), 0, what);
    await rm(path, { recursive: true });
  }
});

async function copyFolder(from: string, to: string): Promise<void> {
  await mkdir(to);
  for (const name of await readdir(from)) {
    await writeFile(join(to, name), await readFile(join(from, name)));
  }
}

async function removeOne(path: string): Promise<void> {
  const [first] = (await readdir(path)).filter((name) => name.endsWith(".gz"));
  await rm(join(path, first ?? ""));
}

async function tearOne(path: string): Promise<void> {
  const name = (await readdir(path)).find((each) => each.includes("document_versions")) ?? "";
  await truncate(join(path, name), 40);
}

test("restore refuses a database that is not empty, and leaves it as it is", async () => {
  await using store = await startDatabase();
  await using folder = await makeFolder();
  const path = join(folder.path, "backup");
  await backUp(store.db, path);
  await store.db`insert into settings (name, value) values ('mine', '1')`;
  await assert.rejects(restoreInto(store.db, path), {
    code: "state_forbids",
    message: /not empty/,
  });
  assert.equal((await store.db`select from settings`).length, 1);
});

test("restore refuses what a later version made, and a folder without a backup", async () => {
  await using store = await startDatabase();
  await using folder = await makeFolder();
  const path = join(folder.path, "backup");
  await backUp(store.db, path);
  const known = await readMigrations();
  await assert.rejects(checkBackup(path, known.slice(0, 1)), { code: "schema_too_new" });
  await assert.rejects(checkBackup(folder.path, known), { code: "not_found" });
});

test("backup refuses a folder that holds something, and a database without Lastgood in it", async () => {
  await using store = await startDatabase();
  await using empty = await startDatabase({ migrated: false });
  await using folder = await makeFolder();
  await writeFile(join(folder.path, "mine"), "kept");
  await assert.rejects(backUp(store.db, folder.path), { code: "already_exists" });
  assert.deepEqual(await readdir(folder.path), ["mine"]);
  await assert.rejects(backUp(empty.db, join(folder.path, "backup")), { code: "not_found" });
  assert.deepEqual(await readdir(folder.path), ["mine"]);
});

test("tables are ordered by what they refer to, and a circle is refused", () => {
  const table = (name: string, ...refers: string[]) => ({ name, refers, columns: ["id"] });
  assert.deepEqual(
    inOrder([table("a", "c"), table("b", "a"), table("c")]).map((each) => each.name),
    ["c", "a", "b"],
  );
  assert.throws(() => inOrder([table("a", "b"), table("b", "a")]), /circle/);
});
