import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { consume, createClient, type Fault, Rejected } from "@lastgood/sdk";
import { startServer } from "../support/server.ts";
import { until } from "../support/until.ts";
import { openLane } from "./lane.ts";
import { startMessages } from "./world.ts";

const limits = { timeout: 60_000 };

test("a consumer acknowledges what its handler did, and says why it failed", limits, async () => {
  await using world = await startMessages("embedded");
  const { client } = world;
  await Promise.all(["good", "poison", "misplaced"].map((id) => tellMarketing(id)));
  const marketing = await world.clientAs("agent", "marketing");
  const stopping = new AbortController();
  const handled: string[] = [];
  const consuming = consume(marketing, {
    agent: "marketing",
    signal: stopping.signal,
    handler({ id, deliveries }) {
      if (id === "poison" && deliveries < 3) throw new Error(`attempt ${deliveries} exploded`);
      if (id === "misplaced") throw new Rejected("misrouted", "I write no code");
      handled.push(id);
    },
  });
  await until("both handled", async () => handled.length === 2, 20_000);
  const letter = await until("the dead letter", async () => {
    const { deadLetters } = await client.deadLetters({ consumer: "marketing-durable-v1" });
    return deadLetters[0];
  });
  assert.deepEqual([letter.reason, letter.detail], ["misrouted", "I write no code"]);
  await until("all settled", async () => {
    const consumer = await client.consumer("marketing-durable-v1");
    return consumer.handled === 2 && consumer.inFlight === 0;
  });
  stopping.abort();
  await consuming;
  assert.deepEqual(handled.sort(), ["good", "poison"]);

  async function tellMarketing(id: string) {
    await client.publishMessage({ agent: "marketing", id, payload: { id } });
  }
});

test(
  "a handler keeps its message by its own progress, and finishes when it is told to stop",
  limits,
  async () => {
    await using world = await startMessages("embedded");
    const lane = await openLane(world, { ackWaitMs: 400 });
    await lane.send("long");
    const stopping = new AbortController();
    let deliveries = 0;
    const consuming = consume(world.client, {
      consumer: lane.consumer,
      signal: stopping.signal,
      concurrency: 2,
      async handler(_message, { progress }) {
        deliveries += 1;
        for (let part = 0; part < 8; part++) {
          await new Promise((resolve) => setTimeout(resolve, 150));
          assert.equal((await progress()).renewed, true);
          if (part === 2) stopping.abort();
        }
      },
    });
    await consuming;
    assert.equal(deliveries, 1);
    assert.equal((await world.client.consumer(lane.consumer)).handled, 1);
  },
);

test(
  "a message whose id was handled before is acknowledged without its handler",
  limits,
  async () => {
    await using world = await startMessages("embedded");
    const lane = await openLane(world, {}, { duplicateWindowMs: 100 });
    await lane.send("same");
    await world.client.ackMessage((await lane.next()).token);
    await until("the window is over", async () => (await lane.send("same")) > 1);
    await lane.send("other");
    const seen: string[] = [];
    const stopping = new AbortController();
    await consume(world.client, {
      consumer: lane.consumer,
      signal: stopping.signal,
      handler({ id }) {
        seen.push(id);
        stopping.abort();
      },
    });
    assert.deepEqual(seen, ["other"]);
  },
);

test(
  "a consumer waits for a server that is away, and ends where waiting cannot help",
  limits,
  async () => {
    const nowhere = createClient({ url: "http://127.0.0.1:9", token: "none" });
    const stopping = new AbortController();
    const troubles: Fault[] = [];
    await consume(nowhere, {
      agent: "marketing",
      signal: stopping.signal,
      handler: () => {},
      onTrouble(fault) {
        troubles.push(fault);
        if (troubles.length === 3) stopping.abort();
      },
    });
    assert.deepEqual(
      troubles.map((fault) => fault.code),
      Array(3).fill("server_unreachable"),
    );

    await using world = await startMessages("embedded");
    const stranger = createClient({ url: world.url, token: "lg_admin_000000000000_wrong" });
    const signal = AbortSignal.timeout(10_000);
    const attempt = consume(stranger, { agent: "marketing", signal, handler: () => {} });
    await assert.rejects(attempt, { code: "unauthenticated" });
    const missing = consume(world.client, { consumer: "nobody", signal, handler: () => {} });
    await assert.rejects(missing, { code: "not_found" });
  },
);

test("the command line publishes, shows, holds, replays and settles", limits, async () => {
  await using server = await startServer({ agents: { marketing: {} } });
  const token = await server.tokenAs("admin");
  const lastgood = async (...args: string[]) => {
    const file = join(import.meta.dirname, "../../src/cli/cli.ts");
    const argv = ["--conditions=development", file, ...args, "--json"];
    const env = { ...process.env, LASTGOOD_URL: server.lastgood.url, LASTGOOD_TOKEN: token };
    const { stdout } = await promisify(execFile)(process.execPath, argv, { env }).catch(
      (error: unknown) => error as { stdout: string },
    );
    return JSON.parse(stdout) as Record<string, unknown>;
  };
  const published = await lastgood("messages", "publish", "--agent", "marketing", '{"n":1}');
  assert.deepEqual([published.seq, published.subject], [1, "agents.marketing.inbox"]);
  const consumer = "marketing-durable-v1";
  const [message] = (await server.client.fetchMessages(consumer, { waitMs: 5_000 })).messages;
  const rejection = { reason: "rejected", detail: "not now" } as const;
  const { deadLetter } = await server.client.rejectMessage(message?.token ?? "", rejection);
  const { deadLetters } = (await lastgood("dead-letters", "list")) as {
    deadLetters: { id: string }[];
  };
  assert.deepEqual(
    deadLetters.map((each) => each.id),
    [deadLetter],
  );
  const because = ["--because", "it is mended"];
  const requeued = await lastgood("dead-letters", "requeue", deadLetter ?? "", ...because);
  assert.equal(requeued.state, "requeued");
  const twice = (await lastgood("dead-letters", "discard", deadLetter ?? "", ...because)) as {
    error: { code: string };
  };
  assert.equal(twice.error.code, "state_forbids");
  const held = (await lastgood("messages", "hold", consumer, ...because)) as { holds: unknown[] };
  assert.equal(held.holds.length, 1);
  assert.deepEqual(
    ((await lastgood("messages", "release", consumer)) as { holds: unknown[] }).holds,
    [],
  );
  const replayed = await lastgood("messages", "replay", consumer, "--from-seq", "1", ...because);
  assert.equal(replayed.replayed, 0, "it is before the consumer already");
  const metrics = await fetch(new URL("/metrics", server.lastgood.url), {
    headers: { authorization: `Bearer ${token}` },
  });
  assert.match(await metrics.text(), /lastgood_messages_unsettled\{state="due"\} 1/);
});
