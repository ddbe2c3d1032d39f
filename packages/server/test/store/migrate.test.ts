import assert from "node:assert/strict";
import { test } from "node:test";
import { openDatabase } from "../../src/store/database.ts";
import { type Migration, migrate, readMigrations } from "../../src/store/migrate.ts";
import { startDatabase } from "../support/database.ts";

const later = (number: number, sql: string, breaking = false): Migration => ({
  number,
  name: "later",
  sql,
  breaking,
  digest: `${number}${sql}`,
});

test("two servers that start at once on an empty database migrate it once", async () => {
  await using store = await startDatabase({ migrated: false });
  const other = openDatabase(store.url);
  const migrations = await readMigrations();
  const applied = await Promise.all([
    migrate(store.db, migrations),
    migrate(other, migrations),
    migrate(store.db, migrations),
  ]);
  await other.end();
  assert.deepEqual(
    applied.map((names) => names.length).sort((a, b) => a - b),
    [0, 0, migrations.length],
  );
  assert.deepEqual(await migrate(store.db, migrations), []);
});

test("numbers are unique and without gaps of meaning: applied in their order", async () => {
  const numbers = (await readMigrations()).map((migration) => migration.number);
  assert.deepEqual(
    numbers,
    [...new Set(numbers)].sort((a, b) => a - b),
  );
});

test("a database with a later breaking migration is refused, a later harmless one is not", async () => {
  await using store = await startDatabase();
  const known = await readMigrations();
  await migrate(store.db, [...known, later(900, "create table harmless ()")]);
  assert.deepEqual(await migrate(store.db, known), []);
  await migrate(store.db, [
    ...known,
    later(900, "create table harmless ()"),
    later(901, "create table breaking ()", true),
  ]);
  await assert.rejects(migrate(store.db, known), {
    code: "schema_too_new",
    message: /901.*newer version/,
  });
});

test("a migration that was applied with other content is refused", async () => {
  await using store = await startDatabase();
  const known = await readMigrations();
  const altered = known.map((each) => (each.number === 1 ? { ...each, digest: "other" } : each));
  await assert.rejects(migrate(store.db, altered), { code: "schema_too_new" });
});

test("a migration that fails leaves the schema as it was", async () => {
  await using store = await startDatabase();
  const known = await readMigrations();
  const failing = [
    ...known,
    later(900, "create table half ()"),
    later(901, "create table rest (); select 1 / 0"),
  ];
  await assert.rejects(migrate(store.db, failing), { code: "22012" });
  const [row] = await store.db`select to_regclass('half') as half`;
  assert.equal(row?.half, null);
  assert.deepEqual(await migrate(store.db, known), []);
});
