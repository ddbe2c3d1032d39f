import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { consumerDefaults, streamDefaults } from "../../src/layers/messages/declared.ts";
import { fetchMessages } from "../../src/layers/messages/desk.ts";
import { parseDeliveryToken } from "../../src/layers/messages/message.ts";
import { publish } from "../../src/layers/messages/post.ts";
import { ensureConsumer, ensureStream } from "../../src/layers/messages/registry.ts";
import { ack, nak, reject } from "../../src/layers/messages/settle.ts";
import {
  isPattern,
  isSubject,
  overlap,
  regularExpression,
} from "../../src/layers/messages/subject.ts";
import { startMessages } from "./world.ts";

/** What a member does with a delivery. `crash`: nothing, ever; `slow`: too late, when another may have it. */
const acts = ["ack", "ack", "ack", "nak", "crash", "slow", "reject"] as const;

const scenario = fc.record({
  messages: fc.integer({ min: 1, max: 12 }),
  members: fc.integer({ min: 1, max: 5 }),
  maxInFlight: fc.constantFrom(1, 3, 20),
  maxDeliver: fc.integer({ min: 1, max: 4 }),
  acts: fc.array(fc.constantFrom(...acts), { minLength: 60, maxLength: 60 }),
});

test("whatever its members do, each message is handled once or dies once, and order survives", {
  timeout: 90_000,
}, async () => {
  await using world = await startMessages("embedded");
  const { core } = world.messages;
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(scenario, async (plan) => {
      runs += 1;
      const [stream, consumer] = [`RUN_${runs}`, `run-${runs}`];
      const subject = `run${runs}.x`;
      await ensureStream(core, stream, { ...streamDefaults, subjects: [subject] });
      await ensureConsumer(core, consumer, {
        ...{ ...consumerDefaults, stream, agent: null, role: null, subjects: [], ackWaitMs: 40 },
        ...{ maxDeliver: plan.maxDeliver, maxInFlight: plan.maxInFlight },
      });
      const ids = Array.from({ length: plan.messages }, (_, number) => `m${number}`);
      for (const id of ids) await publish(core, { subject, id, payload: id }, "test");

      const handled: string[] = [];
      const script = [...plan.acts];
      const settled = async () => {
        const [found] = await world.db<{ n: number }[]>`
          select (select count(*) from message_handled where consumer = ${consumer})
            + (select count(*) from dead_letters where consumer = ${consumer}) as n`;
        return (found?.n ?? 0) >= ids.length;
      };
      const member = async (holder: string) => {
        while (!(await settled())) {
          const [message] = await fetchMessages(
            ...([core, [consumer], { waitMs: 60 }, { holder, session: null }] as const),
            AbortSignal.timeout(5_000),
          );
          const key = parseDeliveryToken(message?.token ?? "");
          if (message === undefined || key === null) continue;
          const act = script.shift() ?? "ack";
          if (act === "crash") continue;
          if (act === "slow") await new Promise((resolve) => setTimeout(resolve, 60));
          const attempt =
            act === "nak"
              ? nak(core, key, { reason: "no", delayMs: 10 })
              : act === "reject"
                ? reject(core, key, { reason: "rejected", detail: "no" })
                : ack(core, key).then(({ already }) => {
                    if (!already) handled.push(message.id);
                  });
          await attempt.catch((error: unknown) => {
            assert.equal((error as { code?: string }).code, "fenced");
          });
        }
      };
      await Promise.all(Array.from({ length: plan.members }, (_, number) => member(`w${number}`)));

      const dead = await world.db<{ id: string }[]>`
        select message_id as id from dead_letters where consumer = ${consumer}`;
      const ended = [...handled, ...dead.map((each) => each.id)].sort();
      assert.deepEqual(ended, [...ids].sort(), "each ended once");
      const rest = await world.db`select 1 from message_pending where consumer = ${consumer}`;
      assert.equal(rest.length, 0);
      if (plan.maxInFlight === 1) {
        assert.deepEqual(
          handled,
          ids.filter((id) => handled.includes(id)),
          "in order",
        );
      }
    }),
    { numRuns: 12 },
  );
});

test("a thousand publishers at once get sequences without gaps in the order of arrival at readers", {
  timeout: 60_000,
}, async () => {
  await using world = await startMessages("embedded");
  const { core } = world.messages;
  await ensureStream(core, "MANY", { ...streamDefaults, subjects: ["many.x"] });
  let highest = 0;
  let reading = true;
  const reader = (async () => {
    while (reading) {
      const rows = await world.db<{ seq: number }[]>`
        select seq from message_log where stream = 'MANY' order by seq`;
      assert.deepEqual(
        rows.map((row) => row.seq),
        rows.map((_, index) => index + 1),
        "no gap is ever visible",
      );
      highest = rows.length;
    }
  })();
  const sent = await Promise.all(
    Array.from({ length: 1_000 }, (_, number) =>
      publish(core, { subject: "many.x", id: `m${number % 900}`, payload: number }, "test"),
    ),
  );
  reading = false;
  await reader;
  assert.equal(new Set(sent.map((each) => each.seq)).size, 900);
  assert.equal(sent.filter((each) => each.duplicate).length, 100);
  assert.ok(highest <= 900);
});

test("PostgreSQL reads a pattern's regular expression as JavaScript does", async () => {
  await using world = await startMessages("embedded");
  const token = fc.stringMatching(/^[!-~]{1,3}$/).filter((each) => isPattern(each));
  const pattern = fc
    .array(fc.oneof(token, fc.constantFrom("*", ">")), { minLength: 1, maxLength: 3 })
    .map((tokens) => tokens.join("."))
    .filter(isPattern);
  const pairs = fc
    .sample(fc.tuple(pattern, pattern), { numRuns: 2_000 })
    .filter(([subject]) => isSubject(subject));
  assert.ok(pairs.length > 100);
  const expressions = pairs.map(([, wanted]) => regularExpression([wanted]) ?? "");
  const rows = await world.db<{ fits: boolean }[]>`
    select subject ~ expression as fits
    from unnest(${pairs.map(([subject]) => subject)}::text[], ${expressions}::text[])
      with ordinality as pair (subject, expression, n) order by n`;
  for (const [index, [subject, wanted]] of pairs.entries()) {
    assert.equal(rows[index]?.fits, overlap(subject, wanted), `${subject} and ${wanted}`);
  }
});

test("what is older than its stream keeps it goes, and a consumer sees how much it missed", async () => {
  await using world = await startMessages("embedded");
  const { core } = world.messages;
  await ensureStream(core, "OLD", { ...streamDefaults, subjects: ["old.x"], keepMs: 60_000 });
  const settings = { ...consumerDefaults, stream: "OLD", agent: null, role: null, subjects: [] };
  await ensureConsumer(core, "slow", settings);
  for (const id of ["a", "b"]) await publish(core, { subject: "old.x", id, payload: 1 }, "me");
  await core.engine.expire(new Date(Date.now() + 30_000));
  assert.equal((await world.client.stream("OLD")).messages, 2);
  await core.engine.expire(new Date(Date.now() + 61_000));
  const { messages, bytes, firstSeq, lastSeq } = await world.client.stream("OLD");
  assert.deepEqual([messages, bytes, firstSeq, lastSeq], [0, 0, 3, 2]);
  await publish(core, { subject: "old.x", id: "c", payload: 1 }, "me");
  const message = await world.next("slow");
  assert.deepEqual([message.id, message.seq], ["c", 3]);
  assert.equal((await world.client.consumer("slow")).missed, 2);
});
