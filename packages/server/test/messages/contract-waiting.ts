import assert from "node:assert/strict";
import { until } from "../support/until.ts";
import type { Promised } from "./contract.ts";
import { openLane } from "./lane.ts";

/** Looking at what waits, which takes nothing. */
export const contractOfWaiting: Promised = {
  async "what waits for a consumer is seen oldest first, and still comes"(world) {
    const lane = await openLane(world);
    const other = await lane.add();
    for (const id of ["a", "b", "c"]) await lane.send(id, { say: `${id} ü` });
    const { messages, more } = await world.messages.waitingFor([lane.consumer], 50);
    assert.deepEqual(
      messages.map(({ id, state, deliveries, excerpt, sender }) => [
        ...[id, state, deliveries, excerpt, sender],
      ]),
      ["a", "b", "c"].map((id) => [id, "waiting", 0, `{"say":"${id} ü"}`, "token:admin"]),
    );
    assert.equal(more, 0);
    assert.equal((await world.messages.waitingFor([lane.consumer, other], 50)).messages.length, 6);
    assert.deepEqual((await world.messages.waitingFor([], 50)).messages, []);
    for (const id of ["a", "b", "c"]) {
      const message = await lane.next();
      assert.deepEqual([message.id, message.deliveries], [id, 1]);
      await world.client.ackMessage(message.token);
    }
    assert.deepEqual((await world.messages.waitingFor([lane.consumer], 50)).messages, []);
  },

  async "what is with a handler or rests after a failure waits too, and is counted once"(world) {
    const { client } = world;
    const lane = await openLane(world, { maxInFlight: 3 });
    for (const id of ["a", "b", "c", "d"]) await lane.send(id);
    const look = async () => {
      const { messages, more } = await world.messages.waitingFor([lane.consumer], 50);
      return [...messages.map(({ id, state, deliveries }) => `${id} ${state} ${deliveries}`), more];
    };
    const first = await lane.next();
    assert.equal(first.id, "a");
    assert.deepEqual(await look(), ["a out 1", "b waiting 0", "c waiting 0", "d waiting 0", 0]);
    await client.nakMessage(first.token, { reason: "not yet", delayMs: 60_000 });
    const second = await lane.next();
    assert.equal(second.id, "b");
    assert.deepEqual(await look(), ["a resting 1", "b out 1", "c waiting 0", "d waiting 0", 0]);
    const [rested] = (await world.messages.waitingFor([lane.consumer], 1)).messages;
    assert.equal(rested?.lastError, "not yet");
    await client.ackMessage(second.token);
    assert.deepEqual(await look(), ["a resting 1", "c waiting 0", "d waiting 0", 0]);
  },

  async "of many a few are shown and the rest is counted"(world) {
    const lane = await openLane(world);
    const root = lane.subject.replace(".work", "");
    const picky = await lane.add({ subjects: [`${root}.review`] });
    for (let index = 0; index < 12; index++) {
      await lane.send(`w${index}`);
      await world.client.publishMessage({ subject: `${root}.review`, id: `r${index}`, payload: 1 });
    }
    const all = await world.messages.waitingFor([lane.consumer], 5);
    assert.deepEqual(
      all.messages.map(({ id }) => id),
      ["w0", "r0", "w1", "r1", "w2"],
    );
    assert.equal(all.more, 19);
    const some = await world.messages.waitingFor([picky], 5);
    assert.deepEqual(
      some.messages.map(({ id }) => id),
      ["r0", "r1", "r2", "r3", "r4"],
    );
    assert.equal(some.more, 7);
  },

  async "content that is long, no text, or lies elsewhere is named in few characters"(world) {
    const lane = await openLane(world, {}, { maxMessageBytes: 20_000 });
    await lane.send("long", "ü".repeat(9_000));
    const large = { subject: lane.subject, payload: "x".repeat(900_000), offload: true };
    await world.client.publishMessage({ ...large, id: "large" });
    const { messages } = await world.messages.waitingFor([lane.consumer], 50);
    assert.equal(messages[0]?.excerpt, `"${"ü".repeat(499)}`);
    assert.match(
      messages[1]?.excerpt ?? "",
      /^\(900002 bytes in message-payloads, 2 parts, from \w{32}-0\)$/,
    );
  },

  async "an agent sees its own inbox and its roles', and no other's"(world) {
    const { client } = world;
    await client.publishMessage({ agent: "reviewer", id: "own", payload: "look at this" });
    const reviewer = await world.clientAs("agent", "reviewer");
    const seen = await until("the message", async () => {
      const { messages } = await reviewer.inbox("reviewer");
      return messages.find(({ id }) => id === "own");
    });
    assert.equal(seen.excerpt, '"look at this"');
    await client.publishMessage({ role: "writers", id: "shared", payload: 1 });
    const marketing = await world.clientAs("agent", "marketing");
    const { messages } = await marketing.inbox("marketing", { limit: 500 });
    assert.ok(
      messages.some(({ id, consumer }) => id === "shared" && consumer === "writers-shared-v1"),
    );
    await assert.rejects(marketing.inbox("reviewer"), { code: "not_yours" });
    await assert.rejects(client.inbox("nobody"), { code: "not_found" });
    await assert.rejects((await world.clientAs("viewer")).inbox("reviewer"), { code: "forbidden" });
  },
};
