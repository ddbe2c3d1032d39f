import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { configSchema } from "../../src/config/config.ts";
import { declaredBy } from "../../src/layers/messages/declared.ts";
import {
  afterFailure,
  choose,
  decodePayload,
  formatDeliveryToken,
  parseDeliveryToken,
  restMs,
} from "../../src/layers/messages/message.ts";
import {
  concreteSubject,
  fits,
  isPattern,
  isSubject,
  overlap,
  regularExpression,
} from "../../src/layers/messages/subject.ts";

const token = fc
  .stringMatching(/^[a-z0-9_$+()|^[\]{}\\/-]{1,4}$/)
  .filter((each) => !/^\$/.test(each));
const subject = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join("."));
const pattern = fc
  .tuple(
    fc.array(fc.oneof(token, fc.constant("*")), { maxLength: 3 }),
    fc.oneof(token, fc.constant("*"), fc.constant(">")),
  )
  .map(([tokens, last]) => [...tokens, last].join("."));

/** What a pattern means, said as simply as possible. */
function matches(one: readonly string[], wanted: readonly string[]): boolean {
  const [head, ...rest] = wanted;
  if (head === undefined) return one.length === 0;
  if (head === ">") return one.length > 0;
  return one.length > 0 && (head === "*" || head === one[0]) && matches(one.slice(1), rest);
}

test("a pattern, its regular expression and the overlap say the same of every subject", () => {
  fc.assert(
    fc.property(subject, pattern, (text, wanted) => {
      fc.pre(isSubject(text) && isPattern(wanted));
      const expected = matches(text.split("."), wanted.split("."));
      assert.equal(overlap(text, wanted), expected);
      assert.equal(overlap(wanted, text), expected);
      assert.equal(new RegExp(regularExpression([wanted]) ?? "").test(text), expected);
    }),
  );
});

test("two patterns overlap when some subject fits both", () => {
  fc.assert(
    fc.property(subject, pattern, pattern, (text, one, other) => {
      fc.pre(isSubject(text) && isPattern(one) && isPattern(other));
      const fitsBoth = fits(text, [one]) && fits(text, [other]);
      assert.ok(!fitsBoth || overlap(one, other));
      assert.equal(overlap(one, other), overlap(other, one));
    }),
  );
});

test("a subject made from a pattern fits it", () => {
  fc.assert(
    fc.property(fc.array(pattern, { minLength: 1, maxLength: 3 }), (patterns) => {
      fc.pre(patterns.every(isPattern));
      const made = concreteSubject(patterns) ?? "";
      assert.ok(isSubject(made) && fits(made, patterns), made);
    }),
  );
  assert.equal(concreteSubject([]), null);
});

test("no more first deliveries go out than there is room for, and the exhausted never do", () => {
  const rows = fc.array(fc.record({ deliveries: fc.integer({ min: 0, max: 6 }) }), {
    maxLength: 20,
  });
  const numbers = fc.record({
    count: fc.integer({ min: 1, max: 10 }),
    maxDeliver: fc.integer({ min: 1, max: 5 }),
    maxInFlight: fc.integer({ min: 1, max: 10 }),
    others: fc.integer({ min: 0, max: 10 }),
  });
  fc.assert(
    fc.property(rows, numbers, (candidates, { others, ...limits }) => {
      const outstanding = others + candidates.filter((row) => row.deliveries > 0).length;
      const { deliver, exhausted } = choose(candidates, { ...limits, outstanding });
      const first = deliver.filter((row) => row.deliveries === 0).length;
      assert.ok(deliver.length <= limits.count);
      assert.ok(first === 0 || outstanding + first <= limits.maxInFlight);
      assert.ok(deliver.every((row) => row.deliveries < limits.maxDeliver));
      assert.ok(exhausted.every((row) => row.deliveries >= limits.maxDeliver));
      assert.ok(deliver.every((row) => !exhausted.includes(row)));
    }),
  );
});

test("a failure dies only at its last delivery, and never while its consumer is held", () => {
  assert.equal(afterFailure(2, { maxDeliver: 3, held: false }), "rests");
  assert.equal(afterFailure(3, { maxDeliver: 3, held: false }), "dies");
  assert.equal(afterFailure(3, { maxDeliver: 3, held: true }), "rests");
  assert.deepEqual([1, 2, 3, 6, 60].map(restMs), [1_000, 2_000, 4_000, 30_000, 30_000]);
});

test("a delivery's token says which delivery it is, and nonsense is none", () => {
  const key = fc.record({
    consumer: fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/),
    stream: fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/),
    seq: fc.integer({ min: 1 }),
    epoch: fc.integer({ min: 1 }),
    nonce: fc.stringMatching(/^[0-9a-f]{16}$/),
  });
  fc.assert(
    fc.property(key, (each) => {
      assert.deepEqual(parseDeliveryToken(formatDeliveryToken(each)), { ...each });
    }),
  );
  fc.assert(
    fc.property(fc.string(), (text) => {
      const parsed = parseDeliveryToken(text);
      assert.ok(parsed === null || formatDeliveryToken(parsed) !== "");
    }),
  );
});

test("content is JSON where it is JSON, text where it is text, and otherwise base64", () => {
  const of = (bytes: Buffer) => decodePayload(bytes);
  assert.deepEqual(of(Buffer.from('{"a":1}')), { payload: { a: 1 }, encoding: "json" });
  assert.deepEqual(of(Buffer.from("grüße")), { payload: "grüße", encoding: "text" });
  assert.deepEqual(of(Buffer.alloc(0)), { payload: "", encoding: "text" });
  assert.deepEqual(of(Buffer.from([0xff])), { payload: "/w==", encoding: "base64" });
});

test("every agent and role has an inbox, on a stream of its own or on one that takes its subject", () => {
  const agents = { "a.b": { roles: ["a.b"] }, plain: {} };
  const { consumers, streams } = declaredBy(
    configSchema.parse({
      agents,
      messages: { streams: { ALL: { subjects: ["agents.plain.*"] } } },
    }),
  );
  assert.deepEqual(
    [...consumers].map(([name, { stream, agent, role, subjects }]) => [
      name,
      stream,
      agent ?? role,
      subjects,
    ]),
    [
      ["a_b-durable-v1", "AGENT_INBOX_A_B", "a.b", []],
      ["plain-durable-v1", "ALL", "plain", ["agents.plain.inbox"]],
      ["a_b-shared-v1", "ROLE_INBOX_A_B", "a.b", []],
    ],
  );
  assert.deepEqual([...streams.keys()], ["ALL", "AGENT_INBOX_A_B", "ROLE_INBOX_A_B"]);
  assert.throws(() => declaredBy(configSchema.parse({ agents: { "x.y": {}, x_y: {} } })), {
    code: "bad_configuration",
  });
});

test("an inbox waits 30 s and delivers three times, another consumer 60 s and five times", () => {
  const { consumers } = declaredBy(
    configSchema.parse({
      messages: {
        streams: { S: { subjects: ["s.x"] } },
        consumers: {
          plain: { stream: "S" },
          inbox: { stream: "S", agent: "one" },
          own: { stream: "S", role: "r", ackWait: "5s", maxDeliver: 7 },
        },
      },
    }),
  );
  assert.deepEqual(
    [...consumers].map(([name, each]) => [name, each.ackWaitMs, each.maxDeliver]),
    [
      ["plain", 60_000, 5],
      ["inbox", 30_000, 3],
      ["own", 5_000, 7],
    ],
  );
});
