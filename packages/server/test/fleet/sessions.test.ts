import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { createClient, Fault, type OpenedSession } from "@lastgood/sdk";
import { attend, silentSince } from "../../src/fleet/session-store.ts";
import { ownHost } from "../../src/own-host.ts";
import { identify } from "../../src/process-group.ts";
import { countInSession, requireLiving } from "../../src/store/living-session.ts";
import { startDatabase } from "../support/database.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { until } from "../support/until.ts";

const config = { agents: { marketing: { owner: "lead" }, lead: {}, backend: {} } };

const fencedFault = (error: unknown) => error instanceof Fault && error.code === "fenced";

async function sessionOf(server: TestServer, id: string) {
  return await server.client.sessionOf(id);
}

/** A client that calls in the session's name. */
async function clientIn(server: TestServer, session: OpenedSession) {
  const token = await server.tokenAs("agent", session.record.agent);
  return createClient({ url: server.lastgood.url, token, session: session.record.session_id });
}

test("a session is kept in the words of its contract, and a clean end starts fresh", async () => {
  await using server = await startServer(config);
  const marketing = await server.clientAs("agent", "marketing");
  const opened = await marketing.openSession({});
  assert.match(opened.record.session_id, /^sess_\d{8}_\d{6}_marketing$/);
  assert.deepEqual(Object.keys(opened.record), [
    "session_id",
    "agent",
    "started_at",
    "ended_at",
    "exit_reason",
    "tasks_started",
    "tasks_completed",
    "commits",
    "messages_processed",
    "token_usage",
  ]);
  assert.equal(opened.recovery, "fresh");
  const ended = await marketing.endSession(opened.record.session_id, { reason: "completed" });
  assert.equal(ended.record.exit_reason, "completed");
  const again = await marketing.endSession(opened.record.session_id, { reason: "crashed" });
  assert.equal(again.record.exit_reason, "completed", "what was recorded first stays");
  const next = await marketing.openSession({});
  assert.equal(next.recovery, "fresh");
  assert.equal(next.previous, opened.record.session_id);
  assert.equal(next.epoch, opened.epoch + 1);
});

test("two sessions of one agent in one second have different ids", async () => {
  await using server = await startServer(config);
  const marketing = await server.clientAs("agent", "marketing");
  const ids = new Set<string>();
  for (let n = 0; n < 3; n++) ids.add((await marketing.openSession({})).record.session_id);
  assert.equal(ids.size, 3);
});

test("a second session fences the first: its writes, acks, claims and heartbeats are refused", async () => {
  await using server = await startServer(config);
  const marketing = await server.clientAs("agent", "marketing");
  const first = await marketing.openSession({});
  const zombie = await clientIn(server, first);
  const session = first.record.session_id;
  await marketing.publishMessage({ agent: "marketing", id: "m1", payload: { n: 1 } });
  const [message] = (await zombie.fetchInbox("marketing", { session, waitMs: 5_000 })).messages;
  assert.ok(message);

  const second = await marketing.openSession({});
  assert.equal(second.recovery, "full");
  assert.equal((await sessionOf(server, session)).record.exit_reason, "fenced");
  await assert.rejects(zombie.putDocument("pages", "front", { body: 1 }), fencedFault);
  // Also where only the body names the session: it is held to in the write's own transaction.
  await assert.rejects(marketing.putDocument("pages", "front", { body: 1, session }), fencedFault);
  await assert.rejects(marketing.ackMessage(message.token), fencedFault);
  await assert.rejects(marketing.fetchInbox("marketing", { session }), fencedFault);
  await assert.rejects(marketing.heartbeat(session), fencedFault);
  await assert.rejects(server.client.getDocument("pages", "front"), /no document/);
  const { messages } = await marketing.fetchInbox("marketing", {
    session: second.record.session_id,
    waitMs: 5_000,
  });
  assert.equal(messages[0]?.id, "m1", "what the first had in hand goes to the second at once");
});

test("an agent that is not heard within its lease has crashed, and its owner hears of it once", async () => {
  await using server = await startServer(config);
  const marketing = await server.clientAs("agent", "marketing");
  const { record } = await marketing.openSession({ leaseMs: 1_000 });
  const dead = await until("the crash", async () => {
    const session = await sessionOf(server, record.session_id);
    return session.state === "ended" ? session : null;
  });
  assert.equal(dead.record.exit_reason, "crashed");
  const silentMs = Date.parse(dead.detectedAt ?? "") - Date.parse(dead.lastHeardAt);
  assert.ok(silentMs >= 1_000 && silentMs <= 2_000 + 1_000, `noticed after ${silentMs} ms`);
  const lead = await server.clientAs("agent", "lead");
  const { messages } = await lead.fetchInbox("lead", { waitMs: 5_000 });
  assert.match(JSON.stringify(messages[0]?.payload), /session\.died/);
  assert.equal((await marketing.openSession({})).recovery, "full");
});

test("heartbeats keep a session alive, and count its tokens", async () => {
  await using server = await startServer(config);
  const marketing = await server.clientAs("agent", "marketing");
  // Beats of a machine that is busy come later than they are sent.
  const leaseMs = 3_000;
  const { record } = await marketing.openSession({ leaseMs });
  const began = performance.now();
  for (let n = 0; n < 30 || performance.now() - began < 1.5 * leaseMs; n++) {
    const counted = n < 30 ? { tokens: 10, onRecovery: n < 3 ? 10 : 0 } : {};
    await marketing.heartbeat(record.session_id, counted);
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  const session = await sessionOf(server, record.session_id);
  assert.equal(session.state, "live");
  assert.equal(session.record.token_usage, 300);
  assert.equal(session.tokensOnRecovery, 30);
});

test("a process of this machine that is gone is a crash at once, long before its lease", async () => {
  await using server = await startServer(config);
  const marketing = await server.clientAs("agent", "marketing");
  const child: ChildProcess = spawn("sleep", ["60"]);
  const identity = identify(child.pid ?? 0);
  assert.ok(identity);
  const opened = await marketing.openSession({
    leaseMs: 600_000,
    process: { host: ownHost(), ...identity },
  });
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
  const dead = await until("the crash", async () => {
    const session = await sessionOf(server, opened.record.session_id);
    return session.state === "ended" ? session : null;
  });
  assert.equal(dead.record.exit_reason, "crashed");
  assert.match(dead.detail, /process \d+ is gone/);
});

test("a process that lives and is silent hangs", async () => {
  await using server = await startServer(config);
  const marketing = await server.clientAs("agent", "marketing");
  const child = spawn("sleep", ["60"]);
  try {
    const identity = identify(child.pid ?? 0);
    assert.ok(identity);
    const opened = await marketing.openSession({
      leaseMs: 1_000,
      process: { host: ownHost(), ...identity },
    });
    const dead = await until("the hang", async () => {
      const session = await sessionOf(server, opened.record.session_id);
      return session.state === "ended" ? session : null;
    });
    assert.equal(dead.record.exit_reason, "hung");
  } finally {
    child.kill("SIGKILL");
  }
});

test("a fenced session that is never heard again had crashed; one that is heard had not", async () => {
  await using server = await startServer(config);
  const marketing = await server.clientAs("agent", "marketing");
  const backend = await server.clientAs("agent", "backend");
  const silent = await marketing.openSession({ leaseMs: 1_000 });
  await marketing.openSession({ leaseMs: 600_000 });
  const speaks = await backend.openSession({ leaseMs: 1_000 });
  await backend.openSession({ leaseMs: 600_000 });
  await assert.rejects(backend.heartbeat(speaks.record.session_id), fencedFault);
  await until("the verdict", async () => {
    const { record } = await sessionOf(server, silent.record.session_id);
    return record.exit_reason === "crashed" ? true : null;
  });
  const other = await sessionOf(server, speaks.record.session_id);
  assert.equal(other.record.exit_reason, "fenced");
});

test("whoever is told by a call under way that it is fenced had not crashed", async () => {
  await using server = await startServer(config);
  const marketing = await server.clientAs("agent", "marketing");
  const backend = await server.clientAs("agent", "backend");
  const waits = await marketing.openSession({ leaseMs: 1_000 });
  const silent = await backend.openSession({ leaseMs: 1_000 });
  const session = waits.record.session_id;
  const before = (await sessionOf(server, session)).lastHeardAt;
  const zombie = await clientIn(server, waits);
  const fetching = zombie.fetchInbox("marketing", { session, waitMs: 20_000 });
  await until("the call to have come", async () =>
    (await sessionOf(server, session)).lastHeardAt > before ? true : null,
  );
  await marketing.openSession({ leaseMs: 600_000 });
  await backend.openSession({ leaseMs: 600_000 });
  await marketing.publishMessage({ agent: "marketing", payload: "for the next one" });
  await assert.rejects(fetching, fencedFault);
  await until("the other to be buried", async () => {
    const { record } = await sessionOf(server, silent.record.session_id);
    return record.exit_reason === "crashed" ? true : null;
  });
  assert.equal((await sessionOf(server, session)).record.exit_reason, "fenced");
});

test("an end waits for whoever writes in the session's name, and keeps him from nothing", async () => {
  await using server = await startServer(config);
  const marketing = await server.clientAs("agent", "marketing");
  const { session_id: session } = (await marketing.openSession({})).record;
  const { db } = server.lastgood;
  let ending: Promise<unknown> | null = null;
  await db.begin(async (tx) => {
    await requireLiving(tx, session);
    await countInSession(tx, session, new Date());
    ending = marketing.endSession(session, { reason: "completed" });
    await until("the end to wait", async () => {
      const [at] = await db`
        select from pg_stat_activity where query like '%from sessions where id%for update%'
          and datname = current_database() and pid <> pg_backend_pid()`;
      return at === undefined ? null : true;
    });
    // Written twice in one transaction, the row is held against its agent's once more.
    await countInSession(tx, session, new Date(), { messages: 1 });
  });
  await ending;
  const { record } = await sessionOf(server, session);
  assert.equal(record.exit_reason, "completed");
  assert.equal(record.messages_processed, 1);
});

test("three deaths within a minute park the agent and call a person once, until it is released", async () => {
  await using server = await startServer(config);
  const marketing = await server.clientAs("agent", "marketing");
  for (let n = 0; n < 3; n++) {
    const { record } = await marketing.openSession({});
    await marketing.endSession(record.session_id, { reason: "crashed", detail: "exit code 1" });
  }
  await assert.rejects(
    marketing.openSession({}),
    (error) =>
      error instanceof Fault && error.code === "parked" && /agents release/.test(error.message),
  );
  assert.equal((await server.client.agent("marketing")).state, "parked");
  const { incidents } = await server.client.incidents({ state: "all" });
  assert.deepEqual(
    incidents.map(({ kind, state }) => [kind, state]),
    [["storm", "frozen"]],
  );
  const pages = await server.lastgood.db`select incident from pages`;
  assert.equal(pages.length, 1);
  await server.client.releaseAgent("marketing", "its token had expired");
  assert.equal((await marketing.openSession({})).recovery, "full");
  const after = await server.client.incidents({ state: "all" });
  assert.equal(after.incidents[0]?.state, "closed");
  await assert.rejects(server.client.releaseAgent("marketing", "again"), /not parked/);
});

test("an agent stopped on purpose alerts nobody, however often", async () => {
  await using server = await startServer(config);
  const marketing = await server.clientAs("agent", "marketing");
  for (let n = 0; n < 5; n++) {
    const { record } = await marketing.openSession({});
    await marketing.endSession(record.session_id, { reason: "stopped" });
  }
  assert.equal((await server.client.agent("marketing")).state, "idle");
  assert.equal((await server.client.incidents({ state: "all" })).incidents.length, 0);
  const told = await server.lastgood.db`select 1 from message_told`;
  assert.equal(told.length, 0);
});

test("a connection that is dropped makes a session suspect, and its next sign of life clears it", async () => {
  await using server = await startServer(config);
  const marketing = await server.clientAs("agent", "marketing");
  const opened = await marketing.openSession({ leaseMs: 600_000 });
  const inSession = await clientIn(server, opened);
  const leaving = new AbortController();
  const waiting = inSession.fetchInbox("marketing", { waitMs: 60_000 }, leaving.signal);
  const dropped = assert.rejects(waiting);
  await until("the wait to begin", async () => {
    const [row] = await server.lastgood.db<{ n: number }[]>`
      select count(*) as n from sessions where heard_at > started_at`;
    return row?.n === 1 ? true : null;
  });
  leaving.abort();
  await dropped;
  await until("the suspicion", async () =>
    (await sessionOf(server, opened.record.session_id)).state === "suspect" ? true : null,
  );
  await marketing.heartbeat(opened.record.session_id);
  await until("the all-clear", async () =>
    (await sessionOf(server, opened.record.session_id)).state === "live" ? true : null,
  );
});

test("leases run only while somebody attends: an hour away invents no crash", async () => {
  await using store = await startDatabase();
  const { db } = store;
  const at = (seconds: number) => new Date(1_800_000_000_000 + seconds * 1_000);
  await db`insert into agents (name) values ('marketing')`;
  await db`
    insert into sessions (id, agent, epoch, door, started_at, lease_ms, lease_until, heard_at)
    values ('s', 'marketing', 1, 'http', ${at(0)}, 10000, ${at(10)}, ${at(0)})`;
  const slackMs = 1_500;
  assert.equal(await attend(db, at(0), slackMs), 0);
  assert.equal(await attend(db, at(1), slackMs), 0, "a second is no gap");
  assert.equal(await attend(db, at(3_601), slackMs), 3_600_000);
  assert.deepEqual(await silentSince(db, at(3_601)), []);
  for (let second = 3_602; second <= 3_609; second++) await attend(db, at(second), slackMs);
  assert.deepEqual(await silentSince(db, at(3_609)), [], "it has what was left of its lease");
  assert.equal((await silentSince(db, at(3_611))).length, 1);
});

test("sessions of others cannot be opened, ended or spoken for", async () => {
  await using server = await startServer(config);
  const marketing = await server.clientAs("agent", "marketing");
  const backend = await server.clientAs("agent", "backend");
  const { record } = await marketing.openSession({});
  const notYours = (error: unknown) => error instanceof Fault && error.code === "not_yours";
  await assert.rejects(backend.openSession({ agent: "marketing" }), notYours);
  await assert.rejects(backend.endSession(record.session_id, { reason: "stopped" }), notYours);
  await assert.rejects(backend.heartbeat(record.session_id), notYours);
  const token = await server.tokenAs("agent", "backend");
  const posing = createClient({ url: server.lastgood.url, token, session: record.session_id });
  await assert.rejects(posing.putDocument("pages", "front", { body: 1 }), notYours);
  assert.equal((await sessionOf(server, record.session_id)).state, "live");
});
