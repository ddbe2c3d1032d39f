import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { pino } from "pino";
import { type Loop, startLoop } from "../../src/loop.ts";
import { type Db, openDatabase, type Query } from "../../src/store/database.ts";
import { startDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";
import { makeHome } from "./home.ts";

const silent = pino({ level: "silent" });

/** Work of every shape that rooms have, each told when it last succeeded. */
const shapes: readonly ((db: Db) => Promise<unknown>)[] = [
  (db) => db`insert into work (text) values ('short')`,
  (db) => db`insert into work (text) values (${"long".repeat(1_000)})`,
  (db) => Promise.all([db`select 1`, db`select 2`, db`insert into work (text) values ('beside')`]),
  (db) =>
    db.begin(async (tx) => {
      await tx`insert into work (text) values ('a')`;
      await tx`select count(*) from work`;
      await tx`update work set text = 'b' where id = (select max(id) from work)`;
    }),
  (db) =>
    db.begin((tx) =>
      Promise.all([tx`select 1`, tx`insert into work (text) values (${"long".repeat(1_000)})`]),
    ),
];

test("every loop survives PostgreSQL being killed again and again", async () => {
  await using home = await makeHome();
  await using server = await home.open();
  const db = openDatabase(server.url);
  await db`create table work (id bigint generated always as identity, text text)`;
  // Twice as many at work as there are connections, so that some wait for one.
  const jobs = Array.from({ length: 20 }, (_, index) => shapes[index % shapes.length] ?? shapes[0]);
  const turns = jobs.map(() => 0);
  const loops: Loop[] = jobs.map((job, index) =>
    startLoop({
      name: `work ${index}`,
      everyMs: 1,
      log: silent,
      async run() {
        await job?.(db);
        turns[index] = (turns[index] ?? 0) + 1;
      },
    }),
  );
  try {
    for (let kill = 1; kill <= 8; kill++) {
      const before = server.pid;
      process.kill(before, "SIGKILL");
      await until("its successor", async () => (server.pid === before ? null : true));
      const seen = [...turns];
      await until(
        `a turn of every loop after kill ${kill}`,
        async () => (turns.every((count, index) => count > (seen[index] ?? 0)) ? true : null),
        20_000,
      );
    }
  } finally {
    await Promise.all(loops.map((loop) => loop.stop()));
    await db.end({ timeout: 2 });
  }
});

/** Passes on what goes to PostgreSQL until `word` is said: there it cuts the connection, with a reset. */
async function cutAt(word: string, url: string) {
  const { hostname, port } = new URL(url);
  const front = createServer((socket) => {
    const behind = connect(Number(port), hostname);
    for (const end of [socket, behind]) end.on("error", () => {});
    socket.on("data", (said) => {
      if (!said.includes(word)) return behind.write(said);
      behind.destroy();
      return socket.resetAndDestroy();
    });
    behind.pipe(socket);
  });
  front.listen(0, "127.0.0.1");
  await once(front, "listening");
  const cut = new URL(url);
  cut.port = String((front.address() as AddressInfo).port);
  return {
    url: cut.href,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        front.close(() => resolve());
      }),
  };
}

test("a connection that is lost as it learns the types of arrays fails its statement, and nothing else", async () => {
  await using store = await startDatabase({ migrated: false });
  const unheard: unknown[] = [];
  const hear = (error: unknown) => unheard.push(error);
  process.on("unhandledRejection", hear);
  try {
    await using front = await cutAt("typarray", store.url);
    const db = openDatabase(front.url, { max: 1 });
    await assert.rejects(async () => await db`select 1`, { code: /ECONNRESET|CONNECTION_CLOSED/ });
    await db.end({ timeout: 2 });
    assert.deepEqual(unheard, []);
  } finally {
    process.off("unhandledRejection", hear);
  }
});

async function killOwnConnection(tx: Query, by: Db) {
  const [row] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
  await by`select pg_terminate_backend(${row?.pid ?? 0}, 5000)`;
}

test("a transaction that lost its connection does nothing more, whoever uses the connection next", async () => {
  await using store = await startDatabase({ migrated: false, max: 1 });
  const other = openDatabase(store.url, { max: 1 });
  try {
    await store.db`create table marks (mark text)`;
    let resume = () => {};
    const paused = new Promise<void>((resolve) => {
      resume = resolve;
    });
    let late: unknown = null;
    let ended = () => {};
    const end = new Promise<void>((resolve) => {
      ended = resolve;
    });
    const lost = store.db.begin(async (tx) => {
      await tx`insert into marks values ('first')`;
      await killOwnConnection(tx, other);
      // Meanwhile it waits for something else, as a recovery does for git.
      await paused;
      late = await tx`insert into marks values ('late')`.catch((error: unknown) => error);
      ended();
    });
    await assert.rejects(lost, { code: /CONNECTION_CLOSED|57P01|ECONNRESET/ });
    // The pool's only connection is made anew, and free for the one that comes late.
    assert.deepEqual([...(await store.db`select mark from marks`)], []);
    resume();
    await end;
    assert.ok(late instanceof Error, "the late statement must fail");
    assert.deepEqual([...(await store.db`select mark from marks`)], []);
  } finally {
    await other.end({ timeout: 2 });
  }
});

test("a transaction that begins behind a full pipeline has its connection for itself", async () => {
  await using store = await startDatabase({ migrated: false, max: 2 });
  const { db } = store;
  await Promise.all([db`select pg_sleep(0.05)`, db`select pg_sleep(0.05)`]);
  // A connection takes 101 statements before it is full: around there, the next is the one that begins.
  for (let before = 196; before <= 206; before++) {
    const many = Array.from({ length: before }, () => db`select 1`.execute());
    const pid = db.begin(async (tx) => {
      const [first] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
      const [then] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
      return [first?.pid, then?.pid];
    });
    const [[first, then] = []] = await Promise.all([pid, ...many]);
    assert.equal(first, then, `behind ${before} statements`);
  }
});

test("a COPY that is refused after its last row says so", async () => {
  await using store = await startDatabase({ migrated: false });
  await store.db`create table parts (id int primary key, whole int references parts (id))`;
  await assert.rejects(
    store.db.begin(async (tx) => {
      const sink = await tx`copy parts (id, whole) from stdin`.writable();
      await pipeline(Readable.from(["1\t5\n"]), sink);
    }),
    { code: "23503" },
  );
  assert.equal((await store.db`select from parts`).length, 0);
});

test("statements wait for a PostgreSQL that is away for seconds only as long as they must", async () => {
  await using home = await makeHome();
  await using server = await home.open();
  const db = openDatabase(server.url);
  try {
    await db`select 1`;
    // Stopped rather than killed: nothing is refused, nothing is answered.
    process.kill(server.pid, "SIGSTOP");
    const waiting = openDatabase(server.url);
    const began = Date.now();
    await assert.rejects(async () => await waiting`select 1`, { code: "CONNECT_TIMEOUT" });
    assert.ok(Date.now() - began < 20_000);
    await waiting.end({ timeout: 1 });
    process.kill(server.pid, "SIGCONT");
    await until("an answer", () => db`select 1`.catch(() => null));
  } finally {
    process.kill(server.pid, "SIGCONT");
    await db.end({ timeout: 2 });
  }
});
