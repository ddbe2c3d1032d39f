import assert from "node:assert/strict";
import { test } from "node:test";
import { startFakeModel } from "../gateway/fake-model.ts";
import { openaiFor, publishModel, secretKey, startGateway } from "../gateway/world.ts";
import { until } from "../support/until.ts";

test("a model that the gateway serves is asked at its endpoint on requests that passed, without tools, and compared by what turned out right", async () => {
  await using fake = await startFakeModel(({ body: { model, messages } }) => {
    const text = messages.at(-1)?.content ?? "";
    const isShouted = text === text.toUpperCase();
    return { text: model === "small-14" && isShouted ? "general" : "refunds\n" };
  });
  await using server = await startGateway(fake, {}, { record: { router: 100 } });
  const { client } = server;
  await publishModel(client, "router", "15", {
    model: "small-15",
    endpoint: "claude",
    parameters: { max_tokens: 9 },
  });
  const openai = await openaiFor(server);
  const tools = [{ type: "function" as const, function: { name: "refund", parameters: {} } }];
  for (let index = 0; index < 30; index++) {
    const content = index % 2 === 0 ? `refund ${index}` : `REFUND ${index}`;
    await openai.chat.completions.create({
      ...{ model: "router", messages: [{ role: "user", content }], tools, tool_choice: "auto" },
    });
  }
  const executions = await until("all 30 to be in the books", async () => {
    const page = await client.executions({ artifact: "router" });
    return page.executions.length === 30 ? page.executions : null;
  });
  await Promise.all(executions.map(({ id }) => client.tellOutcome(id, { expected: "refunds" })));
  const before = fake.requests.length;

  const judge = async (version: string) => {
    const { id } = await client.startGateRun("router", version);
    return await until("the gate's end", async () => {
      const run = await client.gateRun(id, { waitMs: 1_000 });
      return run.state === "running" ? null : run;
    });
  };
  const bad = await judge("14");
  assert.equal(bad.verdict?.kind, "refuse", bad.verdict?.because);
  const [right] = bad.shadow?.paired ?? [];
  assert.deepEqual(
    [right?.of, right?.live, right?.candidate, right?.inputs],
    ["right", 1, 0.5, 30],
  );
  assert.match(bad.verdict?.because ?? "", /such as .*: "general" instead of "refunds"/);
  const other = await judge("15");
  assert.equal(other.verdict?.kind, "promote", other.verdict?.because);
  assert.match(other.verdict?.because ?? "", /the bank is empty: no check is about it/);

  const asked = fake.requests.slice(before);
  assert.equal(asked.length, 120);
  assert.deepEqual(
    new Set(asked.flatMap(({ body }) => Object.keys(body))),
    new Set(["model", "messages", "max_tokens"]),
  );
  const claude = asked.filter(({ path }) => path === "/v1/messages");
  assert.equal(claude.length, 30);
  assert.ok(
    claude.every(
      ({ headers, body }) => headers["x-api-key"] === secretKey && body.max_tokens === 9,
    ),
  );
  assert.doesNotMatch(JSON.stringify([bad, other]), new RegExp(secretKey));
});
