import assert from "node:assert/strict";
import { until } from "../support/until.ts";
import type { Promised } from "./contract.ts";
import { briefly, openLane } from "./lane.ts";

/** Dead letters: how messages die, and how they come back. */
export const contractOfDeath: Promised = {
  async "a failure says why, waits for its delay, and ends in a dead letter without stopping the inbox"(
    world,
  ) {
    const { client } = world;
    const lane = await openLane(world);
    await lane.send("poison");
    await lane.send("good");
    let restedSince = 0;
    for (let delivery = 1; delivery <= briefly.maxDeliver; delivery++) {
      const message = await lane.next();
      assert.deepEqual([message.id, message.deliveries], ["poison", delivery]);
      assert.equal(message.lastError, delivery === 1 ? null : "it explodes");
      assert.ok(delivery === 1 || performance.now() - restedSince >= 195, "it rested");
      const began = performance.now();
      const failed = await client.nakMessage(message.token, {
        reason: "it explodes",
        delayMs: 200,
      });
      if (delivery < briefly.maxDeliver) {
        assert.equal(failed.outcome, "waits");
        restedSince = began;
      } else {
        assert.equal(failed.outcome, "dead");
      }
    }
    assert.equal((await lane.next()).id, "good");
    const letter = await lane.death();
    assert.deepEqual(
      [letter.messageId, letter.reason, letter.detail, letter.deliveries, letter.state],
      ["poison", "handler_error", "it explodes", 3, "dead"],
    );
    const content = await client.deadLetter(letter.id);
    assert.deepEqual(content.payload, { id: "poison" });
    assert.equal(content.complete, true);
  },

  async "a failure without a delay rests at least a second"(world) {
    const lane = await openLane(world);
    await lane.send("a");
    const { token } = await lane.next();
    const began = performance.now();
    await world.client.nakMessage(token, { reason: "no" });
    assert.equal((await lane.next()).deliveries, 2);
    assert.ok(performance.now() - began > 700, `${performance.now() - began} ms`);
  },

  async "a message that nobody ever settles dies of max_deliver, once"(world) {
    const lane = await openLane(world, { ackWaitMs: 200, maxDeliver: 2 });
    await lane.send("a");
    await lane.send("b");
    assert.equal((await lane.next()).deliveries, 1);
    assert.equal((await lane.next()).deliveries, 2);
    assert.equal((await lane.next()).id, "b", "the next one comes in its place");
    const letters = await lane.deaths();
    assert.deepEqual(
      letters.map((each) => [each.messageId, each.reason, each.deliveries]),
      [["a", "max_deliver", 2]],
    );
  },

  async "what can never be handled is a dead letter at once, and goes to the right inbox under its id"(
    world,
  ) {
    const { client } = world;
    const lane = await openLane(world);
    const right = await lane.add({ subjects: [lane.subject.replace(".work", ".elsewhere")] });
    await lane.send("a");
    const rejected = await client.rejectMessage((await lane.next()).token, {
      ...{ reason: "misrouted", detail: "this is for the other one" },
    });
    const id = rejected.deadLetter ?? "";
    assert.equal((await client.deadLetter(id)).reason, "misrouted");
    await lane.quiet(100);
    const because = "it was meant for them";
    const settled = await client.rerouteDeadLetter(id, { consumer: right, because });
    assert.deepEqual([settled.state, settled.destination], ["rerouted", right]);
    const message = await world.next(right);
    assert.deepEqual([message.id, message.cause, message.deliveries], ["a", "reroute", 1]);
    assert.deepEqual(message.payload, { id: "a" });
    await client.ackMessage(message.token);
    await assert.rejects(client.rerouteDeadLetter(id, { consumer: right, because }), {
      code: "state_forbids",
    });
    await lane.quiet(500, right);
  },

  async "a dead letter comes back to its consumer once, alone, with all its deliveries before it"(
    world,
  ) {
    const { client } = world;
    const lane = await openLane(world);
    const other = await lane.add({ maxInFlight: 10 });
    await lane.send("a");
    await client.rejectMessage((await lane.next()).token, { reason: "rejected", detail: "no" });
    await client.ackMessage((await world.next(other)).token);
    const letter = await lane.death();
    await client.requeueDeadLetter(letter.id, "the handler is mended");
    const message = await lane.next();
    assert.deepEqual([message.id, message.seq, message.cause], ["a", letter.seq, "requeue"]);
    assert.deepEqual([message.deliveries, message.handled], [1, false]);
    await assert.rejects(client.requeueDeadLetter(letter.id, "again"), { code: "state_forbids" });
    await client.rejectMessage(message.token, { reason: "rejected", detail: "still no" });
    const letters = await lane.deaths();
    assert.deepEqual(
      letters.map((each) => [each.life, each.state]),
      [
        [1, "dead"],
        [0, "requeued"],
      ],
    );
    await client.requeueDeadLetter(letters[0]?.id ?? "", "now it is mended");
    await client.ackMessage((await lane.next()).token);
    await lane.quiet(500);
    await lane.quiet(100, other);
    const changes = await client.changes({ layer: "messages", target: lane.consumer });
    assert.deepEqual(
      changes.changes.map((change) => change.kind),
      ["requeue", "requeue"],
    );
  },

  async "a discarded dead letter never comes back"(world) {
    const { client } = world;
    const lane = await openLane(world);
    await lane.send("a");
    await client.rejectMessage((await lane.next()).token, { reason: "malformed", detail: "no" });
    const letter = await lane.death();
    const discarded = await client.discardDeadLetter(letter.id, "a test message");
    assert.deepEqual([discarded.state, discarded.settledBy], ["discarded", "token:admin"]);
    await assert.rejects(client.requeueDeadLetter(letter.id, "no"), { code: "state_forbids" });
  },

  async "a stream's reviewer gets each dead letter once, and may settle it"(world) {
    const { client, clientAs } = world;
    const reviewer = await clientAs("agent", "reviewer");
    const lane = await openLane(world, {}, { reviewer: "reviewer" });
    await lane.send("a");
    await client.rejectMessage((await lane.next()).token, { reason: "rejected", detail: "no" });
    const [review] = (await reviewer.fetchInbox("reviewer", { waitMs: 15_000 })).messages;
    const letter = await lane.death();
    const told = review?.payload as { type: string; details: { deadLetter: string } } | undefined;
    assert.deepEqual([told?.type, told?.details.deadLetter], ["dead-letter.review", letter.id]);
    await reviewer.ackMessage(review?.token ?? "");
    const more = await reviewer.fetchInbox("reviewer", { waitMs: 300 });
    assert.deepEqual(more.messages, []);
    const backend = await clientAs("agent", "backend");
    await assert.rejects(backend.requeueDeadLetter(letter.id, "mine now"), { code: "not_yours" });
    assert.equal((await reviewer.requeueDeadLetter(letter.id, "checked")).state, "requeued");
    await client.ackMessage((await lane.next()).token);
  },

  async "dead letters are counted by reason, sender, consumer and size"(world) {
    const { client } = world;
    const lane = await openLane(world, { maxInFlight: 10 });
    for (const id of ["a", "b"]) await lane.send(id, "x".repeat(id === "a" ? 10 : 20_000));
    for (let count = 0; count < 2; count++) {
      await client.rejectMessage((await lane.next()).token, { reason: "rejected", detail: "no" });
    }
    await until("both counted", async () => (await lane.deaths()).length === 2);
    const analysis = await client.analyseDeadLetters({ since: "1h" });
    assert.equal(analysis.byConsumer[lane.consumer], 2);
    assert.ok((analysis.bySender["token:admin"] ?? 0) >= 2);
    assert.ok((analysis.byReason.rejected ?? 0) >= 2);
    assert.ok((analysis.bySize["1024"] ?? 0) >= 1 && (analysis.bySize["131072"] ?? 0) >= 1);
  },
};
