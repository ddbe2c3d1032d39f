/** What is asked of JetStream alone: adopting what exists, giving up, dying and coming back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AckPolicy, type JetStreamManager, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, nanos } from "@nats-io/transport-node";
import { sweep } from "../../src/layers/messages/messages-loop.ts";
import { openNatsLink } from "../../src/layers/messages/nats/nats-link.ts";
import { trimStreams } from "../../src/layers/messages/nats/nats-read.ts";
import { ownMark } from "../../src/layers/messages/nats/nats-settings.ts";
import { type NatsServer, natsBinaries, startNats } from "../support/nats.ts";
import { until } from "../support/until.ts";
import { drain } from "./contract-flow.ts";
import { openLane } from "./lane.ts";
import { type MessagesWorld, startMessages } from "./world.ts";

const limits = { timeout: 60_000 };

for (const binary of natsBinaries()) {
  test(`existing streams and consumers are adopted as they are on ${binary}`, limits, async () => {
    await using world = await startMessages(binary, {
      messages: { consumers: { "marketing-durable-v1": { agent: "marketing" } } },
      prepare: adoptable,
    });
    const { client } = world;
    const stream = await client.stream("AGENT_INBOX_MARKETING");
    assert.deepEqual(
      [stream.adopted, stream.subjects, stream.messages, stream.keepMs],
      [true, ["inbox.marketing"], 3, 3_600_000],
    );
    const consumer = await client.consumer("marketing-durable-v1");
    assert.deepEqual(
      [consumer.adopted, consumer.ackWaitMs, consumer.maxDeliver, consumer.waiting],
      [true, 2_000, 3, 2],
    );
    const published = await client.publishMessage({ agent: "marketing", id: "new", payload: 4 });
    assert.deepEqual([published.stream, published.subject], [stream.name, "inbox.marketing"]);
    const raw = await world.next("marketing-durable-v1");
    assert.deepEqual(
      [raw.seq, raw.payload, raw.encoding, raw.sender],
      [2, "not json", "text", null],
    );
    await client.ackMessage(raw.token);
    const binaryOne = await world.next("marketing-durable-v1");
    assert.deepEqual([binaryOne.payload, binaryOne.encoding], ["/wA=", "base64"]);
    await client.ackMessage(binaryOne.token);
    assert.deepEqual(await drain(world, "marketing-durable-v1"), ["new"]);
    const [before, after] = await withManager(world.nats, async (manager) => {
      const info = await manager.consumers.info(stream.name, "marketing-durable-v1");
      return [info.config.description, info.ack_floor.stream_seq] as const;
    });
    assert.deepEqual([before, after], ["ours since 2024", 4]);
    const { gaps } = await world.messages.layer.plan(
      {
        ...{ changes: [], services: [], since: new Date(), incident: null, because: "x" },
        agents: [consumer.agent as never],
      },
      AbortSignal.timeout(5_000),
    );
    assert.match(gaps.join(), /marketing-durable-v1 from NATS itself/);
  });

  test(
    `consumers that cannot be served are refused with the reason on ${binary}`,
    limits,
    async () => {
      await using world = await startMessages(binary, {
        prepare: (nats) =>
          withManager(nats, async (manager) => {
            await manager.streams.add({ name: "S", subjects: ["s.x"] });
            await manager.consumers.add("S", { durable_name: "all", ack_policy: AckPolicy.All });
            await manager.consumers.add("S", {
              ...{ durable_name: "push", ack_policy: AckPolicy.Explicit, deliver_subject: "out" },
            });
          }),
      });
      await world.client.ensureStream("S", { subjects: ["s.x"] });
      const ensure = (name: string) => world.client.ensureConsumer(name, { stream: "S" });
      await assert.rejects(ensure("all"), { code: "state_forbids", message: /explicit/ });
      await assert.rejects(ensure("push"), { code: "state_forbids", message: /pull/ });
    },
  );

  test(
    `what the server gave up on goes on with us, or is a dead letter, on ${binary}`,
    limits,
    async () => {
      await using world = await startMessages(binary, {
        prepare: (nats) =>
          withManager(nats, async (manager) => {
            await manager.streams.add({ name: "TIGHT", subjects: ["tight.x"] });
            for (const durable_name of ["tight", "raw"]) {
              await manager.consumers.add("TIGHT", {
                ...{ durable_name, ack_policy: AckPolicy.Explicit, max_deliver: 1 },
                ack_wait: nanos(200),
              });
            }
          }),
      });
      const { client, messages } = world;
      await client.ensureStream("TIGHT", { subjects: ["tight.x"] });
      await client.ensureConsumer("tight", { stream: "TIGHT", maxDeliver: 1 });
      await client.ensureConsumer("raw", { stream: "TIGHT" });
      await client.publishMessage({ subject: "tight.x", id: "a", payload: 1 });
      assert.equal((await world.next("tight")).deliveries, 1);
      await pullRaw(world.nats, "TIGHT", "raw");
      const letters = await until("both deaths", async () => {
        // A pull is what makes a server before 2.10 notice that the message is given up.
        await world.take("tight", 100);
        await world.take("raw", 100);
        await sweep(messages.core, AbortSignal.timeout(5_000));
        const { deadLetters } = await client.deadLetters({ stream: "TIGHT" });
        return deadLetters.length === 2 && deadLetters;
      });
      assert.deepEqual(
        letters.map((each) => [each.consumer, each.messageId, each.reason, each.complete]).sort(),
        [
          ["raw", "a", "max_deliver", true],
          ["tight", "a", "max_deliver", true],
        ],
      );
      await sweep(messages.core, AbortSignal.timeout(5_000));
      assert.equal((await client.deadLetters({ stream: "TIGHT" })).deadLetters.length, 2);
    },
  );

  test(
    `streams without a reservation are kept within their bytes on ${binary}`,
    limits,
    async () => {
      await using nats = await startNats(binary);
      await withManager(nats, async (manager) => {
        const link = openNatsLink({ url: nats.url, onDisconnected() {}, onReconnected() {} });
        const connection = await connect({ servers: nats.url });
        for (const [name, description] of [
          ["OURS", ownMark],
          ["THEIRS", "not ours"],
        ] as const) {
          await manager.streams.add({ name, description, subjects: [name] });
          for (let count = 0; count < 10; count++) {
            await jetstream(connection).publish(name, "x".repeat(4_000));
          }
        }
        await trimStreams(
          link,
          new Map([
            ["OURS", 20_000],
            ["THEIRS", 20_000],
          ]),
        );
        const ours = (await manager.streams.info("OURS")).state;
        assert.ok(ours.bytes <= 20_000 && ours.messages >= 4, `${ours.bytes} bytes`);
        assert.equal(ours.last_seq, 10);
        assert.equal((await manager.streams.info("THEIRS")).state.messages, 10);
        await connection.close();
        await link.close();
      });
    },
  );

  test(
    `the server's word of what we ended does not end it again when it is back, on ${binary}`,
    limits,
    async () => {
      await using world = await startMessages(binary);
      const { client, messages } = world;
      const lane = await openLane(world, { ackWaitMs: 30_000 });
      const sweepTwice = async () => {
        for (let turn = 0; turn < 2; turn++) await sweep(messages.core, AbortSignal.timeout(5_000));
      };
      await lane.send("a");
      await client.rejectMessage((await lane.next()).token, { reason: "rejected", detail: "no" });
      await client.requeueDeadLetter((await lane.death()).id, "yes");
      await sweepTwice();
      const again = await lane.next();
      await sweepTwice();
      assert.deepEqual(await client.ackMessage(again.token), { already: false });
      assert.equal((await lane.deaths()).length, 1);
    },
  );

  test(
    `a stream that is made anew counts from 1, and its messages are new ones, on ${binary}`,
    limits,
    async () => {
      await using world = await startMessages(binary);
      const { client, messages } = world;
      const lane = await openLane(world, { ackWaitMs: 400 });
      for (const id of ["handled", "dead", "pending"]) await lane.send(id);
      await client.ackMessage((await lane.next()).token);
      const rejection = { reason: "rejected", detail: "no" } as const;
      await client.rejectMessage((await lane.next()).token, rejection);
      await lane.next();
      await withManager(world.nats, (manager) => manager.streams.delete(lane.stream));
      const { subjects } = await client.stream(lane.stream);
      await client.ensureStream(lane.stream, { subjects });
      await client.ensureConsumer(lane.consumer, { stream: lane.stream, ackWaitMs: 400 });
      for (const id of ["new-1", "new-2", "new-3"]) await lane.send(id);
      const seen: string[] = [];
      await until("the new ones", async () => {
        await sweep(messages.core, AbortSignal.timeout(5_000));
        for (const message of await world.take(lane.consumer, 200)) {
          await client.ackMessage(message.token);
          seen.push(message.id);
        }
        return seen.length === 3;
      });
      assert.deepEqual(seen, ["new-1", "new-2", "new-3"]);
    },
  );

  test(
    `kill -9 of the server loses no acknowledged publish and repeats no handled one on ${binary}`,
    limits,
    async () => {
      await using world = await startMessages(binary, { durable: true });
      const { client, nats } = world;
      const lane = await openLane(world, { maxInFlight: 5, ackWaitMs: 1_000 });
      const acknowledged = new Set<string>();
      const handled: string[] = [];
      const stopping = new AbortController();
      const publishing = (async () => {
        for (let number = 0; number < 100 && !stopping.signal.aborted; number++) {
          await retried(() => lane.send(`m${number}`));
          acknowledged.add(`m${number}`);
        }
      })();
      const consuming = (async () => {
        while (!stopping.signal.aborted) {
          for (const message of await world.take(lane.consumer, 500, 5).catch(() => [])) {
            if (!message.handled) handled.push(message.id);
            await retried(() => client.ackMessage(message.token));
          }
        }
      })();
      for (let kill = 0; kill < 2; kill++) {
        await until("some more", async () => handled.length > 20 * (kill + 1), 30_000);
        await nats?.killAndRestart();
      }
      await publishing;
      await until("all handled", async () => new Set(handled).size === acknowledged.size, 30_000);
      stopping.abort();
      await consuming;
      assert.equal(acknowledged.size, 100);
      assert.equal(handled.length, 100, "each once");
      const { lastSeq } = await client.stream(lane.stream);
      assert.equal(lastSeq, 100, "a publish that was repeated is one message");
    },
  );

  test(
    `a server that is away is said, and everything goes on when it is back, on ${binary}`,
    limits,
    async () => {
      await using world = await startMessages(binary);
      const { client, nats } = world;
      const lane = await openLane(world, { ackWaitMs: 30_000 });
      await lane.send("a");
      const held = await lane.next();
      await nats?.kill();
      await until("it is noticed", async () => !(await client.messagesEngine()).reachable);
      await assert.rejects(lane.send("b"), { code: "layer_unreachable" });
      assert.deepEqual(await client.ackMessage(held.token), { already: false });
      const waiting = lane.next(20_000);
      await nats?.start();
      await until("it is back", async () => (await client.messagesEngine()).reachable);
      assert.deepEqual(await client.ackMessage(held.token), { already: true });
      await lane.send("b");
      assert.equal((await waiting).id, "b");
    },
  );
}

async function adoptable(nats: NatsServer): Promise<void> {
  await withManager(nats, async (manager) => {
    await manager.streams.add({
      ...{ name: "AGENT_INBOX_MARKETING", subjects: ["inbox.marketing"] },
      max_age: nanos(3_600_000),
    });
    await manager.consumers.add("AGENT_INBOX_MARKETING", {
      ...{ durable_name: "marketing-durable-v1", description: "ours since 2024" },
      ...{ ack_policy: AckPolicy.Explicit, ack_wait: nanos(2_000), max_deliver: 4 },
    });
    const connection = await connect({ servers: nats.url });
    const client = jetstream(connection);
    await client.publish("inbox.marketing", JSON.stringify({ old: true }));
    await client.publish("inbox.marketing", "not json");
    await client.publish("inbox.marketing", Uint8Array.of(255, 0));
    const consumer = await client.consumers.get("AGENT_INBOX_MARKETING", "marketing-durable-v1");
    const first = await consumer.next({ expires: 5_000 });
    assert.equal(await first?.ackAck(), true);
    await connection.close();
  });
}

async function withManager<T>(
  nats: NatsServer | null,
  work: (manager: JetStreamManager) => Promise<T>,
): Promise<T> {
  const connection = await connect({ servers: nats?.url ?? "" });
  try {
    return await work(await jetstreamManager(connection));
  } finally {
    await connection.close();
  }
}

/** Another client takes a message and never acknowledges it. */
async function pullRaw(nats: MessagesWorld["nats"], stream: string, name: string): Promise<void> {
  const connection = await connect({ servers: nats?.url ?? "" });
  const consumer = await jetstream(connection).consumers.get(stream, name);
  assert.ok(await consumer.next({ expires: 5_000 }));
  await connection.close();
}

async function retried<T>(work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : "";
      if (code !== "layer_unreachable" || Date.now() > deadline) throw error;
    }
  }
}
