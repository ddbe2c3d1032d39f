import assert from "node:assert/strict";
import { test } from "node:test";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { pino } from "pino";
import { type Config, configSchema } from "../../src/config/config.ts";
import { createMessages, type Messages } from "../../src/layers/messages/messages.ts";
import type { Db } from "../../src/store/database.ts";
import { realWorld } from "../../src/world.ts";
import { startDatabase } from "../support/database.ts";
import { natsBinaries, startNats } from "../support/nats.ts";
import { until } from "../support/until.ts";

const limits = { timeout: 60_000 };

interface Declaring extends AsyncDisposable {
  readonly messages: Messages;
  readonly said: readonly string[];
  declare(config: unknown): Promise<void>;
}

async function open(db: Db, first: unknown): Promise<Declaring> {
  let config: Config = configSchema.parse(first);
  const said: string[] = [];
  const write = (line: string) => said.push((JSON.parse(line) as { msg: string }).msg);
  const messages = await createMessages({
    ...{ db, world: realWorld, log: pino({ level: "error" }, { write }) },
    configuration: { base: "/", current: () => config },
    putPart: async () => {},
  });
  return {
    messages,
    said,
    async declare(next) {
      config = configSchema.parse(next);
      messages.core.sweepSoon();
    },
    [Symbol.asyncDispose]: () => messages.stop(),
  };
}

const names = async (messages: Messages) => (await messages.consumers()).map((each) => each.name);

test("an agent that is declared while the server runs has an inbox at once", limits, async () => {
  await using store = await startDatabase();
  await using room = await open(store.db, { agents: { one: {} } });
  assert.deepEqual(await names(room.messages), ["one-durable-v1"]);
  await room.declare({ agents: { one: {}, two: { roles: ["pair"] } } });
  await until("both inboxes", async () => (await names(room.messages)).length === 3);
  await room.messages.publish({ agent: "two", payload: 1 }, "one");
  await room.messages.publish({ role: "pair", payload: 1 }, "one");
});

test("a changed limit is in force at once, and what was sent stays", limits, async () => {
  await using store = await startDatabase();
  const declared = (maxMessageBytes: number) => ({
    messages: { streams: { S: { subjects: ["s.x"], maxMessageBytes } } },
  });
  {
    await using room = await open(store.db, declared(1_000));
    await room.messages.publish({ subject: "s.x", payload: 1 }, "me");
  }
  await using room = await open(store.db, declared(100));
  const large = { subject: "s.x", payload: "x".repeat(500) };
  await assert.rejects(room.messages.publish(large, "me"), { code: "too_large" });
  assert.equal((await room.messages.streams("S"))[0]?.messages, 1);
});

test("a declaration that is refused is said once, and stops no other", limits, async () => {
  await using store = await startDatabase();
  await using room = await open(store.db, {
    agents: { one: {} },
    messages: {
      streams: { A: { subjects: ["a.>"] }, B: { subjects: ["a.b"] } },
      consumers: { lost: { stream: "B" }, found: { stream: "A" } },
    },
  });
  assert.deepEqual(await names(room.messages), ["found", "one-durable-v1"]);
  assert.equal(room.said.length, 2);
  assert.match(room.said.join("\n"), /B would take subjects that A already takes/);
});

test(
  "Lastgood starts without NATS, says so, and makes what is declared when it comes",
  limits,
  async () => {
    const [binary = ""] = natsBinaries();
    await using nats = await startNats(binary);
    await nats.kill();
    await using store = await startDatabase();
    const config = { agents: { one: {} }, messages: { engine: "nats", url: nats.url } };
    await using room = await open(store.db, config);
    assert.deepEqual([await names(room.messages), room.messages.engine().reachable], [[], false]);
    await nats.start();
    await until("the inbox", async () => (await names(room.messages)).length === 1, 20_000);
    await room.messages.publish({ agent: "one", payload: 1 }, "me");
  },
);

test("what somebody deleted in NATS is made again", limits, async () => {
  const [binary = ""] = natsBinaries();
  await using nats = await startNats(binary);
  await using store = await startDatabase();
  const config = { agents: { one: {} }, messages: { engine: "nats", url: nats.url } };
  await (await open(store.db, config))[Symbol.asyncDispose]();
  const connection = await connect({ servers: nats.url });
  const manager = await jetstreamManager(connection);
  await manager.streams.delete("AGENT_INBOX_ONE");
  await using room = await open(store.db, config);
  await until("the stream", async () => {
    room.messages.core.sweepSoon();
    return (await manager.streams.names().next()).includes("AGENT_INBOX_ONE");
  });
  await connection.close();
  await room.messages.publish({ agent: "one", payload: 1 }, "me");
});
