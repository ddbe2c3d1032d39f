import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Client, checkpointMessage, createClient } from "@lastgood/sdk";
import { createOrigin } from "../code/world.ts";
import { natsBinaries, startNats } from "../support/nats.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { until } from "../support/until.ts";
import { fileOf, id, treeOf } from "./sample.ts";

const config = {
  agents: {
    marketing: { roles: ["writers"], authors: ["marketing@fleet.test"] },
    lead: {},
    backend: {},
  },
};
const workTree = { path: "/tree/marketing", host: "elsewhere" };
const task = "task_2026_0921_014";
const steps = ["Research", "Outline", "Draft", "Review", "Publish"];

/** A client that calls in a session of marketing's own. */
async function openSession(server: TestServer, tree: object = workTree) {
  const token = await server.tokenAs("agent", "marketing");
  const { url } = server.lastgood;
  const door = createClient({ url, token });
  const opened = await door.openSession({ leaseMs: 600_000, workTree: tree as typeof workTree });
  const session = opened.record.session_id;
  return { session, client: createClient({ url, token, session }) };
}

async function assign(server: TestServer, change: object = {}): Promise<void> {
  await server.client.assignTask({
    ...{ id: task, title: "Write the launch post", agent: "marketing", assigner: "lead" },
    ...{ subtasks: steps, artifact: { path: "posts/launch.md" } },
    ...change,
  });
}

const message = (n: number) =>
  checkpointMessage({ summary: `step ${n}`, task, subtask: { n, of: 5 }, type: "feat" });

/** Everything that an agent has under way, and then it is gone. */
async function workUntilCrash(server: TestServer) {
  const { client: admin } = server;
  await assign(server);
  await admin.putDocument("agents", "marketing", { body: { tone: "plain" }, agent: "marketing" });
  for (const name of ["front", "own"]) await admin.putDocument("pages", name, { body: { v: 1 } });
  const { session, client } = await openSession(server);
  await client.claimTask(task, session);
  for (const n of [1, 2]) await client.moveSubtask(task, n, { session, state: "completed" });
  const report = { commit: id("c2"), message: message(2), at: "2026-09-21T08:40:00Z" };
  await client.recordCheckpoint(session, report);
  await client.getDocument("pages", "front");
  await client.getDocument("pages", "own");
  await client.putDocument("pages", "own", { body: { v: 2 } });
  await admin.putDocument("pages", "front", { body: { v: 2 }, agent: "backend" });
  await client.beginEffect({ session, key: "tweet", kind: "social.post", task });
  await admin.publishMessage({ agent: "marketing", id: "in-hand", payload: "review this" });
  await admin.publishMessage({ role: "writers", id: "for-the-role", payload: "anyone" });
  const taken = await takeOne(client, session, "in-hand");
  await admin.endSession(session, { reason: "crashed", detail: "exit code 137" });
  return { session, taken };
}

/** What came before it, such as the word of the task, is acknowledged. */
async function takeOne(client: Client, session: string, wanted: string) {
  return await until(`the message ${wanted}`, async () => {
    const { messages } = await client.fetchInbox("marketing", { session, waitMs: 1_000 });
    const [message] = messages;
    if (message === undefined || message.id === wanted) return message ?? null;
    await client.ackMessage(message.token);
    return null;
  });
}

test("after a crash one call tells the next session everything", async () => {
  await using server = await startServer(config);
  const crashed = await workUntilCrash(server);
  const { session, client } = await openSession(server);
  const sent = treeOf({ commits: [], files: [fileOf()] });
  const brief = await client.brief("marketing", { session, workTree: sent });
  assert.equal(brief.recovery, "full");
  assert.deepEqual([brief.session, brief.before?.session_id], [session, crashed.session]);
  assert.match(brief.notices.join(), /crashed at .*: exit code 137/);
  assert.deepEqual(
    brief.taskCommits.map(({ commit, subtask }) => [commit, subtask]),
    [[id("c2"), { n: 2, of: 5 }]],
  );
  assert.deepEqual([brief.tasks.map((each) => each.id), brief.moreTasks], [[task], 0]);
  assert.deepEqual(
    brief.messages.map((each) => [each.id, each.state, each.deliveries, each.excerpt]).sort(),
    [
      ["for-the-role", "waiting", 0, '"anyone"'],
      ["in-hand", "waiting", 1, '"review this"'],
    ],
  );
  assert.deepEqual(brief.state?.body, { tone: "plain" });
  assert.deepEqual(brief.workTree, sent);
  assert.deepEqual(
    brief.effects.map(({ key, state }) => [key, state]),
    [["tweet", "unknown"]],
  );
  assert.deepEqual(
    brief.inputs.map(({ collection, id: of, read, now, by }) => [collection, of, read, now, by]),
    [["pages", "front", 1, 2, "backend"]],
    "what it changed itself is no surprise",
  );
  assert.equal(
    brief.conclusion.says,
    `Resume task ${task} at subtask 3 of 5 ("Draft") from artifact posts/launch.md, word 800, line 41.`,
  );
  const doubts = brief.conclusion.doubts.join("\n");
  for (const doubt of [
    /effect .*tweet.*unknown/,
    /in-hand went out once/,
    /pages\/front/,
    /Newer/,
  ]) {
    assert.match(doubts, doubt);
  }
});

test("the first brief of a session is remembered, and the same records give the same text", async () => {
  await using server = await startServer(config);
  await workUntilCrash(server);
  const { session, client } = await openSession(server);
  const briefedAt = async () => {
    const { db } = server.lastgood;
    const [row] = await db<{ at: Date | null }[]>`
      select briefed_at as at from sessions where id = ${session}`;
    return row?.at ?? null;
  };
  assert.equal(await briefedAt(), null);
  const first = await client.briefText("marketing", { session });
  const at = await briefedAt();
  assert.notEqual(at, null);
  const second = await client.briefText("marketing", { session });
  assert.deepEqual(await briefedAt(), at);
  const undated = (text: string) => text.replace(/Made \S+ /, "Made ");
  assert.equal(undated(second.markdown), undated(first.markdown));
  assert.match(first.markdown, /The work tree \/tree\/marketing could not be read/);
  const short = await client.briefText("marketing", { session, maxTokens: 300 });
  assert.ok(short.tokens <= 300 && short.cut.length > 0, `${short.tokens}: ${short.cut.join()}`);
});

test("a clean end starts fresh, and what it left undone is gone on with", async () => {
  await using server = await startServer(config);
  await assign(server);
  const before = await openSession(server);
  await before.client.claimTask(task, before.session);
  await before.client.endSession(before.session, { reason: "completed" });
  const { session, client } = await openSession(server);
  const { recovery, notices, conclusion } = await client.brief("marketing", { session });
  assert.deepEqual([recovery, notices], ["fresh", []]);
  assert.match(conclusion.says, /^Resume task task_2026_0921_014 at subtask 1 of 5/);
});

test("a session that died before it did anything hides nothing of the one before it", async () => {
  await using server = await startServer(config);
  const crashed = await workUntilCrash(server);
  const brief = await openSession(server);
  await server.client.endSession(brief.session, { reason: "crashed", detail: "exit code 1" });
  const { session, client } = await openSession(server);
  const { before, inputs, conclusion, notices } = await client.brief("marketing", { session });
  assert.equal(before?.session_id, brief.session);
  assert.match(notices.join(), /2 sessions in a row did not end cleanly/);
  assert.equal(inputs[0]?.id, "front");
  assert.match(conclusion.says, /^Resume task task_2026_0921_014 at subtask 3 of 5/);
  assert.ok(!conclusion.says.includes(crashed.session));
});

test("after its context was compacted a session finds its own claim again", async () => {
  await using server = await startServer(config);
  await assign(server);
  await assign(server, { id: "T-0", title: "Older", subtasks: undefined, artifact: undefined });
  const { session, client } = await openSession(server);
  await client.claimTask(task, session);
  const { conclusion, recovery } = await client.brief("marketing", { session });
  assert.deepEqual([conclusion.task, recovery], [task, "fresh"]);
});

test("where nothing is to do it says so, and a person may ask before anybody starts", async () => {
  await using server = await startServer(config);
  const brief = await server.client.brief("backend");
  assert.equal(
    brief.conclusion.says,
    "Nothing to do: no open task is for backend, and no message waits.",
  );
  assert.deepEqual(brief.conclusion.doubts, []);
  assert.deepEqual([brief.before, brief.recovery, brief.state], [null, "fresh", null]);
});

test("a commit that was reverted is told first, and its subtask is not done", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lastgood-brief-"));
  const origin = createOrigin(folder);
  origin.commit({ "a.md": "a\n" }, "begin", "somebody@fleet.test");
  origin.push();
  try {
    await using server = await startServer({
      ...config,
      repositories: { api: { url: origin.url, poll: "1h" } },
    });
    const { client: admin } = server;
    await assign(server);
    const before = await openSession(server, { path: origin.clone, repository: "api" });
    await before.client.claimTask(task, before.session);
    await before.client.moveSubtask(task, 1, { session: before.session, state: "completed" });
    const commit = origin.commit({ "a.md": "wrong\n" }, message(1), "marketing@fleet.test");
    origin.push();
    await admin.repositoryPushed("api", { wait: true });
    const { changes } = await admin.changes({ layer: "code", agent: "marketing" });
    const plan = await admin.planRecovery({
      ...{ changes: [changes[0]?.id ?? ""], because: "it dropped an index" },
    });
    await admin.runRecovery(plan.id, plan.digest);
    await until("the recovery", async () =>
      (await admin.recovery(plan.id)).state === "verified" ? true : null,
    );
    await admin.endSession(before.session, { reason: "crashed" });
    const { session, client } = await openSession(server);
    const { notices, taskCommits, conclusion } = await client.brief("marketing", { session });
    assert.match(
      notices[0] ?? "",
      new RegExp(`Your commit ${commit.slice(0, 7)} of api .*reverted by .*dropped an index`),
    );
    assert.match(taskCommits[0]?.reverted?.because ?? "", /dropped an index/);
    assert.equal(conclusion.subtask?.n, 1);
    assert.match(conclusion.doubts.join(), /Subtask 1 counts as not done/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("while NATS is away the brief comes all the same, and says what it could not ask", async () => {
  const [binary = ""] = natsBinaries();
  await using nats = await startNats(binary);
  await using server = await startServer({
    ...config,
    messages: { engine: "nats", url: nats.url },
  });
  await assign(server);
  const { session, client } = await openSession(server);
  await nats.kill();
  const { conclusion, messages } = await client.brief("marketing", { session });
  assert.deepEqual(messages, []);
  assert.match(
    conclusion.doubts.join(),
    /Which messages wait could not be read: NATS does not answer/,
  );
  assert.match(conclusion.says, /^Begin task/);
});

test("a brief is the agent's own, of a session of its own, and of what is well formed", async () => {
  await using server = await startServer(config);
  const { session, client } = await openSession(server);
  const tree = treeOf();
  const backend = await server.clientAs("agent", "backend");
  const refusals = [
    [() => backend.brief("marketing"), "not_yours"],
    [() => backend.brief("backend", { session }), "not_found"],
    [() => client.brief("marketing", { session: "sess_nothing" }), "not_found"],
    [() => server.client.brief("nobody"), "not_found"],
    [() => client.brief("marketing", { session: "" }), "bad_input"],
    [() => client.briefText("marketing", { maxTokens: 10 }), "bad_input"],
    [() => client.brief("marketing", { workTree: { ...tree, readAt: "now" } }), "bad_input"],
    [
      () => client.brief("marketing", { workTree: { ...tree, files: Array(501).fill(fileOf()) } }),
      "bad_input",
    ],
    [async () => (await server.clientAs("viewer")).brief("marketing"), "forbidden"],
  ] as const;
  for (const [call, code] of refusals) await assert.rejects(call, { code });
  await openSession(server);
  await assert.rejects(client.brief("marketing", { session }), { code: "fenced" });
  const unnamed = await server.clientAs("agent", "marketing");
  await assert.rejects(unnamed.brief("marketing", { session }), { code: "fenced" });
  assert.equal((await server.client.brief("marketing", { session })).session, session);
});

test("of each document the last version read counts, of each session a thousand documents", async () => {
  await using server = await startServer(config);
  const { client: admin } = server;
  const { db } = server.lastgood;
  for (const v of [1, 2]) await admin.putDocument("pages", "front", { body: { v } });
  const { session, client } = await openSession(server);
  await client.getDocument("pages", "front", { version: 1 });
  await client.getDocument("pages", "front");
  const reads = () => db<{ id: string; version: number }[]>`
    select id, version from session_reads where session = ${session} order by at desc, id`;
  const found = await until("the read", async () => ((await reads()).length > 0 ? reads() : null));
  assert.deepEqual([...found], [{ id: "front", version: 2 }], "an old version is no input");
  await db`
    insert into session_reads select ${session}, 'pages', 'old-' || n, 1, now() - interval '1 hour'
    from generate_series(1, 1500) n`;
  for (let n = 0; n < 100; n++) await admin.putDocument("pages", `new-${n}`, { body: n });
  await Promise.all(Array.from({ length: 100 }, (_, n) => client.getDocument("pages", `new-${n}`)));
  await until("the oldest are let go", async () => ((await reads()).length <= 1_000 ? true : null));
  const kept = new Set((await reads()).map((each) => each.id));
  for (let n = 0; n < 100; n++) assert.ok(kept.has(`new-${n}`), `new-${n} was let go`);
});

test("a long history is never read through", async () => {
  await using server = await startServer(config);
  const { db } = server.lastgood;
  const { session, client } = await openSession(server);
  const size = 20_000;
  await db`
    insert into changes (id, at, layer, kind, target, agent, task, to_ref)
    select gen_random_uuid(), now() - n * interval '1 second', 'code', 'commit', 'api', 'marketing',
           'task-' || n % 900, lpad(to_hex(n), 40, '0') from generate_series(1, ${size}::int) n`;
  await db`
    insert into checkpoints (commit_id, agent, task, summary, at, author)
    select lpad(to_hex(n), 40, '0'), 'marketing', 'task-' || n % 900, 'x', now() - n * interval '1 second', 'x'
    from generate_series(1, ${size}::int) n`;
  await db`
    insert into message_log (stream, seq, at, subject, message_id, headers, payload, size)
    select 'AGENT_INBOX_MARKETING', n, now(), 'agents.marketing.inbox', 'm-' || n, '{}', '1', 1
    from generate_series(1, ${size}::int) n`;
  await db`
    update message_streams set last_seq = ${size}, messages = ${size}
    where name = 'AGENT_INBOX_MARKETING'`;
  await db`
    insert into message_handled (consumer, message_id, stream, seq, epoch, at)
    select 'marketing-durable-v1', 'h-' || n, 'AGENT_INBOX_MARKETING', n + 1000000, 1, now()
    from generate_series(1, ${size}::int) n`;
  await db`
    insert into sessions (id, agent, epoch, door, started_at, ended_at, exit_reason, lease_ms,
                          lease_until, heard_at, settled_at)
    select 'old-' || n, 'marketing', -n, 'sdk', now() - n * interval '1 hour', now(), 'completed', 1,
           now(), now(), now() from generate_series(1, ${size}::int) n`;
  await db`
    insert into session_reads select 'old-' || n, 'pages', 'front', 1, now()
    from generate_series(1, ${size}::int) n`;
  await db`
    insert into tasks (id, title, agent, assigner, asked, created_at, updated_at)
    select 'task-' || n, 'x', 'marketing', 'lead', '', now(), now() - n * interval '1 second'
    from generate_series(1, 900) n`;
  await db`analyze`;
  const long = ["changes", "checkpoints", "message_log", "message_handled", "session_reads"];
  const readOf = async () => {
    const rows = await db<{ name: string; through: number; byIndex: number }[]>`
      select relname as name, seq_tup_read as through, idx_scan as "byIndex"
      from pg_stat_user_tables where relname = any(${long})`;
    return new Map(rows.map((row) => [row.name, row]));
  };
  const before = await until("the writes are counted", async () => {
    await db`select pg_stat_force_next_flush()`;
    const read = await readOf();
    return read.size === long.length ? read : null;
  });
  const after = await until("the reads are counted", async () => {
    const { moreMessages, taskCommits } = await client.brief("marketing", { session });
    assert.deepEqual([moreMessages, taskCommits.length > 20], [size - 50, true]);
    const read = await readOf();
    const counted = long.filter((name) => {
      const was = before.get(name)?.byIndex ?? 0;
      return (read.get(name)?.byIndex ?? 0) > was;
    });
    return counted.length === long.length ? read : null;
  });
  const through = long.filter(
    (name) => (after.get(name)?.through ?? 0) - (before.get(name)?.through ?? 0) >= size,
  );
  assert.deepEqual(through, []);
});
