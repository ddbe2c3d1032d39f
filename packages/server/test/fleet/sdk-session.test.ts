import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { createClient, DidNotHappen, Fault, type Lastgood } from "@lastgood/sdk";
import { startServer, type TestServer } from "../support/server.ts";
import { until } from "../support/until.ts";

const config = { agents: { marketing: {}, lead: {} } };
const codeOf = (code: string) => (error: unknown) => error instanceof Fault && error.code === code;

async function clientOf(server: TestServer, url = server.lastgood.url): Promise<Lastgood> {
  return createClient({ url, token: await server.tokenAs("agent", "marketing") });
}

/** A way to the server that can be closed and opened again: what an agent sees of a server that is away. */
async function startWay(to: string) {
  const { hostname, port } = new URL(to);
  const sockets = new Set<import("node:net").Socket>();
  let isOpen = true;
  const way = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    if (!isOpen) return socket.destroy();
    const target = connect({ host: hostname, port: Number(port) });
    target.on("error", () => socket.destroy());
    target.once("close", () => socket.destroy());
    socket.once("close", () => target.destroy());
    return socket.pipe(target).pipe(socket);
  });
  way.listen(0, "127.0.0.1");
  await once(way, "listening");
  const address = way.address();
  assert.ok(typeof address === "object" && address !== null);
  return {
    url: `http://127.0.0.1:${address.port}`,
    close() {
      isOpen = false;
      for (const socket of sockets) socket.destroy();
    },
    open() {
      isOpen = true;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      way.close();
      await once(way, "close");
    },
  };
}

test("a session that leaves its block has completed, one that is told why ends so", async () => {
  await using server = await startServer(config);
  const lastgood = await clientOf(server);
  let id: string;
  {
    await using session = await lastgood.session();
    id = session.id;
    session.spent(40);
    session.spent(2, { onRecovery: true });
  }
  const ended = await server.client.sessionOf(id);
  assert.equal(ended.record.exit_reason, "completed");
  assert.equal(ended.record.token_usage, 42, "what was spent is told at the end");
  assert.equal(ended.tokensOnRecovery, 2);
  const other = await lastgood.session();
  await other.end("stopped", "for the night");
  await other.end("completed");
  assert.equal((await server.client.sessionOf(other.id)).record.exit_reason, "stopped");
});

test("the signal of a session aborts when another takes its place", async () => {
  await using server = await startServer(config);
  const lastgood = await clientOf(server);
  const first = await lastgood.session({ leaseMs: 1_000 });
  await using second = await lastgood.session();
  assert.equal(second.recovery, "full");
  assert.equal(second.before?.session_id, first.id);
  if (!first.signal.aborted) await once(first.signal, "abort");
  assert.ok(codeOf("fenced")(first.signal.reason));
  await assert.rejects(first.state.put("pages", "front", { body: 1 }), codeOf("fenced"));
  await first.end();
  assert.equal((await server.client.sessionOf(first.id)).record.exit_reason, "fenced");
});

test("an effect is run once, replayed after that, and its key is what names it", async () => {
  await using server = await startServer(config);
  const lastgood = await clientOf(server);
  const ids: string[] = [];
  const send = (key: string) => ({
    key,
    run: (id: string) => {
      ids.push(id);
      return { sent: key };
    },
  });
  {
    await using session = await lastgood.session();
    assert.deepEqual(await session.effect(send("a")), { sent: "a" });
    assert.deepEqual(await session.effect(send("a")), { sent: "a" });
  }
  await using later = await lastgood.session();
  assert.deepEqual(await later.effect(send("a")), { sent: "a" });
  await later.effect(send("b"));
  assert.equal(ids.length, 2);
  const forked = await lastgood.session({ effects: "fork", because: "restored to yesterday" });
  await forked.effect(send("a"));
  assert.equal(new Set(ids).size, 3, "a fork does it anew, under another id");
  await forked.end();
});

test("of an effect that was cut off, the look-up decides; without one it is listed and not repeated", async () => {
  await using server = await startServer(config);
  const lastgood = await clientOf(server);
  const cut = await lastgood.session();
  const { effect: happened } = await cut.client.beginEffect({ session: cut.id, key: "happened" });
  await cut.client.beginEffect({ session: cut.id, key: "did not" });
  await cut.client.beginEffect({ session: cut.id, key: "nobody knows" });
  await using session = await lastgood.session();
  const looked: string[] = [];
  const result = await session.effect({
    key: "happened",
    run: () => assert.fail("it had happened"),
    lookup: async ({ id }) => {
      looked.push(id);
      return { result: "found" };
    },
  });
  assert.equal(result, "found");
  assert.deepEqual(looked, [happened.id]);
  let runs = 0;
  const again = { key: "did not", lookup: async () => null, run: () => ++runs };
  assert.equal(await session.effect(again), 1);
  assert.equal(await session.effect(again), 1);
  await assert.rejects(
    session.effect({ key: "nobody knows", run: () => assert.fail("it may have happened") }),
    codeOf("effect_unknown"),
  );
  const { effects } = await server.client.effects({ state: "unknown" });
  assert.deepEqual(
    effects.map(({ key }) => key),
    ["nobody knows"],
  );
});

test("what did not happen may be tried again; what threw is unknown", async () => {
  await using server = await startServer(config);
  const lastgood = await clientOf(server);
  await using session = await lastgood.session();
  const refused = {
    key: "refused",
    run: () => Promise.reject(new DidNotHappen("the queue is full")),
  };
  await assert.rejects(session.effect(refused), /queue is full/);
  assert.equal(await session.effect({ key: "refused", run: () => "done" }), "done");
  const broken = { key: "broken", run: () => Promise.reject(new Error("the line went dead")) };
  await assert.rejects(session.effect(broken), /line went dead/);
  await assert.rejects(session.effect({ ...broken, run: () => "twice" }), codeOf("effect_unknown"));
});

test("while the server is away records wait in their order and effects wait for it", async () => {
  await using server = await startServer(config);
  await using way = await startWay(server.lastgood.url);
  const lastgood = await clientOf(server, way.url);
  const troubles: string[] = [];
  await using session = await lastgood.session({
    leaseMs: 600_000,
    onTrouble: ({ code }) => troubles.push(code),
  });
  way.close();
  let n = 0;
  for (const summary of ["one", "two", "three"]) {
    await session.checkpoint({ task: "t", summary, commit: () => `${++n}`.repeat(40) });
  }
  assert.ok(troubles.includes("server_unreachable"));
  const effect = session.effect({ key: "k", run: () => "ran" });
  assert.equal((await server.client.checkpoints({ agent: "marketing" })).checkpoints.length, 0);
  way.open();
  assert.equal(await effect, "ran");
  await session.checkpoint({ task: "t", summary: "four", commit: () => "4".repeat(40) });
  const { checkpoints } = await server.client.checkpoints({ agent: "marketing" });
  assert.deepEqual(checkpoints.map(({ summary }) => summary).toSorted(), [
    "four",
    "one",
    "three",
    "two",
  ]);
});

test("past its bound the backlog refuses loudly, and an end that cannot be told is a fault", async () => {
  await using server = await startServer(config);
  await using way = await startWay(server.lastgood.url);
  const lastgood = await clientOf(server, way.url);
  const session = await lastgood.session({ leaseMs: 600_000, patienceMs: 300 });
  way.close();
  let made = 0;
  const checkpoint = () =>
    session.checkpoint({ task: "t", summary: "s", commit: () => String(made++).padStart(40, "0") });
  for (let n = 0; n < 1_000; n++) await checkpoint();
  await assert.rejects(checkpoint(), codeOf("too_many"));
  await assert.rejects(session.end(), codeOf("server_unreachable"));
});

test("a message whose handler was cut off after its effect does not repeat it", async () => {
  await using server = await startServer(config);
  const lastgood = await clientOf(server);
  await server.client.publishMessage({ agent: "marketing", id: "m1", payload: {}, sender: "lead" });
  const sent: string[] = [];
  const send = { key: "mail", run: (id: string) => sent.push(id) };
  const first = await lastgood.session();
  const cutting = first.inbox(async (_, { effect }) => {
    await effect(send);
    // Another session takes its place before the acknowledgement.
    await lastgood.openSession({});
    await effect({ key: "never", run: () => "x" });
  });
  await cutting.catch((error: unknown) => assert.ok(codeOf("fenced")(error)));
  await using second = await lastgood.session();
  const done = new AbortController();
  await second.inbox(
    async (_, { effect }) => {
      await effect(send);
      done.abort();
    },
    { signal: done.signal },
  );
  assert.equal(sent.length, 1);
  await until("the acknowledgement", async () => {
    const { consumers } = await server.client.consumers({ agent: "marketing" });
    return consumers[0]?.handled === 1 ? true : null;
  });
  assert.equal((await server.client.sessionOf(second.id)).record.messages_processed, 1);
});

test("a process joins the session that was opened for it", async () => {
  await using server = await startServer(config);
  const lastgood = await clientOf(server);
  await lastgood.openSession({});
  const opened = await lastgood.openSession({ door: "agent-run" });
  await using session = await lastgood.session({ join: opened.record.session_id });
  assert.equal(session.id, opened.record.session_id);
  assert.equal(session.recovery, "full");
});
