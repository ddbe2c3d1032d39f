/** Pins that move while work is under way at the gateway: of one request, and of several. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { InFlightPolicy } from "@lastgood/sdk";
import type OpenAI from "openai";
import { production } from "../releases/world.ts";
import { until } from "../support/until.ts";
import { type FakeModel, type ModelAnswer, startFakeModel } from "./fake-model.ts";
import { ask, openaiFor, publishModel, startGateway } from "./world.ts";

let server: Awaited<ReturnType<typeof startGateway>>;
let model: FakeModel;
let openai: OpenAI;
let how: (model: string) => ModelAnswer = () => ({});

before(async () => {
  model = await startFakeModel(({ body }) => ({ text: `from ${body.model}`, ...how(body.model) }));
  server = await startGateway(model, {}, { record: { recorded: 3 } });
  openai = await openaiFor(server);
});
after(async () => {
  await server[Symbol.asyncDispose]();
  await model[Symbol.asyncDispose]();
});

/** An artifact of its own, of which release 1 is pinned. */
async function pinned(artifact: string, inFlight: InFlightPolicy): Promise<string> {
  const { client } = server;
  for (const version of ["1", "2"]) {
    await publishModel(client, artifact, version, { model: `m${version}` });
  }
  await client.deployRelease(production, artifact, { version: "1", inFlight });
  return artifact;
}

const move = (artifact: string) =>
  server.client.deployRelease(production, artifact, { version: "2" });

async function releaseOf(artifact: string, headers: Record<string, string> = {}) {
  const { response } = await openai.chat.completions
    .create({ model: artifact, messages: ask("hello") }, { headers })
    .withResponse();
  return response.headers.get("x-lastgood-release");
}

/** Requests of release 1 are held before their first byte, or after their first words, until `go`. */
function held(where: "holds" | "holdsMidway") {
  let go = () => {};
  const until = new Promise<void>((resolve) => {
    go = resolve;
  });
  how = (name) => (name === "m1" ? { [where]: until } : {});
  return () => {
    how = () => ({});
    go();
  };
}

test("cancel-retry: who has nothing yet is answered by the new release, each once", async () => {
  const artifact = await pinned("fast", "cancel-retry");
  const go = held("holds");
  const before = model.requests.length;
  const asking = Array.from({ length: 5 }, () => releaseOf(artifact));
  await until("all to be asked", () => model.requests.length === before + 5);
  await move(artifact);
  assert.deepEqual(await Promise.all(asking), Array(5).fill("fast:2"));
  go();
  const account = await until("all to be told", async () => {
    const now = await server.client.inFlightAccount(production, artifact);
    return now.inFlight === 5 && now;
  });
  assert.equal(account.retried, 5);
  const finished = await until("all to be finished", async () => {
    const wanted = { artifact, version: "2", state: "finished" } as const;
    const { executions } = await server.client.executions(wanted);
    return executions.length === 5 && executions;
  });
  assert.deepEqual([...new Set(finished.map(({ attempt }) => attempt))], [2]);
});

test("cancel-retry to a release that cannot answer: the client hears why, and the books know its end", async () => {
  const { client } = server;
  const artifact = "astray";
  await publishModel(client, artifact, "1", { model: "m1" });
  await publishModel(client, artifact, "2", { model: "m2", endpoint: "claude" });
  await client.deployRelease(production, artifact, { version: "1", inFlight: "cancel-retry" });
  const go = held("holds");
  const before = model.requests.length;
  const asking = releaseOf(artifact);
  const refusing = assert.rejects(
    asking,
    /409 astray:2 is served by claude, which speaks the API of/,
  );
  await until("it to be asked", () => model.requests.length === before + 1);
  await move(artifact);
  await refusing;
  go();
  const [last, first] = await until("both to be told", async () => {
    const { executions } = await client.executions({ artifact });
    return executions.length === 2 && executions;
  });
  assert.deepEqual([first?.state, first?.next], ["retried", last?.id]);
  assert.deepEqual([last?.state, last?.version, last?.previous], ["failed", "2", first?.id]);
  assert.match(last?.error ?? "", /speaks the API of anthropic/);
});

test("what a client has begun to read is finished by the release that began it", async () => {
  const artifact = await pinned("begun", "cancel-retry");
  const go = held("holdsMidway");
  const stream = await openai.chat.completions.create({
    ...{ model: artifact, messages: ask("hello"), stream: true },
  });
  let text = "";
  const moved = move(artifact).then(go);
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
  await moved;
  assert.equal(text, "from m1");
  assert.equal(await releaseOf(artifact), "begun:2");
});

test("work of several requests: finish-old stays, switch goes on under the new pin", async () => {
  for (const [artifact, policy, after] of [
    ["stays", "finish-old", "stays:1"],
    ["goes", "switch", "goes:2"],
  ] as const) {
    await pinned(artifact, policy);
    const ticket = { "x-lastgood-execution": "ticket-1" };
    assert.equal(await releaseOf(artifact, ticket), `${artifact}:1`);
    await move(artifact);
    assert.equal(await releaseOf(artifact, ticket), after);
    assert.equal(
      await releaseOf(artifact, { "x-lastgood-execution": "ticket-2" }),
      `${artifact}:2`,
    );
    const last = { ...ticket, "x-lastgood-execution-end": "finished" };
    assert.equal(await releaseOf(artifact, last), after);
    await until("the work to end", async () => {
      const { executions } = await server.client.executions({ artifact, key: "ticket-1" });
      return (
        executions[0]?.state === "finished" && `${artifact}:${executions[0].version}` === after
      );
    });
    await assert.rejects(releaseOf(artifact, ticket), /ticket-1 of .* is finished already/);
  }
});

test("cancel-retry of several requests: the next one hears it, and the work begins again", async () => {
  const artifact = await pinned("stops", "cancel-retry");
  const ticket = { "x-lastgood-execution": "ticket-1" };
  assert.equal(await releaseOf(artifact, ticket), "stops:1");
  await move(artifact);
  const patient = openai.withOptions({ maxRetries: 2 });
  const before = model.requests.length;
  await assert.rejects(
    patient.chat.completions.create({ model: artifact, messages: ask("x") }, { headers: ticket }),
    /409 The work ticket-1 of stops was cancelled \(stops is 2 since epoch .*begin it again/,
  );
  assert.equal(model.requests.length, before, "a client that tries again by itself does not");
  assert.equal(await releaseOf(artifact, ticket), "stops:2");
  const { executions } = await server.client.executions({ artifact, key: "ticket-1" });
  assert.deepEqual(
    executions.map(({ state, attempt }) => [state, attempt]),
    [
      ["running", 2],
      ["retried", 1],
    ],
  );
});

test("inputs are recorded where that is asked for, and no more than that", async () => {
  const artifact = await pinned("recorded", "switch");
  for (let n = 1; n <= 4; n++) {
    await openai.chat.completions.create({ model: artifact, messages: ask(`question ${n}`) });
  }
  const executions = await until("all to be told", async () => {
    const found = await server.client.executions({ artifact, state: "finished" });
    return found.executions.length === 4 && found.executions;
  });
  const { input, output } = await server.client.execution(executions[0]?.id ?? "");
  assert.deepEqual([input, output], [{ messages: ask("question 4") }, "from m1"]);
  const { outcomes, score } = await server.client
    .tellOutcome(executions[0]?.id ?? "", { expected: "from m2" })
    .then(({ id }) => server.client.execution(id));
  assert.deepEqual([score, outcomes[0]?.expected], [0, "from m2"]);
});

test("a mirrored part of the requests is answered by another release too, without tools, for nobody", async () => {
  const artifact = await pinned("seen", "switch");
  const { client } = server;
  const before = model.requests.length;
  await client.startMirror(production, artifact, { version: "2", percent: 100 });
  const tools = [{ type: "function" as const, function: { name: "look", parameters: {} } }];
  const { data, response } = await openai.chat.completions
    .create({ model: artifact, messages: ask("hello"), tools, stream: false })
    .withResponse();
  assert.equal(data.choices[0]?.message.content, "from m1");
  const live = response.headers.get("x-lastgood-execution");
  const copy = await until("the copy", async () => {
    const { executions } = await client.executions({ artifact, version: "2" });
    return executions[0];
  });
  assert.deepEqual([copy.door, copy.mirrorOf, copy.state], ["mirror", live, "finished"]);
  const [asked, copied] = model.requests.slice(before);
  assert.ok(asked?.body.tools);
  assert.deepEqual([copied?.body.model, copied?.body.tools], ["m2", undefined]);
  // The right answer judges both: the copy was right where the live one was wrong.
  await client.tellOutcome(live ?? "", { expected: "from m2" });
  assert.equal((await client.execution(copy.id)).score, 1);
  const { mirrors } = await client.mirrors(production);
  assert.deepEqual(
    mirrors.map(({ artifact, version, percent }) => [artifact, version, percent]),
    [["seen", "2", 100]],
  );
  assert.equal((await client.endMirror(production, artifact)).ended, true);
  await openai.chat.completions.create({ model: artifact, messages: ask("hello") });
  assert.deepEqual((await client.mirrors(production)).mirrors, []);
});

test("what fails is mirrored as well: both releases are held to the same requests", async () => {
  const artifact = await pinned("struck", "switch");
  const { client } = server;
  await client.startMirror(production, artifact, { version: "2", percent: 100 });
  how = () => ({ status: 503, error: "the directory is away" });
  await assert.rejects(openai.chat.completions.create({ model: artifact, messages: ask("hello") }));
  const copy = await until("the copy", async () => {
    const { executions } = await client.executions({ artifact, version: "2" });
    return executions[0];
  });
  how = () => ({});
  assert.deepEqual([copy.door, copy.state], ["mirror", "failed"]);
  await client.endMirror(production, artifact);
});
