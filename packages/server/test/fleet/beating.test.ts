import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { type Client, Fault, type Session } from "@lastgood/sdk";
import { ownHost } from "../../src/own-host.ts";
import { identify } from "../../src/process-group.ts";
import { startServer } from "../support/server.ts";
import { until } from "../support/until.ts";

const beatMs = 150;
/** Beats of a machine that is busy come later than they are sent. */
const leaseMs = 3_000;

/** Beats until it is refused, and answers with the session as it ended. */
async function beatToTheEnd(client: Client, id: string, by: "wrapper"): Promise<Session> {
  return await until("the end", async () => {
    const refused = await client.heartbeat(id, { by }).then(
      () => false,
      () => true,
    );
    return refused ? await client.sessionOf(id) : null;
  });
}

test("a wrapper keeps a session alive until the agent beats by itself: then only the agent does", async () => {
  await using server = await startServer({ agents: { marketing: {} } });
  const marketing = await server.clientAs("agent", "marketing");
  const { record } = await marketing.openSession({ leaseMs });
  const began = performance.now();
  while (performance.now() - began < 2 * leaseMs) {
    await marketing.heartbeat(record.session_id, { by: "wrapper" });
    await new Promise((resolve) => setTimeout(resolve, beatMs));
  }
  assert.equal((await server.client.sessionOf(record.session_id)).state, "live");

  await marketing.heartbeat(record.session_id, { by: "agent" });
  const ended = await beatToTheEnd(marketing, record.session_id, "wrapper");
  assert.equal(ended.record.exit_reason, "crashed");
  const silentMs = Date.parse(ended.detectedAt ?? "") - Date.parse(ended.lastHeardAt);
  assert.ok(silentMs >= leaseMs && silentMs < 2 * leaseMs, `noticed after ${silentMs} ms`);
});

test("an agent with hooks may be silent as long as its process lives, and dies with it at once", async () => {
  await using server = await startServer({ agents: { marketing: {} } });
  const marketing = await server.clientAs("agent", "marketing");
  const child = spawn("sleep", ["60"]);
  const process = { host: ownHost(), ...(identify(child.pid ?? 0) ?? assert.fail()) };
  const { record } = await marketing.openSession({ door: "hooks", leaseMs: 1_000, process });
  const opened = await server.client.sessionOf(record.session_id);
  const prolonged = await until("another lease", async () => {
    const now = await server.client.sessionOf(record.session_id);
    return now.leaseUntil === opened.leaseUntil ? null : now;
  });
  assert.equal(prolonged.state, "live");
  assert.equal(prolonged.lastHeardAt, opened.lastHeardAt, "it was not heard");
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
  const ended = await until("the crash", async () => {
    const now = await server.client.sessionOf(record.session_id);
    return now.state === "ended" ? now : null;
  });
  assert.equal(ended.record.exit_reason, "crashed");
});

test("a session that has ended hears of it at its very next beat", async () => {
  await using server = await startServer({ agents: { marketing: {} } });
  const marketing = await server.clientAs("agent", "marketing");
  const { record } = await marketing.openSession({});
  await marketing.heartbeat(record.session_id);
  await marketing.openSession({});
  await assert.rejects(
    marketing.heartbeat(record.session_id),
    (error) => error instanceof Fault && error.code === "fenced",
  );
});
