import assert from "node:assert/strict";
import { payloadOf } from "@lastgood/sdk";
import { until } from "../support/until.ts";
import type { Promised } from "./contract.ts";
import { drain, takeAll } from "./contract-flow.ts";
import { openLane } from "./lane.ts";

/** Sizes, forms and ages: what is refused, and what is kept of it. */
export const contractOfLimits: Promised = {
  async "a message over the stream's limit is refused, and its sender, size, start and hash are kept"(
    world,
  ) {
    const { client, clientAs } = world;
    const lane = await openLane(world, {}, { maxMessageBytes: 2_000 });
    const backend = await clientAs("agent", "backend");
    const payload = "x".repeat(5_000);
    const tooLarge = { subject: lane.subject, id: "big", payload };
    await assert.rejects(backend.publishMessage(tooLarge), {
      code: "too_large",
      message: /2000|1488/,
    });
    await assert.rejects(backend.publishMessage(tooLarge), { code: "too_large" });
    const query = { sender: "backend", reason: "oversized" as const };
    const { deadLetters } = await client.deadLetters(query);
    assert.deepEqual(
      deadLetters.map((each) => [each.messageId, each.size, each.times, each.seq, each.complete]),
      [["big", 5_002, 2, null, false]],
    );
    const [letter] = deadLetters;
    assert.match(letter?.sha256 ?? "", /^[0-9a-f]{64}$/);
    assert.equal(String((await client.deadLetter(letter?.id ?? "")).payload).length, 4_096);
    await assert.rejects(
      client.rerouteDeadLetter(letter?.id ?? "", { agent: "backend", because: "x" }),
      {
        code: "state_forbids",
      },
    );
    await lane.quiet(100);
    await lane.send("small", "x".repeat(1_000));
    assert.equal((await lane.next()).id, "small");
  },

  async "a megabyte is taken, and a body that is far too large is refused with what is known of it"(
    world,
  ) {
    const { client } = world;
    const lane = await openLane(world);
    await lane.send("megabyte", "x".repeat(1_000_000));
    const message = await lane.next();
    assert.equal(String(message.payload).length, 1_000_000);
    await client.ackMessage(message.token);
    const huge = { subject: lane.subject, payload: "y".repeat(3_000_000) };
    await assert.rejects(client.publishMessage(huge), { code: "too_large" });
    const refused = await client.deadLetters({ reason: "oversized", sender: "token:admin" });
    assert.equal(refused.deadLetters[0]?.size, 3_000_002);
  },

  async "content over the limit goes to state when its sender asks, and comes back whole"(world) {
    const { client } = world;
    const lane = await openLane(world, {}, { maxMessageBytes: 2_000 });
    const payload = { text: "grüße ".repeat(200_000) };
    await client.publishMessage({ subject: lane.subject, id: "large", payload, offload: true });
    const message = await lane.next();
    assert.ok(JSON.stringify(message.payload).length < 1_000);
    assert.deepEqual(await payloadOf(client, message), payload);
    await client.ackMessage(message.token);
    await client.publishMessage({ subject: lane.subject, payload: "small", offload: true });
    assert.equal(await payloadOf(client, await lane.next()), "small");
  },

  async "hostile subjects, ids and headers are refused, and the broker never sees them"(world) {
    const { client } = world;
    const lane = await openLane(world);
    const before = (await client.stream(lane.stream)).lastSeq;
    const hostile = [
      ...["lane.*", "lane.>", ">", "$JS.API.STREAM.DELETE.X", "_INBOX.x", "a..b", ".a", "a."],
      ...["a b", "a\r\nPUB x 1", "a\u0000b", "ä.b", "x".repeat(300)],
    ];
    for (const subject of hostile) {
      await assert.rejects(
        client.publishMessage({ subject, payload: 1 }),
        { code: "bad_input" },
        JSON.stringify(subject),
      );
    }
    const headers: Record<string, string>[] = [
      { "Nats-Rollup": "all" },
      { "lastgood-sender": "someone" },
      { "X Y": "1" },
      { X: "a\r\nNats-Msg-Id: b" },
    ];
    for (const each of headers) {
      const message = { subject: lane.subject, payload: 1, headers: each };
      await assert.rejects(client.publishMessage(message), { code: "bad_input" });
    }
    await assert.rejects(client.publishMessage({ subject: lane.subject, id: "a b", payload: 1 }), {
      code: "bad_input",
    });
    await assert.rejects(client.publishMessage({ subject: "nobody.listens", payload: 1 }), {
      code: "not_found",
    });
    await assert.rejects(client.publishMessage({ agent: "nobody", payload: 1 }), {
      code: "not_found",
    });
    await assert.rejects(client.publishMessage({ payload: 1 }), { code: "bad_input" });
    assert.equal((await client.stream(lane.stream)).lastSeq, before);
    const kept = (await client.deadLetters({ reason: "malformed", sender: "token:admin" }))
      .deadLetters;
    const refused = kept.filter((each) => each.seq === null);
    const times = refused.reduce((total, each) => total + each.times, 0);
    assert.equal(times, hostile.length + headers.length + 1, "each is counted");
  },

  async "a body that is no JSON, or nests too deep, is kept as a malformed publish"(world) {
    const { client } = world;
    const token = await world.tokenAs("agent", "marketing");
    const post = (body: string) =>
      fetch(new URL("/v1/messages", world.url), {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body,
      });
    const broken = '{"subject": "tasks.a", "payload": ';
    assert.equal((await post(broken)).status, 400);
    const deep = `{"subject":"tasks.a","payload":${"[".repeat(100)}${"]".repeat(100)}}`;
    assert.equal((await post(deep)).status, 400);
    assert.equal((await post('{"subject":"tasks.a","payload":1,"surprise":1}')).status, 400);
    const query = { sender: "marketing", reason: "malformed" as const };
    const kept = (await client.deadLetters(query)).deadLetters;
    assert.deepEqual(
      kept.map((each) => each.size).sort((one, other) => one - other),
      [broken.length, 46, deep.length].sort((one, other) => one - other),
    );
    const contents = await Promise.all(kept.map((each) => client.deadLetter(each.id)));
    assert.ok(contents.some((each) => each.payload === broken));
  },

  async "headers and text travel as they are"(world) {
    const { client } = world;
    const lane = await openLane(world);
    const headers = { "Trace-Id": "abc-1", Weather: "schön" };
    await client.publishMessage({ subject: lane.subject, payload: null, headers });
    const message = await lane.next();
    assert.deepEqual([message.headers, message.payload], [headers, null]);
  },

  async "a stream keeps its newest bytes, and a consumer sees what it missed"(world) {
    const { client } = world;
    const lane = await openLane(world, { maxInFlight: 10 }, { maxBytes: 20_000 });
    for (let count = 1; count <= 10; count++) await lane.send(`m${count}`, "x".repeat(4_000));
    const stream = await client.stream(lane.stream);
    assert.ok(stream.bytes <= 21_000, `${stream.bytes} bytes`);
    assert.ok(stream.firstSeq > 1 && stream.lastSeq === 10);
    const ids = await drain(world, lane.consumer);
    assert.equal(ids.at(-1), "m10");
    assert.equal(ids.length, stream.messages);
  },

  async "messages of many publishers have sequences without gaps, in which every reader agrees"(
    world,
  ) {
    const lane = await openLane(world, { maxInFlight: 100, ackWaitMs: 10_000 });
    const other = await lane.add({ maxInFlight: 100, ackWaitMs: 10_000 });
    const count = 60;
    const sent = await Promise.all(
      Array.from({ length: count }, (_, index) => lane.send(`m${index}`)),
    );
    assert.deepEqual(
      [...sent].sort((one, another) => one - another),
      Array.from({ length: count }, (_, index) => index + 1),
    );
    const read = async (consumer: string) =>
      (await takeAll(world, consumer, count)).map((each) => [each.seq, each.id]);
    const [mine, theirs] = await Promise.all([read(lane.consumer), read(other)]);
    const bySeq = (rows: (string | number)[][]) =>
      [...rows].sort(([one], [another]) => Number(one) - Number(another));
    assert.equal(mine.length, count);
    assert.deepEqual(bySeq(mine), bySeq(theirs));
  },

  async "a subject belongs to one stream, and a consumer to one stream"(world) {
    const { client } = world;
    const lane = await openLane(world);
    await assert.rejects(client.ensureStream("OTHER", { subjects: [lane.subject] }), {
      code: /already_exists|state_forbids/,
    });
    await client.ensureStream("APART", { subjects: ["apart.x"] });
    await assert.rejects(client.ensureConsumer(lane.consumer, { stream: "APART" }), {
      code: "already_exists",
    });
    await assert.rejects(client.ensureConsumer("c", { stream: "NOWHERE" }), { code: "not_found" });
    await assert.rejects(client.ensureStream("bad name", { subjects: ["x.y"] }), {
      code: "bad_input",
    });
    await assert.rejects(client.ensureStream("BAD", { subjects: ["x.>.y"] }), {
      code: "bad_input",
    });
    await assert.rejects(client.fetchMessages("nobody"), { code: "not_found" });
    await assert.rejects(client.ackMessage("nonsense"), { code: "bad_input" });
    await until("the streams are listed", async () =>
      (await client.streams()).streams.some((each) => each.name === "APART"),
    );
  },
};
