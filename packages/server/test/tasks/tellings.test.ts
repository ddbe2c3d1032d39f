/** Whoever must hear of a task hears of it once, whatever is repeated and whoever dies in between. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { startTelling } from "../../src/tasks/task-loop.ts";
import { realWorld } from "../../src/world.ts";
import { startDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";
import { killedWaiting, outcomesOf, startWork, type Work } from "../support/work.ts";

async function claimed(world: Work, id: string, role = "writers") {
  const lead = await world.as("lead");
  await lead.assignTask({ id, title: `Write ${id}`, role });
  const session = await world.open("writer-1");
  const writer = await world.as("writer-1");
  await writer.claimTask(id, session);
  return { writer, session, lead };
}

test("the assigner hears once that its task is completed, however often that is said", async () => {
  await using world = await startWork();
  const { writer, session } = await claimed(world, "T-1");
  const end = { session, result: { words: 800 } };
  const { codes } = await outcomesOf(
    Array.from({ length: 8 }, () => writer.completeTask("T-1", end)),
  );
  assert.deepEqual(codes, []);
  await world.allTold();
  const told = await world.read("lead-durable-v1");
  assert.deepEqual(
    told.map(({ type, text, details }) => [type, text, details]),
    [
      [
        "task.completed",
        'writer-1 completed the task T-1 ("Write T-1")',
        { task: "T-1", title: "Write T-1", state: "completed", by: "writer-1" },
      ],
    ],
  );
});

test("each failure and each block is told once, and whoever of the role may go on hears of it", async () => {
  await using world = await startWork();
  const { writer, session, lead } = await claimed(world, "T-1");
  for (const because of ["no access", "still no access"]) {
    await writer.failTask("T-1", { session, because });
    await writer.failTask("T-1", { session, because });
    await lead.unblockTask("T-1", "try again");
    await writer.claimTask("T-1", session);
  }
  await writer.blockTask("T-1", { session, because: "waits for legal" });
  await world.allTold();
  const told = await world.read("lead-durable-v1");
  assert.deepEqual(
    told.map(({ type, details }) => [type, details.because, details.failures]),
    [
      ["task.failed", "no access", 1],
      ["task.failed", "still no access", 2],
      ["task.blocked", "waits for legal", undefined],
    ],
  );
  const shared = await world.read("writers-shared-v1");
  assert.deepEqual(
    shared.map(({ type }) => type),
    ["task.assigned", "task.unblocked", "task.unblocked"],
  );
});

test("a server that died between telling and forgetting tells nobody twice", async () => {
  await using world = await startWork();
  const { writer, session } = await claimed(world, "T-1");
  await world.db`create table kept as select * from task_tellings`;
  await world.db`
    create rule keep as on delete to task_tellings do also
      insert into kept select old.*`;
  await writer.completeTask("T-1", { session });
  await world.allTold();
  // What the dead server had not forgotten yet is there again.
  const again = await world.db`insert into task_tellings select * from kept returning id`;
  assert.ok(again.length >= 1, "there was something to tell again");
  await world.allTold();
  assert.equal((await world.read("lead-durable-v1")).length, 1);
});

test("a completion that dies half-way has changed nothing, and is done and told once when it is repeated", async () => {
  await using world = await startWork();
  const { db, client } = world;
  const { writer, session } = await claimed(world, "T-1");
  await world.allTold();
  const before = { task: await client.task("T-1"), ...(await client.taskHistory("T-1")) };
  await killedWaiting(
    db,
    // It waits only for its last statement: all before it was written.
    (tx) => tx`select from sessions where id = ${session} for no key update`,
    () => writer.completeTask("T-1", { session }),
  );
  const after = { task: await client.task("T-1"), ...(await client.taskHistory("T-1")) };
  assert.deepEqual(after, before);
  assert.equal((await db`select 1 from task_tellings`).length, 0);
  await writer.completeTask("T-1", { session });
  await world.allTold();
  assert.equal((await world.read("lead-durable-v1")).length, 1);
  assert.deepEqual((await client.sessionOf(session)).record.tasks_completed, ["T-1"]);
});

test("one that can never be told is in the task's history, and holds up nobody", async () => {
  await using world = await startWork();
  const { db, client } = world;
  await client.assignTask({ id: "T-1", title: "Write", agent: "writer-1" });
  await world.allTold();
  const message = (id: string) => ({ id, type: "task.test", text: id, details: {} });
  await db`
    insert into task_tellings (id, task, agent, message, due_at) values
      ('a', 'T-1', 'no/such agent', ${db.json(message("a"))}, now() - interval '1 minute'),
      ('b', 'T-1', 'lead', ${db.json(message("b"))}, now())`;
  await world.allTold();
  assert.deepEqual(
    (await world.read("lead-durable-v1")).map(({ text }) => text),
    ["b"],
  );
  const [event] = (await client.taskHistory("T-1")).history;
  assert.equal(event?.what, "untold");
  assert.match(event?.because ?? "", /no\/such agent could not be told \(task\.test\)/);
});

test("what cannot be told now is told when the inboxes are back", async () => {
  await using store = await startDatabase();
  const { db } = store;
  await db`
    insert into tasks (id, title, assigner, asked, created_at, updated_at)
    values ('T-1', 'Write', 'lead', '', now(), now())`;
  await db`
    insert into task_tellings (id, task, agent, message, due_at)
    values ('x', 'T-1', 'lead', ${db.json({ id: "x", type: "t", text: "x", details: {} })}, now())`;
  const told: string[] = [];
  let isAway = true;
  const loop = startTelling({
    ...{ db, world: realWorld, log: pino({ level: "silent" }) },
    inboxes: {
      async tell(to, { id }) {
        if (isAway) throw new Error("the connection was lost");
        told.push(`${String(to)} ${id}`);
      },
    },
  });
  await until("it was tried", async () => {
    const rows = await db`select 1 from task_tellings where tries > 0 and due_at > now()`;
    return rows.length > 0 || null;
  });
  isAway = false;
  await until("it is told", async () => told.length > 0 || null);
  await loop.stop();
  assert.deepEqual(told, ["lead x"]);
  assert.equal((await db`select 1 from task_tellings`).length, 0);
});
