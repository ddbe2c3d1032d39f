import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Client, checkpointMessage } from "@lastgood/sdk";
import { createOrigin, type Origin } from "../code/world.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { until } from "../support/until.ts";

interface World extends AsyncDisposable {
  readonly server: TestServer;
  readonly origin: Origin;
  readonly marketing: Client;
  open(): Promise<string>;
  /** Pushes what was committed, and waits until it is recorded. */
  push(): Promise<void>;
}

async function startWorld(authors: readonly string[] = ["marketing@fleet.test"]): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), "lastgood-checkpoints-"));
  const origin = createOrigin(folder);
  origin.commit({ "a.md": "a\n" }, "begin", "somebody@fleet.test");
  origin.push();
  const server = await startServer({
    repositories: { api: { url: origin.url, poll: "1h" } },
    agents: { marketing: { authors }, backend: {} },
  });
  const marketing = await server.clientAs("agent", "marketing");
  return {
    ...{ server, origin, marketing },
    async open() {
      const workTree = { path: origin.clone, repository: "api" };
      return (await marketing.openSession({ workTree })).record.session_id;
    },
    async push() {
      origin.push();
      await server.client.repositoryPushed("api", { wait: true });
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const message = (n: number) =>
  checkpointMessage({
    ...{ type: "feat", scope: "marketing", summary: `part ${n}`, task: "T-1" },
    subtask: { n, of: 5 },
  });

test("a commit that a session reports is its checkpoint, once however often it is told", async () => {
  await using world = await startWorld();
  const { marketing, server } = world;
  const session = await world.open();
  const commit = "a".repeat(40);
  const report = { commit, message: message(3), at: "2026-09-21T08:40:00Z", author: "Ada <a@b>" };
  const recorded = await marketing.recordCheckpoint(session, report);
  assert.deepEqual(recorded, {
    ...{ type: "feat", scope: "marketing", summary: "part 3", task: "T-1" },
    ...{ subtask: { n: 3, of: 5 }, commit, at: "2026-09-21T08:40:00.000Z", author: "Ada <a@b>" },
    ...{ agent: "marketing", session, repository: "api" },
  });
  const again = await marketing.recordCheckpoint(session, { commit, message: "something else" });
  assert.deepEqual(again, recorded);
  const { checkpoints, more } = await server.client.checkpoints({ agent: "marketing" });
  assert.deepEqual([checkpoints, more], [[recorded], false]);
  const { record } = await server.client.sessionOf(session);
  assert.deepEqual(record.commits, [commit]);
});

test("a commit without marks is recorded all the same", async () => {
  await using world = await startWorld();
  const session = await world.open();
  const commit = "b".repeat(40);
  const { task, subtask, summary } = await world.marketing.recordCheckpoint(session, {
    ...{ commit, message: "tidy up" },
  });
  assert.deepEqual([task, subtask, summary], [null, null, "tidy up"]);
});

test("pushes and reports of one commit meet in one checkpoint, whichever comes first", async () => {
  await using world = await startWorld();
  const { origin, marketing, server } = world;
  const session = await world.open();
  const first = origin.commit({ "a.md": "1\n" }, message(1), "marketing@fleet.test");
  await marketing.recordCheckpoint(session, { commit: first, message: message(1) });
  const second = origin.commit({ "a.md": "2\n" }, message(2), "marketing@fleet.test");
  await world.push();
  const seen = await server.client.checkpoints({ task: "T-1" });
  assert.deepEqual(
    seen.checkpoints.map(({ commit, session: of, repository }) => [commit, of, repository]).sort(),
    [
      [first, session, "api"],
      [second, null, "api"],
    ].sort(),
  );
  await marketing.recordCheckpoint(session, { commit: second, message: message(2) });
  const { checkpoints } = await server.client.checkpoints({ task: "T-1" });
  assert.equal(checkpoints.length, 2);
  assert.deepEqual(
    checkpoints.map(({ session: of }) => of),
    [session, session],
  );
});

test("a push whose author nobody configured is taken over by the session that made it", async () => {
  await using world = await startWorld([]);
  const session = await world.open();
  const commit = world.origin.commit({ "a.md": "1\n" }, message(1), "who@fleet.test");
  await world.push();
  const { checkpoints: before } = await world.server.client.checkpoints({ task: "T-1" });
  assert.deepEqual(
    before.map(({ agent }) => agent),
    ["who@fleet.test"],
  );
  await world.marketing.recordCheckpoint(session, { commit, message: message(1) });
  const { checkpoints } = await world.server.client.checkpoints({ task: "T-1" });
  assert.deepEqual(
    checkpoints.map(({ agent, session: of }) => [agent, of]),
    [["marketing", session]],
  );
});

test("a revert of ours is nobody's progress", async () => {
  await using world = await startWorld();
  const { origin, server } = world;
  const commit = origin.commit({ "a.md": "wrong\n" }, message(1), "marketing@fleet.test");
  await world.push();
  const { changes } = await server.client.changes({ layer: "code", task: "T-1" });
  const plan = await server.client.planRecovery({ changes: [changes[0]?.id ?? ""] });
  await server.client.runRecovery(plan.id, plan.digest);
  await until("the revert", async () => (origin.tip() === commit ? null : origin.tip()));
  await server.client.repositoryPushed("api", { wait: true });
  const { checkpoints } = await server.client.checkpoints({ task: "T-1" });
  assert.deepEqual(
    checkpoints.map((each) => each.commit),
    [commit],
  );
});

test("a session keeps its last thousand commits", async () => {
  await using world = await startWorld();
  const { marketing, server } = world;
  const session = await world.open();
  const idOf = (n: number) => n.toString(16).padStart(40, "0");
  const all = Array.from({ length: 1_000 }, (_, n) => idOf(n));
  await server.lastgood.db`update sessions set commits = ${all} where id = ${session}`;
  for (const n of [1_000, 1_001]) {
    await marketing.recordCheckpoint(session, { commit: idOf(n), message: message(1) });
  }
  const { record } = await server.client.sessionOf(session);
  assert.equal(record.commits.length, 1_000);
  assert.deepEqual([record.commits[0], record.commits.at(-1)], [idOf(2), idOf(1_001)]);
});

test("what is over, somebody else's or no commit is refused", async () => {
  await using world = await startWorld();
  const { marketing, server } = world;
  const session = await world.open();
  const good = { commit: "a".repeat(40), message: message(1) };
  const backend = await server.clientAs("agent", "backend");
  const viewer = await server.clientAs("viewer");
  const refusals = [
    [() => backend.recordCheckpoint(session, good), "not_yours"],
    [() => marketing.recordCheckpoint("sess_nothing", good), "not_found"],
    [() => marketing.recordCheckpoint(session, { ...good, commit: "abc" }), "bad_input"],
    [() => marketing.recordCheckpoint(session, { ...good, commit: "A".repeat(40) }), "bad_input"],
    [() => marketing.recordCheckpoint(session, { ...good, message: "" }), "bad_input"],
    [() => marketing.recordCheckpoint(session, { ...good, message: "a\u0000b" }), "bad_input"],
    [() => marketing.recordCheckpoint(session, { ...good, at: "yesterday" }), "bad_input"],
    [
      () => marketing.recordCheckpoint(session, { ...good, message: "x".repeat(2_000_000) }),
      "too_large",
    ],
    [() => viewer.recordCheckpoint(session, good), "forbidden"],
    [() => server.client.checkpoints({ limit: 0 }), "bad_input"],
  ] as const;
  for (const [call, code] of refusals) await assert.rejects(call(), { code });
  const long = `${message(1)}\n${"x".repeat(1_048_576)}`;
  const { at } = await marketing.recordCheckpoint(session, {
    ...{ ...good, message: long, at: "2999-01-01T00:00:00Z" },
  });
  assert.ok(Date.parse(at) <= Date.now(), "a time to come is now");
  await world.open();
  await assert.rejects(marketing.recordCheckpoint(session, good), { code: "fenced" });
  assert.equal((await server.client.checkpoints()).checkpoints.length, 1);
});

test("the last of an agent and all of a task are read off an index", async () => {
  await using world = await startWorld();
  const { db } = world.server.lastgood;
  await db`
    insert into checkpoints (commit_id, agent, task, summary, at, author)
    select lpad(to_hex(n), 40, '0'), 'agent-' || n % 50, 'task-' || n % 500, 'x',
           now() - n * interval '1 minute', 'x'
    from generate_series(1, 50000) n`;
  await db`analyze checkpoints`;
  const queries = {
    agent: db`agent = 'agent-7'`,
    task: db`task = 'task-7'`,
  };
  for (const [name, where] of Object.entries(queries)) {
    const rows = await db<{ "QUERY PLAN": string }[]>`
      explain (analyze, buffers) select * from checkpoints where ${where}
      order by at desc, seq desc limit 20`;
    const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
    assert.match(plan, /Index Scan/, name);
    assert.doesNotMatch(plan, /Sort|Seq Scan/, plan);
  }
});
