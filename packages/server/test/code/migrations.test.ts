import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isApplied, type MigratorRows, migrationsIn } from "../../src/layers/code/migrations.ts";
import { readMigrator } from "../../src/layers/code/migrator.ts";
import { signal, startCodeWorld } from "./world.ts";

let variables = 0;

interface Setup {
  readonly down?: readonly string[];
  readonly schema?: "declarative" | "migrations";
}

/** A world whose migrator's table is in the world's own database. */
async function startMigrated({ down, schema = "migrations" }: Setup = {}) {
  const variable = `CODE_TEST_DATABASE_${variables++}`;
  const world = await startCodeWorld((url) => ({
    repositories: {
      api: {
        url,
        migrations: {
          paths: ["db/*.sql"],
          table: "schema_versions",
          database: variable,
          ...(down === undefined ? {} : { down }),
        },
      },
    },
    services: { api: { repository: "api", schema } },
  }));
  process.env[variable] = world.databaseUrl;
  await world.db`create table schema_versions (version bigint, name text)`;
  const { origin } = world;
  origin.commit({ "db/001-begin.sql": "create", a: "1\n" }, "begin");
  const guilty = origin.commit({ "db/002-drop-index.sql": "drop", a: "2\n" }, "bad");
  origin.push();
  return { world, guilty, apply: () => world.db`insert into schema_versions values (2, 'x')` };
}

test("a migration that is applied and has no down makes the revert a person's", async () => {
  const { world, guilty, apply } = await startMigrated();
  await using _ = world;
  await world.db`insert into schema_versions values (1, 'x')`;
  assert.equal((await world.plan([guilty])).steps.length, 1, "not applied: nothing to undo there");
  await apply();
  const plan = await world.plan([guilty]);
  assert.deepEqual(plan.steps, []);
  assert.match(plan.conflicts.join(), /db\/002-drop-index\.sql is applied in schema_versions/);
});

test("a table that cannot be read is not taken for one that says nothing", async () => {
  const { world, guilty } = await startMigrated();
  await using _ = world;
  await world.db`drop table schema_versions`;
  await world.db`create view schema_versions as select 1/0 as version`;
  const plan = await world.plan([guilty]);
  assert.deepEqual(plan.steps, []);
  assert.match(plan.conflicts.join(), /cannot be read/);
});

test("a migrator's database that nobody names cannot be read", async () => {
  await assert.rejects(readMigrator({ paths: ["*"], table: "t" }), {
    code: "layer_unreachable",
    message: /migrations\.database/,
  });
});

test("a service that applies a declared schema at start needs none", async () => {
  const { world, guilty, apply } = await startMigrated({ schema: "declarative" });
  await using _ = world;
  await apply();
  const step = world.stepOf(await world.plan([guilty]));
  assert.equal(step.action.migrations, undefined);
});

test("a migration's own down is run once, in a checkout that still has its file", async () => {
  const folder = await import("node:fs/promises").then(({ mkdtemp }) =>
    mkdtemp("/tmp/lastgood-down-"),
  );
  const log = join(folder, "log");
  const script = join(folder, "down.sh");
  writeFileSync(script, `#!/bin/sh\ncat "$1" >> "${log}" && echo " $1" >> "${log}"\n`);
  chmodSync(script, 0o755);
  const { world, guilty, apply } = await startMigrated({ down: [script] });
  await using _ = world;
  await apply();
  const plan = await world.plan([guilty]);
  const step = world.stepOf(plan);
  assert.deepEqual(step.action.migrations, [
    { id: "002-drop-index", path: "db/002-drop-index.sql" },
  ]);
  assert.equal(plan.reversible, false);
  assert.match(plan.losses.join("\n"), /what the migration db\/002-drop-index\.sql made/);

  const changeId = await world.apply(step);
  const { readFileSync, rmSync } = await import("node:fs");
  assert.equal(readFileSync(log, "utf8"), "drop db/002-drop-index.sql\n");
  const still = await world.code.layer.verify(step, signal);
  assert.deepEqual(still, {
    ok: false,
    differences: ["the migration db/002-drop-index.sql is still applied in schema_versions"],
  });
  await world.db`delete from schema_versions where version = 2`;
  await world.apply(step, changeId);
  assert.equal(readFileSync(log, "utf8"), "drop db/002-drop-index.sql\n", "not run again");
  assert.equal((await world.code.layer.verify(step, signal)).ok, true);
  const undo = await world.code.layer.undo(step, signal);
  assert.match(undo.gaps.join(), /applied again only by its migrator/);
  rmSync(folder, { recursive: true });
});

test("a down that fails says what it said", async () => {
  const { world, guilty, apply } = await startMigrated({
    down: ["/bin/sh", "-c", "echo no such index; exit 3"],
  });
  await using _ = world;
  await apply();
  const step = world.stepOf(await world.plan([guilty]));
  await assert.rejects(world.apply(step), { code: "state_forbids", message: /no such index/ });
});

test("applied is read from the tables of the usual migrators", () => {
  const file = { id: "20260921_drop", path: "db/20260921_drop.sql" };
  const tables: readonly (readonly [MigratorRows, boolean])[] = [
    [[{ version: "20260921" }], true],
    [[{ version: 20260921 }], true],
    [[{ name: "20260921_drop.sql", batch: 1 }], true],
    [[{ migration_name: "20260921_drop", checksum: "x" }], true],
    [[{ version: 20260922, dirty: false }], true],
    [[{ version: 20260920, dirty: false }], false],
    [[{ version: "20260920" }, { version: "20260922" }], false],
    [[{ id: 20260921, name: "other" }], false],
    [[], false],
  ];
  for (const [rows, applied] of tables) {
    assert.equal(isApplied(file, rows), applied, JSON.stringify(rows));
  }
});

test("what a revert removes and alters among migrations is told apart", () => {
  const found = migrationsIn(
    [
      { path: "db/2.up.sql", status: "D" },
      { path: "db/2.down.sql", status: "D" },
      { path: "db/3.sql", status: "D" },
      { path: "db/1.sql", status: "M" },
      { path: "db/4.sql", status: "A" },
      { path: "src/x.sql", status: "D" },
    ],
    { paths: ["db/*.sql"], table: "t" },
  );
  assert.deepEqual(found, {
    removed: [
      { id: "3", path: "db/3.sql" },
      { id: "2", path: "db/2.up.sql" },
    ],
    altered: [{ id: "1", path: "db/1.sql" }],
  });
});
