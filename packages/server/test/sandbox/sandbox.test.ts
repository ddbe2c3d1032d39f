import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import postgres from "postgres";
import { identify, isAlive, type ProcessIdentity } from "../../src/process-group.ts";
import { openSandboxes, schema, startSandboxWorld } from "./sandbox-world.ts";

const within = () => AbortSignal.timeout(150_000);

test("the check is red on the revision that drops an index and green on its parent, repeatedly", async () => {
  await using world = await startSandboxWorld({ rows: 20_000 });
  const good = await world.commit({});
  const bad = await world.commit({ "schema.sql": schema.replace(/create index.*;/, "") });
  for (const [revision, outcome] of [
    [bad, "bad"],
    [good, "good"],
  ] as const) {
    await using sandbox = await world.sandboxes.open("content-api", revision, within());
    for (let time = 0; time < 3; time++) {
      const run = await sandbox.check(within());
      assert.equal(run.outcome, outcome, run.output);
      assert.equal(run.revision, revision);
    }
  }
  assert.deepEqual(await world.leftovers(), []);
  assert.deepEqual(await readdir(join(world.folder, "home/sandboxes")), []);
});

test("a rerun of a declarative service starts on the database that the revision before it left", async () => {
  await using world = await startSandboxWorld({ schema: "declarative" });
  const before = await world.commit({});
  const dropping = schema.replace(/create index.*;/, "");
  const after = await world.commit({ "schema.sql": dropping });
  world.sandboxes.warm("content-api", before);
  await using kept = await world.sandboxes.open("content-api", after, within(), before);
  assert.equal((await kept.check(within())).outcome, "good", "nothing dropped the index there");
  await using alone = await world.sandboxes.open("content-api", after, within());
  assert.equal((await alone.check(within())).outcome, "bad");
});

test("a service that changes its schema at start owns what it finds in its database", async () => {
  await using world = await startSandboxWorld({ sandbox: { start: undefined } });
  const migrating = await world.commit({
    "check.mjs": `
import postgres from "${import.meta.resolve("postgres")}";
const sql = postgres(process.env.DATABASE_URL);
await sql.unsafe("drop index articles_author; alter table articles add column slug text; create table more (id int); create schema extra; drop table articles");
await sql.end();`,
  });
  assert.equal((await world.checkOnce(migrating)).output, "");
  const again = await world.checkOnce(migrating);
  assert.equal(again.outcome, "good", "each sandbox starts from the whole fixture");
});

test("a sandbox knows no secret of Lastgood and reaches no database but its own", async () => {
  await using world = await startSandboxWorld({
    sandbox: { check: ["node", "-e", "console.log(JSON.stringify(process.env))"] },
  });
  const revision = await world.commit({});
  const signal = within();
  await using first = await world.sandboxes.open("content-api", revision, signal);
  await using second = await world.sandboxes.open("content-api", revision, signal);
  const env = await environmentSeen(first);
  const other = await environmentSeen(second);
  assert.deepEqual(Object.keys(env).sort(), [
    "DATABASE_URL",
    "HOME",
    "LANG",
    "PATH",
    "PORT",
    "REVISION",
    "SERVICE_URL",
    "TMPDIR",
    "TZ",
  ]);
  assert.deepEqual(await readdir(env.HOME ?? ""), []);
  assert.equal(env.REVISION, revision);
  const databaseOf = (url: string | undefined) => new URL(url ?? "").pathname;
  for (const foreign of [databaseOf(world.store.url), databaseOf(other.DATABASE_URL)]) {
    const url = new URL(env.DATABASE_URL ?? "");
    url.pathname = foreign;
    await assert.rejects(connect(url.href), /permission denied for database/);
  }
  await connect(env.DATABASE_URL ?? "");
  await connect(world.store.url);
});

test("who could log in to Lastgood's database before it was closed still can", async () => {
  await using world = await startSandboxWorld();
  const { db } = world.store;
  const role = `reader_${process.pid}`;
  await db.unsafe(`create role ${role} login password 'reader'`);
  try {
    await world.checkOnce(await world.commit({}));
    const url = new URL(world.store.url);
    url.username = role;
    url.password = "reader";
    await connect(url.href);
  } finally {
    await db.unsafe(`drop owned by ${role}; drop role ${role}`);
  }
});

test("the repository's SQL has no special rights", async () => {
  await using world = await startSandboxWorld();
  for (const hostile of [
    "copy (select 1) to program 'touch /tmp/lastgood-was-here'",
    "reset role; create role intruder superuser",
    "create extension dblink",
    "select pg_read_file('/etc/passwd')",
  ]) {
    const revision = await world.commit({ "schema.sql": hostile });
    await assert.rejects(world.checkOnce(revision), {
      code: "bad_configuration",
      message: /permission denied|must be superuser|Must be superuser/,
    });
  }
});

test("anything but exit 0 or 1 says nothing of the revision", async () => {
  await using world = await startSandboxWorld();
  for (const [files, outcome, says] of [
    [{ "check.mjs": "process.exit(0)" }, "good", /^$/],
    [{ "check.mjs": "console.error('red'); process.exit(1)" }, "bad", /red/],
    [{ "check.mjs": "process.exit(125)" }, "cannot-tell", /^$/],
    [{ "check.mjs": "process.exit(2)" }, "cannot-tell", /^$/],
    [{ "check.mjs": "process.kill(process.pid, 'SIGSEGV')" }, "cannot-tell", /^$/],
    [{ "server.mjs": "console.error('boom'); process.exit(1)" }, "cannot-tell", /code 1\nboom/],
  ] as const) {
    const run = await world.checkOnce(await world.commit(files));
    assert.equal(run.outcome, outcome, JSON.stringify([files, run]));
    assert.match(run.output, says);
  }
});

test("a check that hangs, or a service that does not come up, says nothing of the revision", async () => {
  await using world = await startSandboxWorld({ sandbox: { timeout: "5s" } });
  for (const [files, says] of [
    [{ "check.mjs": "setInterval(() => {}, 1000)" }, /killed after 5000 ms/],
    [{ "server.mjs": "setInterval(() => {}, 1000)" }, /did not answer within/],
  ] as const) {
    const run = await world.checkOnce(await world.commit(files));
    assert.equal(run.outcome, "cannot-tell", JSON.stringify([files, run]));
    assert.match(run.output, says);
  }
});

test("a check that starts processes of its own leaves none", async () => {
  await using world = await startSandboxWorld({
    sandbox: { check: ["sh", "-c", "sleep 300 & echo $!"] },
  });
  const { output } = await world.checkOnce(await world.commit({}));
  assert.equal(identify(Number(output)), null);
});

test("two sandboxes at once; a third waits until one is disposed of", async () => {
  await using world = await startSandboxWorld();
  const revision = await world.commit({});
  const first = await world.sandboxes.open("content-api", revision, within());
  const second = await world.sandboxes.open("content-api", revision, within());
  let opened = false;
  const third = world.sandboxes.open("content-api", revision, within()).then((sandbox) => {
    opened = true;
    return sandbox;
  });
  assert.equal((await second.check(within())).outcome, "good");
  assert.equal(opened, false);
  await first[Symbol.asyncDispose]();
  await (await third)[Symbol.asyncDispose]();
  await second[Symbol.asyncDispose]();
  const gaveUp = new AbortController();
  gaveUp.abort(new Error("gave up"));
  await assert.rejects(world.sandboxes.open("content-api", revision, gaveUp.signal), /gave up/);
  assert.deepEqual(await world.leftovers(), []);
});

test("what a killed server left of its sandboxes is swept at the next start", async () => {
  await using world = await startSandboxWorld();
  const revision = await world.commit({});
  const child = spawn(
    process.execPath,
    [
      "--conditions=development",
      join(import.meta.dirname, "sandbox-child.ts"),
      ...[world.folder, world.store.url, revision],
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const exited = once(child, "exit");
  try {
    await Promise.race([once(child.stdout, "data"), exited]);
    const folder = join(world.folder, "home/sandboxes");
    const [left = ""] = await readdir(folder);
    const text = await readFile(join(folder, left, "process.json"), "utf8");
    const leader = JSON.parse(text) as ProcessIdentity;
    const mine = await world.sandboxes.open("content-api", revision, within());
    assert.deepEqual(await world.sandboxes.sweep(), [], "a living server's are left alone");
    child.kill("SIGKILL");
    await exited;
    assert.equal(isAlive(leader), true);
    const { sandboxes: next } = await openSandboxes(world.folder, world.store.url, {});
    assert.deepEqual(await next.sweep(), [left]);
    assert.equal(isAlive(leader), false);
    assert.equal((await mine.check(within())).outcome, "good", "another one's goes on");
    await mine[Symbol.asyncDispose]();
    next.warm("content-api", revision);
    await next.close();
    assert.deepEqual(await readdir(folder), []);
    assert.deepEqual(await world.leftovers(), []);
  } finally {
    child.kill("SIGKILL");
  }
});

async function environmentSeen(sandbox: {
  check(signal: AbortSignal): Promise<{ output: string }>;
}) {
  return JSON.parse((await sandbox.check(within())).output) as Record<string, string>;
}

async function connect(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await sql`select 1`;
  } finally {
    await sql.end({ timeout: 2 });
  }
}

test("the PostgreSQL of the sandboxes is stopped also where one of them cannot be disposed of", async () => {
  await using world = await startSandboxWorld();
  const revision = await world.commit({});
  let stopped = false;
  const { sandboxes } = await openSandboxes(world.folder, world.store.url, {}, "none", {
    url: async () => world.store.url,
    async stop() {
      stopped = true;
    },
  });
  await sandboxes.open("content-api", revision, within());
  await world.store.goAway();
  try {
    await assert.rejects(sandboxes.close());
    assert.ok(stopped);
  } finally {
    await world.store.come();
    for (const name of await world.leftovers()) {
      await world.store.db.unsafe(`drop database if exists ${name} with (force)`);
      await world.store.db.unsafe(`drop role if exists ${name}`);
    }
  }
});
