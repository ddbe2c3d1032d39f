/** Lastgood, or its database connection, dies in the middle of a delivery. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { type Client, consume, createClient } from "@lastgood/sdk";
import { freePort } from "../../src/free-port.ts";
import { createToken } from "../../src/http/tokens.ts";
import type { Db } from "../../src/store/database.ts";
import { realWorld } from "../../src/world.ts";
import { startDatabase } from "../support/database.ts";
import { natsBinaries, startNats } from "../support/nats.ts";
import { until } from "../support/until.ts";
import { startMessages } from "./world.ts";

const limits = { timeout: 90_000 };
const engines = ["embedded", ...natsBinaries().slice(-1)];

for (const engine of engines) {
  test(
    `a server killed between delivery and ack: the message comes again once, on ${engine}`,
    limits,
    async () => {
      await using world = await startKillable(engine);
      const { client } = world;
      await makeLane(client);
      await client.publishMessage({ subject: "lane.x", id: "a", payload: 1 });
      const [first] = (await client.fetchMessages("lane", { waitMs: 10_000 })).messages;
      assert.equal(first?.id, "a");
      await world.killAndRestart();
      const [again] = (await client.fetchMessages("lane", { waitMs: 20_000 })).messages;
      assert.deepEqual([again?.id, again?.deliveries, again?.handled], ["a", 2, false]);
      await assert.rejects(client.ackMessage(first?.token ?? ""), { code: "fenced" });
      await client.ackMessage(again?.token ?? "");
      await world.killAndRestart();
      assert.deepEqual(await client.ackMessage(again?.token ?? ""), { already: true });
      assert.deepEqual((await client.fetchMessages("lane", { waitMs: 1_500 })).messages, []);
      assert.equal((await client.consumer("lane")).handled, 1);
    },
  );

  test(
    `a consumer outlives kills of the server at any moment, and handles each message once, on ${engine}`,
    limits,
    async () => {
      const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
      console.log(`seed ${seed} (repeat with SEED=${seed})`);
      const chance = randomBy(seed);
      await using world = await startKillable(engine);
      const { client } = world;
      await makeLane(client);
      const count = 40;
      const effects: string[] = [];
      const stopping = new AbortController();
      const consuming = consume(client, {
        consumer: "lane",
        signal: stopping.signal,
        async handler({ id }) {
          await new Promise((resolve) => setTimeout(resolve, chance() * 20));
          effects.push(id);
        },
      });
      const publishing = (async () => {
        for (let number = 0; number < count; number++) {
          await persistent(() =>
            client.publishMessage({ subject: "lane.x", id: `m${number}`, payload: number }),
          );
        }
      })();
      for (let kill = 1; kill <= 2; kill++) {
        await until("some progress", async () => effects.length >= kill * 12, 40_000);
        await new Promise((resolve) => setTimeout(resolve, chance() * 50));
        await world.killAndRestart();
      }
      await publishing;
      await until("all handled", async () => new Set(effects).size === count, 40_000);
      await until("all settled", async () => (await client.consumer("lane")).handled === count);
      stopping.abort();
      await consuming;
      assert.equal(effects.length, count, "each effect once");
      assert.deepEqual((await client.deadLetters({ consumer: "lane" })).deadLetters, []);
    },
  );
}

test("a fetch goes on after PostgreSQL dropped every connection", limits, async () => {
  await using world = await startMessages("embedded");
  const { client, databaseUrl } = world;
  await makeLane(client);
  const waiting = world.next("lane", 20_000);
  await using other = await startDatabase({ migrated: false });
  const name = new URL(databaseUrl).pathname.slice(1);
  const dropped = await other.db`
    select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`;
  assert.ok(dropped.length > 0);
  await persistent(() => client.publishMessage({ subject: "lane.x", id: "a", payload: 1 }));
  const message = await waiting;
  assert.equal(message.id, "a");
  await client.ackMessage(message.token);
});

async function makeLane(client: Client): Promise<void> {
  await client.ensureStream("LANE", { subjects: ["lane.>"] });
  const quick = { ackWaitMs: 1_000, maxDeliver: 5, maxInFlight: 1, maxHandleMs: 60_000 };
  await client.ensureConsumer("lane", { stream: "LANE", ...quick });
}

interface Killable extends AsyncDisposable {
  readonly client: Client;
  /** SIGKILL from outside; the same database and port again. */
  killAndRestart(): Promise<void>;
}

async function startKillable(engine: string): Promise<Killable> {
  const store = await startDatabase();
  const nats = engine === "embedded" ? null : await startNats(engine);
  const port = await freePort();
  const run = () => startRoom(store.url, port, nats?.url ?? "");
  let child = await run();
  const kill = async () => {
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  };
  return {
    client: createClient({ url: `http://127.0.0.1:${port}`, token: await adminToken(store.db) }),
    async killAndRestart() {
      await kill();
      child = await run();
    },
    async [Symbol.asyncDispose]() {
      await kill();
      await nats?.[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

async function startRoom(databaseUrl: string, port: number, nats: string): Promise<ChildProcess> {
  const file = join(import.meta.dirname, "room-process.ts");
  const child = spawn(
    process.execPath,
    ["--conditions=development", file, databaseUrl, String(port), nats],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  assert.ok(child.stdout);
  await once(child.stdout, "data", { signal: AbortSignal.timeout(20_000) });
  return child;
}

function adminToken(db: Db): Promise<string> {
  const token = { role: "admin", name: "admin", agent: null, expiresAt: null } as const;
  return createToken(db, realWorld, token);
}

/** Repeats while the server is away. */
async function persistent<T>(work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "";
      if (!code.endsWith("_unreachable") || Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Mulberry32. */
function randomBy(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
