/** The public clients of both APIs ask through the gateway, with nothing but a base URL and a key changed. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type Anthropic from "@anthropic-ai/sdk";
import type OpenAI from "openai";
import { production } from "../releases/world.ts";
import { until } from "../support/until.ts";
import { type FakeModel, startFakeModel } from "./fake-model.ts";
import { anthropicFor, ask, openaiFor, publishModel, secretKey, startGateway } from "./world.ts";

type Server = Awaited<ReturnType<typeof startGateway>>;
let model: FakeModel;
let server: Server;
let openai: OpenAI;
let anthropic: Anthropic;

before(async () => {
  model = await startFakeModel(({ body }) => ({ text: `${body.model} says hello to you` }));
  server = await startGateway(model);
  openai = await openaiFor(server);
  anthropic = await anthropicFor(server);
  await publishModel(server.client, "writer", "1", {
    ...{ endpoint: "claude", model: "big-1", parameters: { temperature: 0.2, max_tokens: 9 } },
  });
  await server.client.deployRelease(production, "writer", { version: "1", inFlight: "switch" });
});
after(async () => {
  await server[Symbol.asyncDispose]();
  await model[Symbol.asyncDispose]();
});

async function told(artifact: string, n: number) {
  return await until(`${n} executions of ${artifact}`, async () => {
    const { executions } = await server.client.executions({ artifact });
    return executions.filter(({ state }) => state !== "running").length >= n && executions;
  });
}

test("a whole answer comes from the pinned release, and says which it was", async () => {
  const { data, response } = await openai.chat.completions
    .create({ model: "router", messages: ask("hello"), user: "ada" })
    .withResponse();
  assert.equal(data.choices[0]?.message.content, "small-13 says hello to you");
  assert.equal(response.headers.get("x-lastgood-release"), "router:13");
  const { headers, path } = model.requests.at(-1) ?? assert.fail();
  assert.equal(path, "/v1/chat/completions");
  assert.equal(headers.authorization, `Bearer ${secretKey}`, "the endpoint's key, and not ours");
  const id = response.headers.get("x-lastgood-execution") ?? "";
  await told("router", 1);
  const execution = await server.client.execution(id);
  assert.deepEqual(
    [execution.state, execution.version, execution.agent, execution.target, execution.door],
    ["finished", "13", "triager", "ada", "gateway"],
  );
  assert.deepEqual(
    [execution.input, execution.output],
    [null, null],
    "nothing is recorded unasked",
  );
});

test("a stream passes event by event, without what only the gateway asked for", async () => {
  const stream = await openai.chat.completions.create({
    ...{ model: "router", messages: ask("hello"), stream: true },
  });
  let text = "";
  for await (const chunk of stream) {
    assert.equal(chunk.choices.length, 1, "no chunk holds only the tokens");
    text += chunk.choices[0]?.delta.content ?? "";
  }
  assert.equal(text, "small-13 says hello to you");
  const asking = await openai.chat.completions.create({
    ...{ model: "router", messages: ask("hello"), stream: true },
    stream_options: { include_usage: true },
  });
  const usages: (number | undefined)[] = [];
  for await (const { usage } of asking) if (usage) usages.push(usage.total_tokens);
  assert.deepEqual(usages, [12], "who asked for them gets them");
});

test("Anthropic's client gets its own API, whole and streamed, with what the release says of itself", async () => {
  const { data, response } = await anthropic.messages
    .create({ model: "writer", max_tokens: 50, messages: ask("hello") })
    .withResponse();
  assert.deepEqual(data.content, [{ type: "text", text: "big-1 says hello to you" }]);
  assert.equal(response.headers.get("x-lastgood-release"), "writer:1");
  const { headers, body } = model.requests.at(-1) ?? assert.fail();
  assert.equal(headers["x-api-key"], secretKey);
  assert.equal(headers.authorization, undefined);
  assert.ok(headers["anthropic-version"]);
  assert.deepEqual([body.temperature, body.max_tokens], [0.2, 50], "the request says more");
  const stream = anthropic.messages.stream({
    ...{ model: "writer", max_tokens: 50, messages: ask("hello") },
  });
  const message = await stream.finalMessage();
  assert.deepEqual(message.content, [{ type: "text", text: "big-1 says hello to you" }]);
  assert.equal(message.usage.output_tokens, 5);
});

test("what passes is known as samples of its release, with no code in the agent", async () => {
  await told("writer", 2);
  const samples = await until("the samples", async () => {
    const { counts } = await server.client.signals({});
    return counts.samples >= 8 && counts;
  });
  assert.ok(samples.samples >= 8);
});

test("a split pin gives each user one release, and a moved one everybody the new one", async () => {
  await server.client.deployRelease(production, "router", { version: "14", percent: 50 });
  const releaseFor = async (user: string) => {
    const { response } = await openai.chat.completions
      .create({ model: "router", messages: ask("hello"), user })
      .withResponse();
    return response.headers.get("x-lastgood-release");
  };
  const users = Array.from({ length: 12 }, (_, n) => `user-${n}`);
  const first = await Promise.all(users.map(releaseFor));
  assert.deepEqual(await Promise.all(users.map(releaseFor)), first, "each stays where it is");
  assert.deepEqual([...new Set(first)].sort(), ["router:13", "router:14"]);
  await server.client.deployRelease(production, "router", { version: "14" });
  assert.deepEqual([...new Set(await Promise.all(users.map(releaseFor)))], ["router:14"]);
  await server.client.rollBackRelease(production, "router");
});

test("what cannot be served is refused in the API's own words", async () => {
  const refusedAs = async (asked: Promise<unknown>, status: number, says: RegExp) =>
    await assert.rejects(asked, (error: unknown) => {
      assert.equal((error as { status?: number }).status, status, String(error));
      assert.match(String(error), says);
      return true;
    });
  const messages = ask("hello");
  const create = (wanted: string) => openai.chat.completions.create({ model: wanted, messages });
  await refusedAs(create("gpt"), 404, /gpt is not pinned in production.*name of an artifact/);
  await refusedAs(create("writer"), 409, /speaks the API of anthropic/);
  await server.client.publishRelease("rules", { version: "1", content: "x", kind: "spec" });
  await server.client.deployRelease(production, "rules", { version: "1", inFlight: "switch" });
  await refusedAs(create("rules"), 409, /rules:1 cannot be served.*is a spec/);
  await refusedAs(
    anthropic.messages.create({ model: "nobody", max_tokens: 5, messages }),
    404,
    /nobody is not pinned/,
  );
  const stranger = openai.withOptions({ apiKey: "lg_agent_000000000000_aaaaaaaaaaaaaaaaaaaaaaaa" });
  await refusedAs(
    stranger.chat.completions.create({ model: "router", messages }),
    401,
    /unknown or revoked/,
  );
  const onlooker = openai.withOptions({ apiKey: await server.tokenAs("viewer") });
  await refusedAs(
    onlooker.chat.completions.create({ model: "router", messages }),
    403,
    /a viewer's/,
  );
  const token = await server.tokenAs("agent", "triager");
  const post = (body: string, headers: Record<string, string> = {}) =>
    fetch(`${server.gateway}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, ...headers },
      body,
    });
  for (const [body, headers, says] of [
    ["{", {}, /no JSON/],
    ["[]", {}, /no JSON object/],
    ["{}", {}, /no `model`/],
    ['{"model": "router"}', { "x-lastgood-dimensions": "de" }, /language=de/],
    ['{"model": "router"}', { "x-lastgood-execution-end": "done" }, /finished or failed/],
    ['{"model": "router"}', { "x-lastgood-key": "x".repeat(301) }, /300 characters/],
  ] as const) {
    const response = await post(body, headers);
    assert.equal(response.status, 400);
    assert.match(await response.text(), says);
  }
  assert.equal((await fetch(`${server.gateway}/v1/models`)).status, 404);
});
