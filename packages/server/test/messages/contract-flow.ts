import assert from "node:assert/strict";
import { until } from "../support/until.ts";
import type { Promised } from "./contract.ts";
import { openLane } from "./lane.ts";
import type { MessagesWorld } from "./world.ts";

/** Publishing, delivering and settling. */
export const contractOfFlow: Promised = {
  async "a message reaches every consumer of its stream once, with its sender and id"(world) {
    const lane = await openLane(world);
    const other = await lane.add();
    await lane.send("a", { text: "grüße" });
    const message = await lane.next();
    assert.deepEqual(
      { id: message.id, payload: message.payload, encoding: message.encoding },
      { id: "a", payload: { text: "grüße" }, encoding: "json" },
    );
    assert.deepEqual(
      [message.sender, message.deliveries, message.cause],
      ["token:admin", 1, "log"],
    );
    assert.equal((await world.next(other)).id, "a");
    assert.deepEqual(await world.client.ackMessage(message.token), { already: false });
    await lane.quiet(600);
    assert.equal((await world.client.consumer(lane.consumer)).handled, 1);
  },

  async "the same id within the duplicate window is one message, and after it another"(world) {
    const lane = await openLane(world, {}, { duplicateWindowMs: 3_000 });
    const first = await lane.send("a");
    assert.equal(await lane.send("a"), first);
    const message = await lane.next();
    await world.client.ackMessage(message.token);
    await lane.quiet(1_000);
    await until("the window to be over", async () => (await lane.send("a")) !== first);
    const again = await lane.next();
    assert.equal(again.handled, true, "an id that was handled is recognised");
  },

  async "an acknowledgement can be repeated, and a delivery that was overtaken is fenced"(world) {
    const { client } = world;
    const lane = await openLane(world, { ackWaitMs: 400 });
    await lane.send("a");
    const slow = await lane.next();
    const second = await lane.next();
    assert.deepEqual([second.seq, second.deliveries], [slow.seq, 2]);
    await assert.rejects(client.ackMessage(slow.token), { code: "fenced" });
    await assert.rejects(client.nakMessage(slow.token, { reason: "late" }), { code: "fenced" });
    await assert.rejects(client.progressMessage(slow.token), { code: "fenced" });
    assert.deepEqual(await client.ackMessage(second.token), { already: false });
    assert.deepEqual(await client.ackMessage(second.token), { already: true });
    await lane.quiet(600);
  },

  async "an acknowledgement after the ack wait still counts while nobody else has the message"(
    world,
  ) {
    const lane = await openLane(world, { ackWaitMs: 200 });
    await lane.send("a");
    const message = await lane.next();
    await new Promise((resolve) => setTimeout(resolve, 400));
    await world.client.ackMessage(message.token);
    await lane.quiet(600);
  },

  async "progress keeps a message with its handler, at most to maxHandle"(world) {
    const { client } = world;
    const lane = await openLane(world, { maxHandleMs: 8_000, ackWaitMs: 3_000 });
    await lane.send("a");
    const message = await lane.next();
    const began = performance.now();
    let renewals = 0;
    while (performance.now() - began < 4_800) {
      await lane.quiet(150);
      if ((await client.progressMessage(message.token)).renewed) renewals += 1;
    }
    assert.ok(renewals >= 2, `${renewals} renewals`);
    const again = await lane.next();
    assert.equal(again.deliveries, 2);
    assert.ok(performance.now() - began < 18_000);
    await client.ackMessage(again.token);
  },

  async "one message is in flight per inbox, so that order survives a redelivery"(world) {
    const { client } = world;
    const lane = await openLane(world);
    for (const id of ["a", "b", "c"]) await lane.send(id);
    const first = await lane.next();
    await lane.quiet(100);
    await client.nakMessage(first.token, { reason: "not yet", delayMs: 300 });
    await lane.quiet(100);
    const seen: string[] = [];
    for (let count = 0; count < 3; count++) {
      const message = await lane.next();
      seen.push(message.id);
      assert.equal(message.overtaken, false);
      await client.ackMessage(message.token);
    }
    assert.deepEqual(seen, ["a", "b", "c"]);
  },

  async "with more in flight, what a redelivery overtook is marked"(world) {
    const { client } = world;
    const lane = await openLane(world, { maxInFlight: 3, ackWaitMs: 5_000 });
    for (const id of ["a", "b", "c", "d"]) await lane.send(id);
    const out = await takeAll(world, lane.consumer, 3);
    assert.deepEqual(out.map((each) => each.id).sort(), ["a", "b", "c"]);
    await lane.quiet(100);
    const a = out.find((each) => each.id === "a");
    assert.ok(a);
    await client.nakMessage(a.token, { reason: "once more", delayMs: 50 });
    const again = await lane.next();
    assert.deepEqual([again.id, again.overtaken, again.deliveries], ["a", true, 2]);
    for (const each of [again, ...out.filter((one) => one.id !== "a")]) {
      await client.ackMessage(each.token);
    }
    assert.equal((await lane.next()).overtaken, false);
  },

  async "a waiting client is answered when a message comes, and with none when its time is over"(
    world,
  ) {
    const lane = await openLane(world);
    const began = performance.now();
    await lane.quiet(300);
    assert.ok(performance.now() - began >= 290);
    const waiting = lane.next(20_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const sent = performance.now();
    await lane.send("a");
    await waiting;
    // Before the sweep, let alone the end of its time.
    assert.ok(performance.now() - sent < 4_000, `${performance.now() - sent} ms`);
  },

  async "a client that went away while it waited takes nothing with it"(world) {
    const lane = await openLane(world, { ackWaitMs: 60_000 });
    for (const patienceMs of [0, 1, 5, 20, 60]) {
      const leaving = new AbortController();
      const waiting = world.client
        .fetchMessages(lane.consumer, { waitMs: 20_000 }, leaving.signal)
        .then(() => "answered")
        .catch(() => "gone");
      await new Promise((resolve) => setTimeout(resolve, patienceMs));
      leaving.abort();
      assert.equal(await waiting, "gone");
      await lane.send(`m${patienceMs}`);
      const message = await lane.next(5_000);
      assert.deepEqual([message.id, message.deliveries], [`m${patienceMs}`, 1]);
      await world.client.ackMessage(message.token);
    }
  },

  async "a consumer takes the subjects that it names, and no others"(world) {
    const { client } = world;
    const lane = await openLane(world);
    const root = lane.subject.replace(".work", "");
    const picky = await lane.add({ subjects: [`${root}.check.*`, `${root}.review`] });
    const one = await lane.add({ subjects: [`${root}.review`] });
    for (const tail of ["work", "review", "check.style", "check.style.deep", "other"]) {
      await client.publishMessage({ subject: `${root}.${tail}`, id: tail, payload: 1 });
    }
    assert.deepEqual(await drain(world, picky), ["review", "check.style"]);
    assert.deepEqual(await drain(world, one), ["review"]);
  },

  async "members of a role share its inbox, and a dead member's message goes to another"(world) {
    const backend = await world.clientAs("agent", "backend");
    const frontend = await world.clientAs("agent", "frontend");
    await world.client.publishMessage({ role: "pairs", id: "shared", payload: 1 });
    const [held] = (await backend.fetchInbox("backend", { waitMs: 10_000 })).messages;
    assert.deepEqual([held?.id, held?.consumer], ["shared", "pair"]);
    const [taken] = (await frontend.fetchInbox("frontend", { waitMs: 10_000 })).messages;
    assert.deepEqual([taken?.id, taken?.deliveries], ["shared", 2]);
    await frontend.ackMessage(taken?.token ?? "");
    await assert.rejects(backend.ackMessage(held?.token ?? ""), { code: "fenced" });
  },

  async "an agent consumes from its own inbox and its roles', and from nothing else"(world) {
    const { client, clientAs } = world;
    const backend = await clientAs("agent", "backend");
    await client.publishMessage({ agent: "marketing", id: "private", payload: 1 });
    await assert.rejects(backend.fetchMessages("marketing-durable-v1"), { code: "not_yours" });
    await assert.rejects(backend.fetchInbox("marketing"), { code: "not_yours" });
    const marketing = await clientAs("agent", "marketing");
    const [message] = (await marketing.fetchInbox("marketing", { waitMs: 10_000 })).messages;
    assert.equal(message?.id, "private");
    await assert.rejects(backend.ackMessage(message?.token ?? ""), { code: "not_yours" });
    await assert.rejects(backend.publishMessage({ agent: "marketing", payload: 1, sender: "x" }), {
      code: "not_yours",
    });
    const viewer = await clientAs("viewer");
    await assert.rejects(viewer.fetchMessages("marketing-durable-v1"), { code: "forbidden" });
    await marketing.ackMessage(message?.token ?? "");
  },

  async "what an ended session had in hand goes to others at once"(world) {
    const lane = await openLane(world, { agent: "loner", ackWaitMs: 60_000 });
    const loner = await world.clientAs("agent", "loner");
    await lane.send("a");
    const asked = { waitMs: 10_000, session: "sess_1" };
    const [held] = (await loner.fetchMessages(lane.consumer, asked)).messages;
    assert.equal(held?.id, "a");
    await world.messages.giveBack("loner", "sess_other");
    await lane.quiet(200);
    await world.messages.giveBack("loner", "sess_1");
    assert.equal((await lane.next()).id, "a");
    await assert.rejects(loner.ackMessage(held?.token ?? ""), { code: "fenced" });
  },
};

export async function takeAll({ take }: MessagesWorld, consumer: string, count: number) {
  const deadline = Date.now() + 10_000;
  const all: Awaited<ReturnType<typeof take>>[number][] = [];
  while (all.length < count && Date.now() < deadline) {
    all.push(...(await take(consumer, 2_000, count - all.length)));
  }
  return all;
}

/** Handles what there is, and returns the ids in their order. */
export async function drain(world: MessagesWorld, consumer: string): Promise<readonly string[]> {
  const ids: string[] = [];
  for (;;) {
    const [message] = await world.take(consumer, ids.length === 0 ? 5_000 : 400);
    if (message === undefined) return ids;
    ids.push(message.id);
    await world.client.ackMessage(message.token);
  }
}
