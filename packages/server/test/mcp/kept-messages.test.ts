import assert from "node:assert/strict";
import { test } from "node:test";
import { serveOverHttp } from "../../src/mcp/http.ts";
import { createKeptMessages } from "../../src/mcp/kept-messages.ts";
import { startServer } from "../support/server.ts";
import { until } from "../support/until.ts";
import { connectHost } from "./hosts.ts";

const ackWaitMs = 1_000;
const inbox = "marketing-durable-v1";
const config = {
  agents: { marketing: {} },
  messages: { consumers: { [inbox]: { agent: "marketing", ackWait: `${ackWaitMs}ms` } } },
};

test("a message stays with an agent that thinks for longer than the inbox waits", async () => {
  await using server = await startServer(config);
  const report = (error: unknown) => assert.fail(String(error));
  const mcp = await serveOverHttp({ url: server.lastgood.url, port: 0, version: "test", report });
  try {
    const token = await server.tokenAs("agent", "marketing");
    await using host = await connectHost("v2", { mcpUrl: mcp.url, token });
    const { session } = await host.ok("session_start");
    await host.ok("message_send", { agent: "marketing", payload: 1, session });
    const { message } = (await host.ok("inbox_next", { wait_seconds: 10, session })) as {
      message: { token: string };
    };
    const took = Date.now();
    await until("four waits to pass", async () => {
      const { inFlight } = await server.client.consumer(inbox);
      assert.equal(inFlight, 1, "it is still the agent's");
      return Date.now() - took > 4 * ackWaitMs ? true : null;
    });
    assert.deepEqual(await host.ok("message_ack", { token: message.token, session }), {
      already: false,
    });
  } finally {
    await mcp.stop();
  }
});

test("an agent that is not heard for long enough loses its message to another", async () => {
  await using server = await startServer(config);
  const agent = await server.clientAs("agent", "marketing");
  const kept = createKeptMessages({ patience: 1_500, everyMs: 50 });
  try {
    await agent.publishMessage({ agent: "marketing", payload: 1 });
    const [first] = (await agent.fetchInbox("marketing", { waitMs: 10_000 })).messages;
    assert.ok(first);
    kept.took("s1", agent, first);
    const took = Date.now();
    const [second] = (await agent.fetchInbox("marketing", { waitMs: 20_000 })).messages;
    assert.equal(second?.deliveries, 2);
    const lostMs = Date.now() - took;
    assert.ok(lostMs >= 1_500, `kept ${lostMs} ms`);
    await assert.rejects(agent.ackMessage(first.token), { code: "fenced" });
  } finally {
    kept.stop();
  }
});

test("what was settled is not renewed, nor what the server no longer lets it have", async () => {
  const asked: string[] = [];
  const client = {
    async progressMessage(token: string) {
      asked.push(token);
      return { deadline: new Date().toISOString(), renewed: token !== "used up" };
    },
  };
  const kept = createKeptMessages({ everyMs: 5 });
  try {
    const deadline = new Date().toISOString();
    for (const token of ["settled", "used up", "kept"])
      kept.took("s1", client, { token, deadline });
    kept.settled("settled");
    await until("ten renewals", async () =>
      asked.filter((token) => token === "kept").length >= 10 ? true : null,
    );
    assert.equal(asked.includes("settled"), false);
    assert.equal(asked.filter((token) => token === "used up").length, 1);
  } finally {
    kept.stop();
  }
});

test("content that was too large to travel is named, not poured into a model's context", async () => {
  await using server = await startServer(config);
  const agent = await server.clientAs("agent", "marketing");
  const mcp = await serveOverHttp({
    ...{ url: server.lastgood.url, port: 0, version: "test" },
    report: console.error,
  });
  try {
    const token = await server.tokenAs("agent", "marketing");
    await using host = await connectHost("v2", { mcpUrl: mcp.url, token });
    const { session } = await host.ok("session_start");
    const payload = "x".repeat(1_200_000);
    await agent.publishMessage({ agent: "marketing", payload, offload: true });
    const { message } = (await host.ok("inbox_next", { wait_seconds: 10, session })) as {
      message: { payload: { claimCheck: { collection: string; parts: string[]; bytes: number } } };
    };
    const { collection, parts, bytes } = message.payload.claimCheck;
    assert.ok(bytes > 1_200_000);
    const part = await host.ok("state_get", { collection, id: parts[0], session });
    assert.ok("text" in (part.body as object));
  } finally {
    await mcp.stop();
  }
});
