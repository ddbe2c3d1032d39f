import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { openDatabase } from "../../src/store/database.ts";
import { startEmbedded } from "../../src/store/embedded.ts";
import { findProcess } from "../../src/store/process-table.ts";
import { until } from "../support/until.ts";
import { makeHome } from "./home.ts";
import { startOpener } from "./opener.ts";

const asRoot = process.getuid?.() === 0;

test("an empty home is made, stopped cleanly, and opened again", async () => {
  await using home = await makeHome();
  await using first = await home.open();
  const db = openDatabase(first.url);
  await db`create table kept (id int)`;
  await db`insert into kept values (7)`;
  await db.end();
  await first.stop();
  assert.equal(await findProcess(first.pid), null);

  await using again = await home.open();
  assert.equal(again.adopted, false);
  const reader = openDatabase(again.url);
  assert.deepEqual([...(await reader`select id from kept`)], [{ id: 7 }]);
  await reader.end();
});

test("PostgreSQL never runs as root, and nobody else reads what it keeps", async () => {
  await using home = await makeHome();
  await using server = await home.open();
  const status = await readFile(`/proc/${server.pid}/status`, "utf8");
  const uid = Number(/^Uid:\t(\d+)/m.exec(status)?.[1]);
  if (asRoot) assert.notEqual(uid, 0);
  else assert.equal(uid, process.getuid?.());
  const modeOf = async (name: string) => (await stat(join(home.path, name))).mode & 0o777;
  assert.equal(await modeOf("password"), 0o600);
  assert.equal(await modeOf("data"), 0o700);
  assert.equal(await modeOf("postgres.log"), 0o600);
  assert.equal((await stat(home.path)).mode & 0o007, 0);
});

test("a second opener of the same home is refused, here and from another process", async () => {
  await using home = await makeHome();
  await using server = await home.open();
  assert.equal(server.adopted, false);
  await assert.rejects(home.open(), {
    code: "already_open",
    message: new RegExp(`process ${process.pid} `),
  });
  await using other = startOpener(home.path);
  await assert.rejects(other.heard("ready"), /already_open/);
});

test("a server killed with -9 leaves PostgreSQL, and the next start adopts it", async () => {
  await using home = await makeHome();
  await using killed = startOpener(home.path);
  const { postgres } = await killed.heard("ready");
  await killed.kill("SIGKILL");
  assert.notEqual(await findProcess(postgres), null);

  await using next = await home.open();
  assert.equal(next.adopted, true);
  assert.equal(next.pid, postgres);

  // The adopted one is looked after like a child: it comes back under the same address.
  const db = openDatabase(next.url);
  process.kill(postgres, "SIGKILL");
  await until("another postmaster", async () => (next.pid === postgres ? null : next.pid));
  await until("an answer", () => db`select 1`.catch(() => null));
  await db.end();
  await next.stop();
  assert.equal(await findProcess(next.pid), null);
});

test("PostgreSQL killed with -9 is started again, and the same pool goes on", async () => {
  await using home = await makeHome();
  await using server = await home.open();
  const db = openDatabase(server.url);
  await db`create table kept (id int)`;
  for (let round = 1; round <= 2; round++) {
    const before = server.pid;
    await db`insert into kept values (${round})`;
    process.kill(before, "SIGKILL");
    await until("another", async () => (server.pid === before ? null : true));
    await until("an answer", () => db`select count(*) from kept`.catch(() => null));
    const [row] = await db`select count(*) as rows from kept`;
    assert.equal(row?.rows, round);
  }
  await db.end();
});

test("everything killed with -9 comes up, with its stale postmaster.pid", async () => {
  await using home = await makeHome();
  await using killed = startOpener(home.path);
  const { postgres } = await killed.heard("ready");
  await killed.kill("SIGKILL");
  process.kill(postgres, "SIGKILL");
  await until("its end", async () => ((await findProcess(postgres)) === null ? true : null));
  assert.match(await readFile(join(home.path, "data/postmaster.pid"), "utf8"), /ready/);

  await using next = await home.open();
  assert.equal(next.adopted, false);
});

test("a stale postmaster.pid whose pid is another program's by now touches nothing of that", async () => {
  await using home = await makeHome();
  await (await home.open()).stop();
  const data = join(home.path, "data");
  const { uid, gid } = await stat(data);
  // Under the same uid, where PostgreSQL itself would take the pid for its predecessor's.
  const other = spawn("sleep", ["600"], { uid, gid, stdio: "ignore" });
  await once(other, "spawn");
  const record = [other.pid, data, 1_700_000_000, 25_432, "", "127.0.0.1", "", "ready"];
  await writeFile(join(data, "postmaster.pid"), `${record.join("\n")}\n`);

  await using next = await home.open();
  assert.equal(next.adopted, false);
  await next.stop();
  assert.equal(other.exitCode, null);
  assert.notEqual(await findProcess(other.pid ?? -1), null);
  other.kill();
});

test("a kill during initdb leaves no half data directory", async () => {
  await using home = await makeHome();
  await mkdir(join(home.path, "data.partial"), { recursive: true });
  await writeFile(join(home.path, "data.partial/PG_VERSION"), "18\n");
  await using server = await home.open();
  assert.equal(server.adopted, false);
  await assert.rejects(stat(join(home.path, "data.partial")), { code: "ENOENT" });
});

test("a data directory of another major version is refused with what to do", async () => {
  await using home = await makeHome();
  await mkdir(join(home.path, "data"), { recursive: true });
  await writeFile(join(home.path, "data/PG_VERSION"), "13\n");
  await assert.rejects(home.open(), {
    code: "bad_configuration",
    message: /PostgreSQL 13.*lastgood backup/,
  });
});

test("a data directory that is not PostgreSQL's says so instead of waiting", async () => {
  await using home = await makeHome();
  await (await home.open()).stop();
  await writeFile(join(home.path, "data/global/pg_control"), "not one");
  await assert.rejects(home.open(), {
    code: "store_unreachable",
    message: /damaged.*lastgood restore.*It said:.*FATAL|damaged.*lastgood restore.*PANIC/s,
  });
});

test("a lost password is told at once", async () => {
  await using home = await makeHome();
  await (await home.open()).stop();
  await writeFile(join(home.path, "password"), "another");
  const began = Date.now();
  await assert.rejects(home.open(), {
    code: "store_unreachable",
    message: /password/,
  });
  assert.ok(Date.now() - began < 60_000);
});

test("as root, a home behind a closed folder is refused and the folder is named", {
  skip: !asRoot,
}, async () => {
  await using home = await makeHome();
  const closed = join(home.path, "closed");
  await mkdir(closed, { recursive: true });
  await chmod(home.path, 0o755);
  await chmod(closed, 0o700);
  await assert.rejects(startEmbedded({ home: join(closed, "inner") }), {
    code: "bad_configuration",
    message: new RegExp(`^${closed} is closed to the account`),
  });
  assert.deepEqual(await readdir(closed), []);
});

test("ports in use are passed over", async () => {
  await using home = await makeHome();
  // Holds a good part of the range that ports are taken from.
  const held = await Promise.all(
    Array.from({ length: 400 }, async (_, index) => {
      const server = createServer();
      // One that somebody else holds is as good.
      await new Promise<void>((resolve) => {
        server.once("error", () => resolve()).once("listening", () => resolve());
        server.listen(20_000 + index * 30, "127.0.0.1");
      });
      return server;
    }),
  );
  try {
    await using server = await home.open();
    const port = Number(new URL(server.url).port);
    assert.ok(port >= 20_000 && port < 32_768);
  } finally {
    for (const each of held) each.close();
  }
});
