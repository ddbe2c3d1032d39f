/** Endpoints that stall, reset, flood and lie: what a client gets, and what is told of the release. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import type Anthropic from "@anthropic-ai/sdk";
import type OpenAI from "openai";
import { requestBytesMax } from "../../src/gateway/gateway-server.ts";
import { inlineBytesMax } from "../../src/releases/release.ts";
import { refused } from "../releases/world.ts";
import { until } from "../support/until.ts";
import { type FakeModel, type ModelAnswer, startFakeModel } from "./fake-model.ts";
import { anthropicFor, ask, openaiFor, publishModel, secretKey, startGateway } from "./world.ts";

type Server = Awaited<ReturnType<typeof startGateway>>;
let how: ModelAnswer = {};
let model: FakeModel;
let server: Server;
let openai: OpenAI;
let anthropic: Anthropic;

before(async () => {
  model = await startFakeModel(() => ({ text: "one two three four five", ...how }));
  // Only what is silent for ever is asked where nobody waits.
  const endpoints = {
    hasty: { url: `${model.url}/v1`, api: "openai", stallAfter: "300ms" },
    "hasty-claude": { url: model.url, api: "anthropic", stallAfter: "300ms" },
    impatient: { url: `${model.url}/v1`, api: "openai", firstByteWithin: "300ms" },
  };
  server = await startGateway(model, {}, { endpoints });
  openai = await openaiFor(server);
  anthropic = await anthropicFor(server);
  for (const [artifact, content] of [
    ["writer", { endpoint: "claude", model: "big-1" }],
    ["hasty-router", { endpoint: "hasty", model: "x" }],
    ["hasty-writer", { endpoint: "hasty-claude", model: "x" }],
    ["impatient", { endpoint: "impatient", model: "x" }],
    ["lost", { endpoint: "nowhere", model: "x" }],
    ["undeclared", { endpoint: "missing", model: "x" }],
  ] as const) {
    await publishModel(server.client, artifact, "1", content);
    await server.client.deployRelease("production", artifact, { version: "1", inFlight: "switch" });
  }
});
after(async () => {
  await server[Symbol.asyncDispose]();
  await model[Symbol.asyncDispose]();
});

/** The text until it fails, and how it failed. */
async function readOpenai(
  artifact = "router",
): Promise<{ readonly text: string; readonly error: string | null }> {
  let text = "";
  try {
    const stream = await openai.chat.completions.create({
      ...{ model: artifact, messages: ask("hello"), stream: true },
    });
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
    return { text, error: null };
  } catch (error) {
    return { text, error: String(error) };
  }
}

async function readAnthropic(
  artifact: string,
): Promise<{ readonly text: string; readonly error: string | null }> {
  let text = "";
  try {
    const stream = anthropic.messages.stream({
      ...{ model: artifact, max_tokens: 9, messages: ask("hello") },
    });
    stream.on("text", (more) => {
      text += more;
    });
    await stream.finalMessage();
    return { text, error: null };
  } catch (error) {
    return { text, error: String(error) };
  }
}

/** Waits until it is told as the last failure of the artifact. */
async function told(artifact: string, says: RegExp): Promise<void> {
  await until(`${says} to be told of ${artifact}`, async () => {
    const { executions } = await server.client.executions({ artifact, state: "failed", limit: 1 });
    return says.test(executions[0]?.error ?? "");
  });
}

const midway: readonly (readonly [string, ModelAnswer, RegExp])[] = [
  ["stalls", { stalls: "midway" }, /silent for 300 ms/],
  ["is reset", { resets: "midway" }, /closed the connection in the midst/],
  ["just ends", { endsEarly: true }, /ended before it was whole/],
  ["has an event without an end", { floods: "event" }, /one event .* more than 1048576 bytes/],
  ["has no end", { floods: "events" }, /more than 33554432 bytes/],
];

for (const [what, answer, says] of midway) {
  test(`a stream that ${what} is cut, and the client is told in its API's own words`, async () => {
    how = answer;
    const [router, writer] =
      answer.stalls === undefined ? ["router", "writer"] : ["hasty-router", "hasty-writer"];
    const openaiRead = await readOpenai(router);
    assert.match(openaiRead.text, /^one two/, "what came before is there");
    assert.match(openaiRead.error ?? "", says);
    await told(router, says);
    const anthropicRead = await readAnthropic(writer);
    assert.match(anthropicRead.error ?? "", says);
    await told(writer, says);
    how = {};
    assert.deepEqual(await readOpenai(), { text: "one two three four five", error: null });
  });
}

const beforehand: readonly (readonly [string, ModelAnswer, number, RegExp])[] = [
  ["does not begin", { stalls: "before" }, 504, /did not begin to answer within 300 ms/],
  ["is reset", { resets: "before" }, 502, /closed the connection before it answered/],
  ["has headers without an end", { floods: "headers" }, 502, /its headers have no end/],
  ["is refused", { status: 429, error: "slow down" }, 429, /slow down/],
];

for (const [what, answer, status, says] of beforehand) {
  test(`an answer that ${what} is an error with a status, and no silence`, async () => {
    how = answer;
    const wanted = answer.stalls === undefined ? "router" : "impatient";
    const asked = openai.chat.completions
      .create({ model: wanted, messages: ask("hello") })
      .then(() => assert.fail("it was answered"));
    await assert.rejects(asked, (error: unknown) => {
      assert.equal((error as { status?: number }).status, status, String(error));
      assert.match(String(error), says);
      return true;
    });
    how = {};
  });
}

test("an endpoint that is not there, or not declared, is said so", async () => {
  const create = (wanted: string) =>
    openai.chat.completions.create({ model: wanted, messages: ask("hello") });
  await assert.rejects(create("lost"), /502 The endpoint nowhere failed: it cannot be reached/);
  await assert.rejects(create("undeclared"), /409 There is no endpoint missing: declare it/);
  await told("undeclared", /no endpoint missing/);
});

test("an endpoint's key is never handed on, not even where the endpoint repeats it", async () => {
  how = { status: 401, error: `Incorrect API key provided: ${secretKey}` };
  await assert.rejects(
    openai.chat.completions.create({ model: "router", messages: ask("hello") }),
    (error: unknown) => {
      assert.match(String(error), /Incorrect API key provided: \(not shown\)/);
      return true;
    },
  );
  how = {};
});

/** Names of a form, and what an error of that form is, whole or as an event. */
const saidErrors: readonly (readonly [string, (says: string) => string])[] = [
  ["an object", (message) => JSON.stringify({ error: { message } })],
  ["a text", (error) => JSON.stringify({ error })],
  ["Anthropic's", (message) => JSON.stringify({ type: "error", error: { message } })],
  ["no JSON", (message) => message],
];
/** As far as the database keeps it, with the key where a cut would go through it. */
const longWithKey = `${"x".repeat(290)} ${secretKey}`;

for (const [form, errorOf] of saidErrors) {
  for (const says of [`Incorrect API key provided: ${secretKey}`, longWithKey]) {
    const length = says.length;
    test(`a key in an error of ${length} characters that is ${form} reaches neither client nor database`, async () => {
      const token = await server.tokenAs("agent", "triager");
      const ask = async (path: string, stream: boolean, model: string) => {
        const response = await fetch(`${server.gateway}${path}`, {
          method: "POST",
          headers: { authorization: `Bearer ${token}` },
          body: JSON.stringify({ model, stream, max_tokens: 9, messages: [] }),
        });
        return [await response.text(), response.headers.get("x-lastgood-execution")] as const;
      };
      const answers: (readonly [string, string | null])[] = [];
      how = { midway: `event: error\ndata: ${errorOf(says)}\n\n` };
      answers.push(await ask("/v1/chat/completions", true, "router"));
      answers.push(await ask("/v1/messages", true, "writer"));
      how = { body: errorOf(says) };
      answers.push(await ask("/v1/chat/completions", false, "router"));
      answers.push(await ask("/v1/messages", false, "writer"));
      how = {};
      for (const [text, id] of answers) {
        assert.ok(!text.includes(secretKey), text);
        assert.match(text, /\(not shown\)/);
        const { state, error } = await until("it to be told", async () => {
          const { executions } = await server.client.executions({ state: "failed", limit: 20 });
          return executions.find((each) => each.id === id);
        });
        assert.equal(state, "failed");
        assert.ok(!/sk-/.test(error ?? "sk-"), error ?? "no error");
      }
    });
  }
}

test("a copy that is answered with an error, or with no JSON, has failed, and tells no key either", async () => {
  const { client } = server;
  await client.startMirror("production", "router", { version: "14", percent: 100 });
  const seen = new Set<string>();
  for (const [body, says] of [
    [JSON.stringify({ error: { message: `bad key ${secretKey}` } }), /^bad key \(not shown\)$/],
    [`${secretKey} is bad`, /^its answer is no JSON$/],
  ] as const) {
    how = { body };
    await openai.chat.completions
      .create({ model: "router", messages: ask("hello") })
      .catch(() => {});
    const copy = await until("the copy", async () => {
      const { executions } = await client.executions({ artifact: "router", version: "14" });
      return executions.find(({ id, state }) => state !== "running" && !seen.has(id));
    });
    how = {};
    seen.add(copy.id);
    assert.deepEqual([copy.door, copy.state], ["mirror", "failed"]);
    assert.match(copy.error ?? "", says);
  }
  await client.endMirror("production", "router");
});

test("what no database keeps is left out of what is told, and holds up nothing else", async () => {
  how = { text: "half \ud83d and none \0 of it" };
  await openai.chat.completions.create({
    ...{ model: "router", messages: ask("\0 and \udc00"), user: "ada\0\ud83d" },
  });
  how = {};
  await until("it to be told", async () => {
    const { executions } = await server.client.executions({ artifact: "router", limit: 1 });
    return executions[0]?.state === "finished" && executions[0].target.startsWith("ada");
  });
});

test("an error that no database keeps is told of without what it cannot keep", async () => {
  for (const message of ["half \ud83d none \0 of it", { toString: 1 }, ""]) {
    how = { midway: `data: ${JSON.stringify({ error: { message } })}\n\n` };
    assert.notEqual((await readOpenai()).error, null);
    how = {};
    const says =
      typeof message === "string" && message !== "" ? /^half . none {2}of it$/ : /^an error$/;
    await told("router", says);
  }
});

test("connections that the endpoint closed meanwhile fail no request", async () => {
  how = {};
  for (let round = 0; round < 5; round++) {
    const answers = await Promise.all(Array.from({ length: 8 }, () => readOpenai()));
    assert.deepEqual(
      answers.filter(({ error }) => error !== null),
      [],
    );
    model.cut();
  }
});

test("a client that goes away ends its request, and says nothing of the release", async () => {
  let answered = () => {};
  how = { holdsMidway: new Promise<void>((resolve) => (answered = resolve)) };
  const leaving = new AbortController();
  const stream = await openai.chat.completions.create(
    { model: "router", messages: ask("hello"), stream: true },
    { signal: leaving.signal },
  );
  for await (const _chunk of stream) leaving.abort();
  await told("router", /its client went away/);
  answered();
  how = {};
});

test("a client that sends half a request, or none, holds nothing up", async () => {
  const { port } = new URL(server.gateway);
  const socket = connect(Number(port), "127.0.0.1");
  socket.write("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{");
  assert.deepEqual(await readOpenai(), { text: "one two three four five", error: null });
  socket.destroy();
  const health = (await (await fetch(`${server.gateway}/health`)).json()) as object;
  assert.partialDeepStrictEqual(health, { stale: false, dropped: 0 });
});

test("a request that is too large is refused as soon as it is, and its connection closed", async () => {
  const token = await server.tokenAs("agent", "triager");
  const response = await fetch(`${server.gateway}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: Buffer.alloc(requestBytesMax + 1, " "),
  });
  assert.equal(response.status, 413);
  assert.equal(response.headers.get("connection"), "close");
  assert.match(await response.text(), /more than 20971520 bytes: send less/);
});

/** Its content has so many bytes of JSON. */
async function publishOfSize(version: string, bytes: number): Promise<void> {
  const content = { endpoint: "local", model: "small-13", parameters: { system: "" } };
  const system = "s".repeat(bytes - JSON.stringify(content).length);
  await publishModel(server.client, "long", version, { ...content, parameters: { system } });
}

test("the largest model that can be published is served; a larger one is refused as it is published, and not later", async () => {
  how = {};
  await publishOfSize("1", inlineBytesMax);
  await server.client.deployRelease("production", "long", { version: "1", inFlight: "switch" });
  const answer = await openai.chat.completions.create({ model: "long", messages: ask("hello") });
  assert.equal(answer.choices[0]?.message.content, "one two three four five");
  await assert.rejects(
    publishOfSize("2", inlineBytesMax + 1),
    refused("bad_input", /16385 bytes of JSON, and that of a model may have 16384.*another kind/),
  );
  const { releases } = await server.client.releasesOf("long");
  assert.deepEqual(
    releases.map(({ version }) => version),
    ["1"],
  );
});
