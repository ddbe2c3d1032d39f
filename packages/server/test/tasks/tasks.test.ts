/** Tasks on a real server: who gets them, who holds them, and what is left by the dead. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { configSchema } from "../../src/config/config.ts";
import { createTasks } from "../../src/tasks/tasks.ts";
import { realWorld } from "../../src/world.ts";
import { outcomesOf, startWork } from "../support/work.ts";

test("the same task assigned again changes nothing, and other content under its id is refused", async () => {
  await using world = await startWork();
  const { client } = world;
  const wanted = {
    ...{ id: "blog-17", title: "Write about recovery", agent: "writer-1" },
    ...{ subtasks: ["outline", "draft"], artifact: { path: "posts/recovery.md" } },
    details: { words: 800, tone: "calm" },
  };
  const first = await client.assignTask(wanted);
  assert.equal(first.already, false);
  assert.equal(first.assigner, "token:admin");
  const again = await client.assignTask({ ...wanted, details: { tone: "calm", words: 800 } });
  assert.deepEqual(again, { ...first, already: true });
  await assert.rejects(client.assignTask({ ...wanted, title: "Write about something else" }), {
    code: "already_exists",
    message: /blog-17.*another id/,
  });
  assert.deepEqual(await client.task("blog-17"), (({ already: _, ...task }) => task)(first));
  assert.equal((await client.taskHistory("blog-17")).history.length, 1);
});

test("a task goes from hand to hand with what is done of it, and is taken back when its work was", async () => {
  await using world = await startWork();
  const { client } = world;
  await client.assignTask({
    ...{ id: "T-1", title: "Write", role: "writers" },
    subtasks: ["outline", "draft", "polish"],
  });
  const [one, two] = [await world.as("writer-1"), await world.as("writer-2")];
  const first = await world.open("writer-1");
  await one.claimTask("T-1", first);
  await one.moveSubtask("T-1", 1, { session: first, state: "completed" });
  await one.moveSubtask("T-1", 1, { session: first, state: "completed" });
  await one.moveSubtask("T-1", 2, { session: first, state: "in_progress" });
  await world.crash(first);
  const left = await client.task("T-1");
  assert.deepEqual(
    left.subtasks.map(({ n, title, state }) => [n, title, state]),
    [
      [1, "outline", "completed"],
      [2, "draft", "in_progress"],
      [3, "polish", "pending"],
    ],
  );
  const second = await world.open("writer-2");
  await two.claimTask("T-1", second);
  for (const n of [2, 3]) await two.moveSubtask("T-1", n, { session: second, state: "completed" });
  const done = await two.completeTask("T-1", { session: second, result: { words: 800 } });
  assert.deepEqual([done.state, done.result, done.claim], ["completed", { words: 800 }, null]);
  const again = await client.reopenTask("T-1", { because: "it was reverted", fromSubtask: 2 });
  assert.deepEqual(
    [again.state, again.result, ...again.subtasks.map(({ state }) => state)],
    ["pending", null, "completed", "pending", "pending"],
  );
  assert.deepEqual(await client.task("T-1"), again);
  const { history } = await client.taskHistory("T-1");
  assert.deepEqual(history.map(({ what, subtask }) => [what, subtask].join(" ").trim()).reverse(), [
    ...["assign", "claim", "subtask 1", "subtask 2", "release"],
    ...["claim", "subtask 2", "subtask 3", "complete", "reopen"],
  ]);
});

test("ten who assign the same task at once assign it once, and its agent hears of it once", async () => {
  await using world = await startWork();
  const lead = await world.as("lead");
  const asked = { id: "T-1", title: "Review it", agent: "writer-1" };
  const answers = await Promise.all(Array.from({ length: 10 }, () => lead.assignTask(asked)));
  assert.equal(answers.filter(({ already }) => !already).length, 1);
  await world.allTold();
  const told = await world.read("writer-1-durable-v1");
  assert.deepEqual(
    told.map(({ type, details }) => [type, details.task]),
    [["task.assigned", "T-1"]],
  );
});

test("of twenty sessions that claim a task at once one gets it", async () => {
  await using world = await startWork();
  await world.client.assignTask({ id: "T-1", title: "Whoever is first", role: "writers" });
  const names = Array.from({ length: 20 }, (_, n) => `writer-${n}`);
  const claims = await Promise.all(
    names.map(async (name) => ({ client: await world.as(name), session: await world.open(name) })),
  );
  const { done, codes } = await outcomesOf(
    claims.map(({ client, session }) => client.claimTask("T-1", session)),
  );
  assert.equal(done, 1);
  assert.deepEqual([...new Set(codes)], ["target_busy"]);
  const { claim, state } = await world.client.task("T-1");
  assert.equal(state, "in_progress");
  const { history } = await world.client.taskHistory("T-1");
  assert.deepEqual(
    history.map(({ what, session }) => [what, session]),
    [
      ["claim", claim?.session],
      ["assign", null],
    ],
  );
  const records = await Promise.all(
    claims.map(async ({ session }) => (await world.client.sessionOf(session)).record),
  );
  assert.deepEqual(
    records.filter(({ tasks_started }) => tasks_started.length > 0).map((each) => each.session_id),
    [claim?.session],
  );
});

test("what a session held is free the moment it ends, however it ends", async () => {
  await using world = await startWork();
  const { client } = world;
  const writer = await world.as("writer-1");
  await client.assignTask({ id: "T-1", title: "Write", role: "writers" });
  const session = await world.open("writer-1");
  await writer.claimTask("T-1", session);
  await world.crash(session);
  const freed = await client.task("T-1");
  assert.deepEqual(
    [freed.state, freed.claim, freed.lastClaim?.session],
    ["pending", null, session],
  );
  const [event] = (await client.taskHistory("T-1")).history;
  assert.deepEqual(
    [event?.what, event?.from, event?.to, event?.because],
    ["release", "in_progress", "pending", "the session is over: crashed"],
  );
  const other = await world.open("writer-2");
  const taken = await (await world.as("writer-2")).claimTask("T-1", other);
  assert.equal(taken.claim?.session, other);
});

test("a claim of the dead counts for nothing even where nobody released it, and taking it over is recorded", async () => {
  await using world = await startWork();
  const { client, db } = world;
  await client.assignTask({ id: "T-1", title: "Write", role: "writers" });
  const session = await world.open("writer-1");
  await (await world.as("writer-1")).claimTask("T-1", session);
  // As of a program that ends sessions and knows nothing of tasks.
  await db`
    update sessions set ended_at = now(), exit_reason = 'crashed' where id = ${session}`;
  const [row] = await db`select state, worker_session from tasks where id = 'T-1'`;
  assert.deepEqual(row, { state: "in_progress", worker_session: session });
  assert.deepEqual((await client.task("T-1")).claim, null);
  assert.equal((await client.tasks({ state: "pending" })).tasks.length, 1);
  assert.equal((await client.tasks({ state: "in_progress" })).tasks.length, 0);
  const others = await Promise.all(
    ["writer-2", "writer-3"].map(async (name) => {
      const own = await world.open(name);
      return { client: await world.as(name), session: own };
    }),
  );
  const { done, codes } = await outcomesOf(
    others.map(({ client, session }) => client.claimTask("T-1", session)),
  );
  assert.deepEqual([done, codes], [1, ["target_busy"]]);
  const [event] = (await client.taskHistory("T-1")).history;
  assert.match(event?.because ?? "", new RegExp(`taken over: the session ${session} of writer-1`));
});

test("a session that is over moves nothing, and a claim of its agent's next session stands", async () => {
  await using world = await startWork();
  const writer = await world.as("writer-1");
  await world.client.assignTask({
    ...{ id: "T-1", title: "Write", agent: "writer-1" },
    subtasks: ["draft"],
  });
  const zombie = await world.open("writer-1");
  await writer.claimTask("T-1", zombie);
  const session = await world.open("writer-1");
  const mine = await writer.claimTask("T-1", session);
  for (const call of [
    () => writer.claimTask("T-1", zombie),
    () => writer.moveSubtask("T-1", 1, { session: zombie, state: "completed" }),
    () => writer.completeTask("T-1", { session: zombie }),
    () => writer.failTask("T-1", { session: zombie, because: "x" }),
    () => writer.blockTask("T-1", { session: zombie, because: "x" }),
    () => writer.releaseTask("T-1", zombie),
  ]) {
    await assert.rejects(call(), { code: "fenced", message: new RegExp(zombie) });
  }
  assert.deepEqual(await world.client.task("T-1"), mine);
});

test("a session's record has each task that it began and completed once, and counts it as back at work", async () => {
  await using world = await startWork();
  const writer = await world.as("writer-1");
  const session = await world.open("writer-1");
  for (const id of ["T-1", "T-2"]) {
    await world.client.assignTask({ id, title: "Write", agent: "writer-1" });
    await writer.claimTask(id, session);
    await writer.claimTask(id, session);
  }
  await writer.releaseTask("T-2", session);
  await writer.claimTask("T-2", session);
  await writer.completeTask("T-1", { session, result: { words: 800 } });
  await writer.completeTask("T-1", { session, result: { words: 800 } });
  const { record } = await world.client.sessionOf(session);
  assert.deepEqual(record.tasks_started, ["T-1", "T-2"]);
  assert.deepEqual(record.tasks_completed, ["T-1"]);
  const [row] = await world.db`select resumed_at from sessions where id = ${session}`;
  assert.notEqual(row?.resumed_at, null);
});

test("a session's record keeps the last 1,000 tasks", async () => {
  await using world = await startWork();
  const writer = await world.as("writer-1");
  const session = await world.open("writer-1");
  await world.db`
    update sessions
    set tasks_started = (select array_agg('old-' || n order by n) from generate_series(1, 1000) n)
    where id = ${session}`;
  await world.client.assignTask({ id: "T-1", title: "Write", agent: "writer-1" });
  await writer.claimTask("T-1", session);
  const { tasks_started } = (await world.client.sessionOf(session)).record;
  assert.deepEqual(
    [tasks_started.length, tasks_started[0], tasks_started.at(-1)],
    [1_000, "old-2", "T-1"],
  );
});

test("who has nothing to do with a task neither claims, unblocks nor reopens it", async () => {
  await using world = await startWork();
  const { client } = world;
  const [writer, loner] = [await world.as("writer-1"), await world.as("loner")];
  await client.assignTask({ id: "T-1", title: "Write", role: "writers" });
  const session = await world.open("writer-1");
  await writer.claimTask("T-1", session);
  await assert.rejects(loner.claimTask("T-1", await world.open("loner")), {
    code: "not_yours",
    message: /the role writers and not for loner/,
  });
  await assert.rejects(loner.claimTask("T-1", session), { code: "not_yours" });
  await writer.blockTask("T-1", { session, because: "no access" });
  await assert.rejects(loner.unblockTask("T-1", "I think so"), { code: "not_yours" });
  assert.equal((await client.task("T-1")).blockedBecause, "no access");
  assert.equal((await writer.unblockTask("T-1", "it is open now")).state, "pending");
  await writer.claimTask("T-1", session);
  await writer.completeTask("T-1", { session });
  await assert.rejects(loner.reopenTask("T-1", { because: "again" }), { code: "not_yours" });
  assert.equal((await client.reopenTask("T-1", { because: "reverted" })).state, "pending");
});

test("an agent's open tasks are its own, its roles' and what it worked on last; what changed last first", async () => {
  await using world = await startWork();
  const { client } = world;
  const writer = await world.as("writer-1");
  const assign = (id: string, to: object) => client.assignTask({ id, title: id, ...to });
  await assign("own", { agent: "writer-1" });
  await assign("role", { role: "writers" });
  await assign("anybody", {});
  await assign("other", { agent: "writer-2" });
  await assign("done", { agent: "writer-1" });
  const session = await world.open("writer-1");
  for (const id of ["anybody", "done"]) await writer.claimTask(id, session);
  await writer.completeTask("done", { session });
  await world.crash(session);
  const listed = async (agent: string) => (await client.tasks({ agent })).tasks.map(({ id }) => id);
  assert.deepEqual(await listed("writer-1"), ["anybody", "own"]);
  const { tasks, more } = await client.tasks({ state: "all", limit: 2 });
  assert.deepEqual([tasks.length, more], [2, true]);

  const room = createTasks({
    ...{ db: world.db, world: realWorld, log: pino({ level: "silent" }) },
    configuration: { base: "/", current: () => configSchema.parse({}) },
    inboxes: { tell: async () => assert.fail("there was nothing to tell") },
  });
  const open = await room.openFor("writer-1", ["writers"], 2);
  assert.deepEqual([open.tasks.map(({ id }) => id), open.more], [["anybody", "role"], 1]);
  await room.stop();
});
