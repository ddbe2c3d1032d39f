/** Work whose end cannot be told as it is: what cannot be kept of it is left out, and the work is not done again. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  type Client,
  createClient,
  type Fault,
  type JsonValue,
  type Releases,
} from "@lastgood/sdk";
import { production } from "../releases/world.ts";
import { type RestartableServer, startRestartable } from "../support/restartable.ts";
import { until } from "../support/until.ts";

let server: RestartableServer;
let client: Client;
let releases: Releases;
const troubles: Fault[] = [];

before(async () => {
  server = await startRestartable({ agents: { refunder: {} } });
  client = server.client;
  for (const version of ["1", "2"]) {
    await client.publishRelease("refunds", { version, kind: "spec", content: { version } });
  }
  await client.deployRelease(production, "refunds", { version: "1", inFlight: "switch" });
  const agent = createClient({ url: server.url, token: await server.tokenFor("refunder") });
  releases = await agent.releases({ onTrouble: (fault) => void troubles.push(fault) });
});
after(async () => {
  await releases.close();
  await server[Symbol.asyncDispose]();
});

async function recordOf(key: string) {
  const { executions } = await client.executions({ artifact: "refunds", key });
  assert.equal(executions.length, 1, `${key} was done ${executions.length} times`);
  return await client.execution(executions[0]?.id ?? "");
}

const circular: { self?: unknown } = {};
circular.self = circular;
let deep: JsonValue = 1;
for (let n = 0; n < 70; n++) deep = [deep];

const unkept: readonly (readonly [string, unknown, RegExp])[] = [
  ["larger than is kept", "x".repeat(70_000), /70002 bytes of JSON, and 65536 are kept/],
  ["larger than a request", "x".repeat(3_000_000), /3000002 characters of JSON/],
  ["with a NUL", { said: "a\0b" }, /holds a NUL/],
  ["with half a surrogate", ["\ud83d"], /half of a surrogate pair/],
  ["deeper than is kept", deep, /nests deeper/],
  ["that is no JSON", circular, /no JSON/],
  ["that is beyond numbers", 12n, /no JSON/],
];

for (const [what, output, says] of unkept) {
  test(`finished work is finished with an output ${what}, is told of, and is not done again`, async () => {
    const key = `output ${what}`;
    troubles.length = 0;
    // A program without types hands on anything.
    const returned = await releases.run("refunds", { key }, () => output as JsonValue);
    assert.equal(returned, output, "the caller has all of it");
    const { state, output: kept, error } = await recordOf(key);
    assert.deepEqual([state, kept], ["finished", null]);
    assert.match(error ?? "", says);
    assert.match(troubles.map(String).join("\n"), says);
    await assert.rejects(
      releases.run("refunds", { key }, () => assert.fail("it was done again")),
      (fault: Fault) => fault.code === "state_forbids" && says.test(fault.message),
    );
  });
}

test("an output that is not kept can be compared with the right answer all the same", async () => {
  // Texts are compared without what surrounds them.
  const output = `${" ".repeat(70_000)}billing`;
  await releases.run("refunds", { key: "compared" }, () => output);
  const { id } = await recordOf("compared");
  assert.equal((await client.tellOutcome(id, { expected: "sales" })).score, 0);
  assert.equal((await client.tellOutcome(id, { expected: "billing" })).score, 1);
});

const errors: readonly (readonly [string, unknown, RegExp])[] = [
  ["with a NUL", new Error("over\0limit"), /^Error: overlimit$/],
  ["without a word", "", /^it failed without a word$/],
  ["of nothing but NUL", "\0\0", /^it failed without a word$/],
  ["cut in the midst of a letter", "x".repeat(1_999) + "\u{1f4a5}".repeat(3), /^x{1999}\ufffd$/],
  ["that is no text", Object.create(null), /^it failed without a word$/],
];

for (const [what, error, says] of errors) {
  test(`failed work is failed with an error ${what}, and the caller gets it as it is`, async () => {
    const key = `error ${what}`;
    const failing = releases.run("refunds", { key }, () => {
      throw error;
    });
    assert.equal(await failing.catch((thrown: unknown) => thrown), error);
    const { state, error: said } = await recordOf(key);
    assert.equal(state, "failed");
    assert.match(said ?? "", says);
  });
}

test("what is told late ends too: without the output and the input that cannot be kept", async () => {
  await server.stop();
  const large = "z".repeat(70_000);
  const work = { key: "late", input: large };
  assert.equal(await releases.run("refunds", work, () => large), large);
  await server.start();
  await until("the server to be heard of", () => !releases.stale);
  assert.equal(await releases.run("refunds", { key: "after" }, () => "ok"), "ok");
  const { state, input, output, version } = await recordOf("late");
  assert.deepEqual([state, input, output, version], ["finished", null, null, "1"]);
});

test("what is told late by a clock that is an hour ahead is kept by the server's", async (t) => {
  await server.stop();
  await until("it to notice", () => releases.stale);
  const real = Date.now.bind(Date);
  let aheadMs = 3_600_000;
  t.mock.method(Date, "now", () => real() + aheadMs);
  await releases.run("refunds", { key: "ahead" }, () => "done");
  aheadMs += 5_000;
  await server.start();
  await until("the server to be heard of", () => !releases.stale);
  await releases.run("refunds", { key: "after that" }, () => "ok");
  const { state, output, begunAt, endedAt } = await recordOf("ahead");
  assert.deepEqual([state, output], ["finished", "done"]);
  for (const at of [begunAt, endedAt ?? ""]) {
    assert.ok(Math.abs(Date.parse(at) - real()) < 600_000, at);
  }
});

test("work that ends while a thousand ends wait is told as it ended, and none is begun beside them", async () => {
  const finish = Promise.withResolvers<void>();
  let begun = 0;
  const workUnderWay = (key: string, result: () => string) =>
    releases.run("refunds", { key }, async () => {
      begun += 1;
      await finish.promise;
      return result();
    });
  const works = Promise.allSettled([
    workUnderWay("under way", () => "paid"),
    workUnderWay("failing", () => {
      throw new Error("over the limit");
    }),
  ]);
  await until("both to be under way", () => begun === 2);
  await server.stop();
  await until("it to notice", () => releases.stale);
  // The server refuses each at once, for its long key: a thousand that it books take a slow machine minutes.
  const waiting = Array.from({ length: 1_000 }, (_, n) => `waiting ${n} ${"x".repeat(1_000)}`);
  await Promise.all(waiting.map((key) => releases.run("refunds", { key }, () => "ok")));
  finish.resolve();
  const [paid, failed] = await works;
  assert.deepEqual(paid, { status: "fulfilled", value: "paid" });
  assert.match(failed.status === "rejected" ? String(failed.reason) : "", /over the limit/);
  await assert.rejects(
    releases.run("refunds", { key: "one more" }, () => assert.fail("it was begun")),
    (fault: Fault) => fault.code === "too_many" && /one more was not begun/.test(fault.message),
  );
  await server.start();
  assert.equal(await releases.run("refunds", { key: "one more" }, () => "ok"), "ok");
  const ends = [await recordOf("under way"), await recordOf("failing")];
  assert.deepEqual(
    ends.map(({ state, output, error }) => [state, output, error]),
    [
      ["finished", "paid", null],
      ["failed", null, "Error: over the limit"],
    ],
  );
});
