import assert from "node:assert/strict";
import type { AgentName, ChangeId, ServiceName } from "../../src/ids.ts";
import type { Step, Undo } from "../../src/layers/layer.ts";
import { newChangeId, realWorld } from "../../src/world.ts";
import { until } from "../support/until.ts";
import type { Promised } from "./contract.ts";
import { drain } from "./contract-flow.ts";
import { openLane } from "./lane.ts";
import type { MessagesWorld } from "./world.ts";

const signal = AbortSignal.timeout(120_000);

/** Holding, replaying and putting back: what a recovery does with messages. */
export const contractOfRecovery: Promised = {
  async "a held consumer delivers nothing, and what failed comes at once when it is released"(
    world,
  ) {
    const { client } = world;
    const lane = await openLane(world, { maxInFlight: 5, ackWaitMs: 60_000 });
    const other = await lane.add();
    await lane.send("failed");
    await client.nakMessage((await lane.next()).token, { reason: "index gone", delayMs: 600_000 });
    const held = await client.holdConsumer(lane.consumer, "incident 7");
    assert.deepEqual(
      held.holds.map((hold) => [hold.heldBy, hold.because]),
      [["token:admin", "incident 7"]],
    );
    await lane.send("waiting");
    const waiter = world.take(lane.consumer, 20_000);
    await lane.quiet(400);
    assert.equal((await world.next(other)).id, "failed", "others are not disturbed");
    const released = performance.now();
    await client.releaseConsumer(lane.consumer, "mended");
    const [first] = await waiter;
    assert.ok(performance.now() - released < 5_000);
    assert.ok(first);
    await client.ackMessage(first.token);
    const rest = await drain(world, lane.consumer);
    assert.deepEqual([first.id, ...rest].sort(), ["failed", "waiting"]);
    const { changes } = await client.changes({ layer: "messages", target: lane.consumer });
    assert.deepEqual(changes.map((change) => change.kind).sort(), ["hold", "release"]);
  },

  async "nothing dies while its consumer is held, and everything has one more delivery after it"(
    world,
  ) {
    const { client } = world;
    const lane = await openLane(world, { maxDeliver: 1, ackWaitMs: 60_000 });
    await lane.send("last-chance");
    const message = await lane.next();
    await client.holdConsumer(lane.consumer, "incident 8");
    const failed = await client.nakMessage(message.token, { reason: "index gone" });
    assert.equal(failed.outcome, "waits");
    await client.releaseConsumer(lane.consumer, "mended");
    const again = await lane.next();
    assert.equal(again.lastError, "index gone");
    await client.ackMessage(again.token);
    assert.deepEqual(await lane.deaths(), []);
  },

  async "a replay from a sequence or a time comes to one consumer, and its place is kept"(world) {
    const { client } = world;
    const lane = await openLane(world, { ackWaitMs: 60_000 });
    const other = await lane.add();
    for (const id of ["a", "b", "c"]) await lane.send(id);
    assert.deepEqual(await drain(world, lane.consumer), ["a", "b", "c"]);
    assert.deepEqual(await drain(world, other), ["a", "b", "c"]);
    const replay = { fromSeq: 2, toSeq: 2, because: "b was lost" };
    assert.deepEqual(await client.replayMessages(lane.consumer, replay), {
      ...{ replayed: 1, firstSeq: 2, lastSeq: 2, nextSeq: null },
    });
    await lane.send("d");
    const b = await lane.next();
    assert.deepEqual([b.id, b.cause, b.handled, b.deliveries], ["b", "replay", false, 1]);
    await client.ackMessage(b.token);
    assert.deepEqual(await drain(world, lane.consumer), ["d"]);
    const whole = await client.replayMessages(lane.consumer, { from: "1h", because: "all again" });
    assert.equal(whole.replayed, 4);
    assert.deepEqual(await drain(world, lane.consumer), ["a", "b", "c", "d"]);
    assert.deepEqual(await drain(world, other), ["d"]);
    await assert.rejects(client.replayMessages(lane.consumer, { because: "?" }), {
      code: "bad_input",
    });
  },

  async "a recovery holds whom the damage reaches, puts back what died of it, and lets them go"(
    world,
  ) {
    const { client } = world;
    const failing = async (id: string) => {
      await client.publishMessage({ agent: "marketing", id, payload: { id } });
      const message = await world.next("marketing-durable-v1");
      for (let delivery = 1; ; delivery++) {
        const again = delivery === 1 ? message : await world.next("marketing-durable-v1");
        const failure = { reason: "content-api timed out", delayMs: 10 };
        if ((await client.nakMessage(again.token, failure)).outcome === "dead") return;
      }
    };
    await failing("old-poison");
    const since = new Date();
    await failing("post-1");
    await client.publishMessage({ agent: "marketing", id: "rejected", payload: 1 });
    await client.rejectMessage((await world.next("marketing-durable-v1")).token, {
      ...{ reason: "rejected", detail: "never" },
    });
    const undo: Undo = {
      changes: [],
      agents: ["backend" as AgentName],
      services: ["database" as ServiceName],
      since,
      incident: null,
      because: "the index is gone",
    };
    const { layer } = world.messages;
    const plan = await layer.plan(undo, signal);
    assert.deepEqual(
      plan.steps.map(({ stage, action }) => [stage, action.do, action.consumer]),
      ["hold", "replay", "release"].flatMap((stage) =>
        ["backend-durable-v1", "marketing-durable-v1", "pair", "writers-shared-v1"].map(
          (consumer) => [...[stage, stage === "replay" ? "requeue" : stage, consumer]],
        ),
      ),
    );
    assert.deepEqual(await layer.plan(undo, signal), plan, "the same world gives the same plan");
    assert.deepEqual([plan.touches.consumers, plan.reversible], [4, true]);
    await failing("post-2");

    const journal = plan.steps.map((step) => ({ step, changeId: newChangeId(realWorld) }));
    const run = async (stage: string) => {
      for (const { step, changeId } of journal.filter((each) => each.step.stage === stage)) {
        assert.equal((await layer.verify(step, signal)).ok, doneBefore(step), step.says);
        await applyTwice(world, step, changeId);
        assert.deepEqual((await layer.verify(step, signal)).ok, true, step.says);
      }
    };
    await run("hold");
    await client.publishMessage({ agent: "marketing", id: "during", payload: 1 });
    assert.deepEqual(await world.take("marketing-durable-v1", 300), []);
    await run("replay");
    await run("release");
    const seen = await drain(world, "marketing-durable-v1");
    assert.deepEqual([...seen].sort(), ["during", "post-1", "post-2"]);
    const dead = await client.deadLetters({ consumer: "marketing-durable-v1", state: "dead" });
    assert.deepEqual(dead.deadLetters.map((each) => each.messageId).sort(), [
      "old-poison",
      "rejected",
    ]);
    for (const { step, changeId } of journal) await applyTwice(world, step, changeId);
    assert.deepEqual(await world.take("marketing-durable-v1", 300), [], "nothing comes twice");
  },

  async "a recovery's release leaves a person's hold in force"(world) {
    const { client, messages } = world;
    const { layer } = messages;
    const lane = await openLane(world);
    const step = (stage: "hold" | "release"): Step<"messages"> => ({
      layer: "messages",
      stage,
      action: { do: stage, consumer: lane.consumer, because: "incident 9" },
      says: stage,
    });
    await client.holdConsumer(lane.consumer, "I look at it");
    await applyTwice(world, step("hold"), newChangeId(realWorld));
    await applyTwice(world, step("release"), newChangeId(realWorld));
    assert.equal((await layer.verify(step("release"), signal)).ok, true);
    const { holds } = await client.consumer(lane.consumer);
    assert.deepEqual(
      holds.map((hold) => hold.because),
      ["I look at it"],
    );
    await lane.send("a");
    await lane.quiet(200);
    await client.releaseConsumer(lane.consumer, "done looking");
    assert.equal((await lane.next()).id, "a");
    const back = await layer.undo(step("hold"), signal);
    assert.deepEqual(
      back.steps.map((each) => each.action.do),
      ["release"],
    );
  },

  async "Lastgood's own word reaches an agent once per id, declared or not"(world) {
    const { inboxes } = world.messages;
    const message = { id: "told-1", type: "commit.reverted", text: "Look.", details: { n: 1 } };
    for (let count = 0; count < 3; count++) await inboxes.tell("newcomer", message);
    await Promise.all([inboxes.tell("newcomer", message), inboxes.tell("newcomer", message)]);
    const told = await until("the message", async () => {
      const [came] = await world.take("newcomer-durable-v1", 1_000);
      return came;
    });
    assert.deepEqual(told.payload, { type: "commit.reverted", text: "Look.", details: { n: 1 } });
    assert.deepEqual([told.id, told.sender], ["told-1", "lastgood"]);
    await world.client.ackMessage(told.token);
    assert.deepEqual(await world.take("newcomer-durable-v1", 500), []);
    await assert.rejects(inboxes.tell("no/such agent", message), { code: "bad_input" });
  },

  async "Lastgood's own word reaches one of a role once per id, whatever it told an agent"(world) {
    const { inboxes } = world.messages;
    const message = { id: "told-2", type: "task.assigned", text: "Look.", details: { n: 1 } };
    await inboxes.tell("pairs", message);
    for (let count = 0; count < 3; count++) await inboxes.tell({ role: "pairs" }, message);
    await Promise.all([1, 2].map(() => inboxes.tell({ role: "pairs" }, message)));
    const told = await until("the message", async () => {
      const [came] = await world.take("pair", 1_000);
      return came;
    });
    assert.deepEqual(
      [told.id, told.sender, told.payload],
      [...["told-2", "lastgood"], { type: "task.assigned", text: "Look.", details: { n: 1 } }],
    );
    await world.client.ackMessage(told.token);
    assert.deepEqual(await world.take("pair", 500), []);
    assert.equal((await world.take("pairs-durable-v1", 5_000)).length, 1);
  },
};

/** Releasing what is not held is done before it begins; the other steps are not. */
function doneBefore({ action }: Step<"messages">): boolean {
  return action.do === "requeue" && !action.consumer.startsWith("marketing");
}

async function applyTwice(
  { messages }: MessagesWorld,
  step: Step<"messages">,
  changeId: ChangeId,
): Promise<void> {
  const context = { changeId, actor: "lastgood", reason: "a recovery" };
  await messages.layer.apply(step, context, signal);
  await messages.layer.apply(step, context, signal);
}
