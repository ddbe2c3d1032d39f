/** Work that is begun, gone on with while pins move, and done again: on a real server. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Client, Execution, InFlightPolicy, JsonValue } from "@lastgood/sdk";
import { forgetEnded, oldestOfLast } from "../../src/executions/execution-store.ts";
import type { Db } from "../../src/store/database.ts";
import { production, refused } from "../releases/world.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { until } from "../support/until.ts";

let server: TestServer;
let client: Client;
let db: Db;
before(async () => {
  server = await startServer({ agents: { refunder: {}, router: {} } });
  client = server.client;
  db = server.lastgood.db;
});
after(async () => await server[Symbol.asyncDispose]());

let named = 0;

/** An artifact of its own with releases 1 and 2, of which 1 is pinned. */
async function pinned(inFlight: InFlightPolicy): Promise<string> {
  const artifact = `spec-${++named}`;
  await client.declareArtifact(artifact, { kind: "spec", inFlight });
  for (const version of ["1", "2"]) {
    await client.publishRelease(artifact, { version, content: { version } });
  }
  await client.deployRelease(production, artifact, { version: "1" });
  return artifact;
}

async function begun(artifact: string, key: string, input?: JsonValue): Promise<Execution> {
  const { go, execution } = await client.beginExecution({ artifact, key, input });
  assert.equal(go, "run");
  return execution;
}

const move = (artifact: string, version = "2") =>
  client.deployRelease(production, artifact, { version });

test("work is begun under the pinned release, and finished once for its key", async () => {
  const artifact = await pinned("switch");
  const first = await begun(artifact, "ticket-1", { text: "hello" });
  assert.deepEqual([first.version, first.attempt, first.state], ["1", 1, "running"]);
  const again = await client.beginExecution({ artifact, key: "ticket-1" });
  assert.equal(again.execution.id, first.id, "the same worker asks again");
  await client.endExecution(first.id, { state: "finished", output: "done" });
  await client.endExecution(first.id, { state: "finished" });
  const { go, execution } = await client.beginExecution({ artifact, key: "ticket-1" });
  assert.deepEqual([go, execution.id, execution.state], ["done", first.id, "finished"]);
  const { input, output } = await client.execution(first.id);
  assert.deepEqual([input, output], [{ text: "hello" }, "done"]);
  await assert.rejects(
    client.endExecution(first.id, { state: "failed", error: "no" }),
    refused("state_forbids", /is finished/),
  );
});

test("of twenty that begin the same work at once one does it", async () => {
  const artifact = await pinned("switch");
  const ids = Array.from({ length: 20 }, () => `exe_${crypto.randomUUID().replaceAll("-", "")}`);
  const all = await Promise.allSettled(
    ids.map((id) => client.beginExecution({ artifact, key: "ticket-1", id })),
  );
  const won = all.filter(({ status }) => status === "fulfilled");
  assert.equal(won.length, 1);
  const { executions } = await client.executions({ artifact });
  assert.equal(executions.length, 1);
});

test("finish-old: what was begun under a release ends under it", async () => {
  const artifact = await pinned("finish-old");
  const old = await begun(artifact, "ticket-1");
  await move(artifact);
  const { go, execution } = await client.stepExecution(old.id);
  assert.deepEqual([go, execution.id, execution.version], ["on", old.id, "1"]);
  await client.endExecution(old.id, { state: "finished" });
  const account = await client.inFlightAccount(production, artifact);
  assert.deepEqual([account.inFlight, account.finished], [1, 1]);
});

test("what begins by the old pin a moment after it moved is in flight too", async () => {
  const artifact = await pinned("finish-old");
  const old = await begun(artifact, "ticket-1");
  await client.endExecution(old.id, { state: "finished" });
  await move(artifact);
  const id = `exe_${crypto.randomUUID().replaceAll("-", "")}`;
  const late = { version: old.version, epoch: old.epoch, begunAt: new Date().toISOString() };
  await client.beginExecution({ artifact, key: "ticket-2", id, late });
  const account = await client.inFlightAccount(production, artifact);
  assert.deepEqual([account.inFlight, account.running], [1, 1]);
});

test("switch: the next step goes on under the new pin, and an answer that was lost is given again", async () => {
  const artifact = await pinned("switch");
  const old = await begun(artifact, "ticket-1", { amount: 3 });
  assert.equal((await client.stepExecution(old.id)).go, "on");
  await move(artifact);
  const { go, execution } = await client.stepExecution(old.id);
  assert.deepEqual([go, execution.version, execution.previous], ["switch", "2", old.id]);
  assert.equal((await client.stepExecution(old.id)).execution.id, execution.id);
  assert.equal((await client.stepExecution(execution.id)).go, "on");
  await client.endExecution(execution.id, { state: "finished" });
  const before = await client.execution(old.id);
  assert.deepEqual([before.state, before.next], ["switched", execution.id]);
  assert.deepEqual((await client.execution(execution.id)).input, { amount: 3 });
  const account = await client.inFlightAccount(production, artifact);
  assert.deepEqual([account.inFlight, account.switched], [1, 1]);
});

test("cancel-retry: who is told to stop begins again under the new pin by the same key", async () => {
  const artifact = await pinned("cancel-retry");
  const old = await begun(artifact, "ticket-1", { amount: 3 });
  await move(artifact);
  const { go, execution } = await client.stepExecution(old.id);
  assert.equal(go, "cancelled");
  assert.match(execution.error ?? "", /is 2 since epoch/);
  const waiting = await client.inFlightAccount(production, artifact);
  assert.deepEqual([waiting.inFlight, waiting.waiting], [1, 1]);
  const retry = await begun(artifact, "ticket-1");
  assert.deepEqual([retry.version, retry.attempt, retry.previous], ["2", 2, old.id]);
  assert.deepEqual((await client.execution(retry.id)).input, { amount: 3 });
  await assert.rejects(
    client.endExecution(old.id, { state: "finished" }),
    refused("state_forbids", new RegExp(`is retried, and ${retry.id} goes on`)),
  );
  await client.endExecution(retry.id, { state: "finished" });
  const account = await client.inFlightAccount(production, artifact);
  assert.deepEqual([account.inFlight, account.retried], [1, 1]);
});

test("an irreversible effect under way is never cancelled away, and it is said why", async () => {
  const artifact = await pinned("cancel-retry");
  const agent = await server.clientAs("agent", "refunder");
  const { record } = await agent.openSession({ door: "http" });
  const session = record.session_id;
  const { execution } = await agent.beginExecution({ artifact, key: "ticket-1", session });
  const { effect } = await agent.beginEffect({ session, key: "refund", kind: "refund" });
  await move(artifact);
  const { go, execution: spared } = await agent.stepExecution(execution.id);
  assert.deepEqual([go, spared.version], ["on", "1"]);
  assert.match(spared.spared ?? "", new RegExp(`irreversible effect ${effect.id} \\(refund\\)`));
  await agent.confirmEffect(effect.id, { session });
  assert.equal((await agent.stepExecution(execution.id)).go, "cancelled");
  const account = await client.inFlightAccount(production, artifact);
  assert.deepEqual([account.inFlight, account.waiting, account.spared], [1, 1, 1]);
  await agent.endSession(session, { reason: "completed" });
});

test("what failed under a bad release is queued again once, and done once under the good one", async () => {
  const artifact = await pinned("switch");
  await move(artifact);
  const agent = await server.clientAs("agent", "refunder");
  const keys = Array.from({ length: 30 }, (_, n) => `order-${n}`);
  for (const key of keys) {
    const { execution } = await agent.beginExecution({ artifact, key, input: { key } });
    await agent.endExecution(execution.id, { state: "failed", error: "over the limit of 100" });
  }
  await assert.rejects(
    client.requeueExecutions({ artifact, version: "2" }),
    refused("state_forbids", /is still pinned.*Roll back first/),
  );
  await client.rollBackRelease(production, artifact);
  const both = await Promise.all([
    client.requeueExecutions({ artifact, version: "2" }),
    client.requeueExecutions({ artifact, version: "2" }),
  ]);
  assert.equal(both[0].requeued + both[1].requeued, 30);
  assert.equal((await client.requeueExecutions({ artifact, version: "2" })).requeued, 0);

  const done: string[] = [];
  const worker = async () => {
    for (;;) {
      const { executions } = await agent.takeExecutions({ artifact, limit: 4 });
      if (executions.length === 0) return;
      for (const { id, key, version, input } of executions) {
        assert.deepEqual([version, input], ["1", { key }]);
        done.push(key);
        await agent.endExecution(id, { state: "finished" });
      }
    }
  };
  await Promise.all([worker(), worker(), worker()]);
  assert.deepEqual(done.sort(), keys.sort());
  const { executions } = await client.executions({ artifact, version: "2" });
  assert.ok(executions.every(({ state, error }) => state === "retried" && error !== null));
  assert.equal((await client.requeueExecutions({ artifact, version: "2" })).requeued, 0);
});

test("what a session had under way waits for the next one when it ends", async () => {
  const artifact = await pinned("finish-old");
  const agent = await server.clientAs("agent", "router");
  const { record } = await agent.openSession({ door: "http" });
  const { execution } = await agent.beginExecution({
    ...{ artifact, key: "ticket-1", session: record.session_id },
  });
  await agent.endSession(record.session_id, { reason: "crashed" });
  const stopped = await client.execution(execution.id);
  assert.deepEqual(
    [stopped.state, stopped.error],
    ["cancelled", `its session ${record.session_id} ended`],
  );
  const other = await server.clientAs("agent", "refunder");
  assert.deepEqual((await other.takeExecutions({ artifact })).executions, []);
  const { executions } = await agent.takeExecutions({ artifact });
  assert.deepEqual(
    executions.map(({ key, attempt }) => [key, attempt]),
    [["ticket-1", 2]],
  );
});

test("outcomes come later and for a part: a score, or the right answer that is compared", async () => {
  const artifact = await pinned("switch");
  const right = await begun(artifact, "ticket-1");
  const wrong = await begun(artifact, "ticket-2");
  const silent = await begun(artifact, "ticket-3");
  await client.endExecution(right.id, { state: "finished", output: " billing\n" });
  await client.endExecution(wrong.id, { state: "finished", output: { queue: "sales", n: 1 } });
  await client.endExecution(silent.id, { state: "finished" });
  assert.equal((await client.tellOutcome(right.id, { expected: "billing" })).score, 1);
  assert.equal((await client.tellOutcome(wrong.id, { expected: { n: 1, queue: "x" } })).score, 0);
  await assert.rejects(
    client.tellOutcome(silent.id, { expected: "billing" }),
    refused("state_forbids", /no output.*give a score/),
  );
  assert.equal((await client.tellOutcome(silent.id, { score: 0.5 })).score, 0.5);
  await client.tellOutcome(silent.id, { score: 1, note: "looked at again" });
  const { score, outcomes } = await client.execution(silent.id);
  assert.equal(score, 1);
  assert.deepEqual(
    outcomes.map(({ score, note }) => [score, note]),
    [
      [1, "looked at again"],
      [0.5, ""],
    ],
  );
});

test("nobody's end is a failure in time, and has finished all the same where nobody began it again", async () => {
  const artifact = await pinned("switch");
  const ids = new Map<string, string>();
  for (const key of ["told-late", "told-queued", "too-late", "failed"]) {
    ids.set(key, (await begun(artifact, key)).id);
  }
  const idOf = (key: string) => ids.get(key) ?? assert.fail(key);
  await client.endExecution(idOf("failed"), { state: "failed", error: "over the limit" });
  await db`update executions set expires_at = now() - interval '1 second' where artifact = ${artifact}`;
  await until("all to expire", async () => {
    const { executions } = await client.executions({ artifact, state: "failed" });
    return executions.length === 4;
  });
  const finish = (key: string) =>
    client.endExecution(idOf(key), {
      state: "finished",
      output: key,
      at: new Date().toISOString(),
    });
  assert.equal((await finish("told-late")).state, "finished");
  await move(artifact);
  await client.requeueExecutions({ artifact, version: "1" });
  assert.deepEqual([(await finish("told-queued")).error], [null]);
  const { executions } = await client.takeExecutions({ artifact, limit: 10 });
  assert.deepEqual(executions.map(({ key }) => key).sort(), ["failed", "too-late"]);
  await assert.rejects(finish("too-late"), refused("state_forbids", /is retried, and exe_/));
  await assert.rejects(finish("failed"), refused("state_forbids", /is retried, and exe_/));
  assert.equal((await client.beginExecution({ artifact, key: "told-queued" })).go, "done");
});

test("an end from the future, or from before its beginning, is refused, and a clock a little off is borne", async () => {
  const artifact = await pinned("switch");
  const { id, begunAt } = await begun(artifact, "ticket-1");
  const from = (ms: number) => new Date(Date.parse(begunAt) + ms).toISOString();
  const endAt = (at: string) => client.endExecution(id, { state: "finished", at });
  await assert.rejects(endAt("2999-01-01T00:00:00Z"), refused("bad_input", /2999.* is ahead of/));
  await assert.rejects(endAt(from(3_600_000)), refused("bad_input", /is ahead of/));
  await assert.rejects(endAt(from(-3_600_000)), refused("bad_input", /before it was begun at/));
  const { endedAt, state } = await endAt(from(-30_000));
  assert.deepEqual([state, endedAt], ["finished", begunAt]);
  const ahead = await begun(artifact, "ticket-2");
  const told = new Date(Date.now() + 30_000).toISOString();
  const ended = await client.endExecution(ahead.id, { state: "finished", at: told });
  assert.ok(Date.parse(ended.endedAt ?? "") <= Date.now(), "nothing ended later than it was told");
});

test("one agent does not speak for another's execution", async () => {
  const artifact = await pinned("switch");
  const one = await server.clientAs("agent", "refunder");
  const other = await server.clientAs("agent", "router");
  const { execution } = await one.beginExecution({ artifact, key: "ticket-1" });
  await assert.rejects(other.stepExecution(execution.id), refused("not_yours", /refunder/));
  await assert.rejects(
    other.endExecution(execution.id, { state: "failed", error: "x" }),
    refused("not_yours", /one of your own/),
  );
  await assert.rejects(
    other.beginExecution({ artifact, key: "ticket-1" }),
    refused("target_busy", /by refunder since/),
  );
});

test("work that is begun in the very moment when another takes it up is that one's, and no bug", async () => {
  const artifact = await pinned("switch");
  const { id } = await begun(artifact, "ticket-1");
  await client.endExecution(id, { state: "failed", error: "over the limit" });
  let beginning: ReturnType<Client["beginExecution"]> | null = null;
  const next = "exe_00000000000000000000000000000002";
  await db.begin(async (tx) => {
    await tx`select from executions where id = ${id} for update`;
    beginning = client.beginExecution({ artifact, key: "ticket-1" });
    await until("the begin to wait", async () => {
      const [at] = await db`
        select from pg_stat_activity where query like '%from executions%order by attempt%for update%'
          and wait_event_type = 'Lock' and datname = current_database() and pid <> pg_backend_pid()`;
      return at === undefined ? null : true;
    });
    const second = tx.json({ id: next, attempt: 2, state: "running", ended_at: null });
    await tx`
      insert into executions select (jsonb_populate_record(e, ${second})).* from executions e
      where id = ${id}`;
    await tx`update executions set state = 'retried', next = ${next} where id = ${id}`;
  });
  const found = await (beginning as ReturnType<Client["beginExecution"]> | null);
  assert.deepEqual([found?.execution.id, found?.go], [next, "run"]);
});

test("of the gateway's executions only the last ones are known, however many come", async () => {
  const from = Date.now();
  await db`
    insert into executions (id, environment, artifact, key, target, version, epoch, state, door, begun_at, ended_at, expires_at, expire_ms)
    select 'exe_bound_' || n, 'bounded', 'router', n, n, '1', 1, 'finished', 'gateway',
      ${new Date(from)}::timestamptz + n * interval '1 ms', now(), now(), 1 from generate_series(1, 5) n`;
  const gateway = await oldestOfLast(db, 2);
  assert.equal(gateway?.getTime(), from + 4);
  assert.equal(await oldestOfLast(db, 100), null);
  assert.equal(await forgetEnded(db, { gateway, others: new Date(0) }, 100), 3);
  const left = await db`select id from executions where environment = 'bounded' order by id`;
  assert.deepEqual(
    left.map(({ id }) => id),
    ["exe_bound_4", "exe_bound_5"],
  );
  const longAgo = new Date(1_000);
  await db`update executions set begun_at = ${longAgo} where environment = 'bounded'`;
  await db`update executions set door = 'sdk' where id = 'exe_bound_4'`;
  const before = { gateway: new Date(0), others: new Date(2_000) };
  assert.equal(await forgetEnded(db, before, 100), 1, "each door by its own age");
});

test("what a gateway reports from the future is kept by the time that it came", async () => {
  const artifact = await pinned("switch");
  const id = `exe_${crypto.randomUUID().replaceAll("-", "")}`;
  const nobody = { agent: null, session: null, previous: null, next: null, mirrorOf: null };
  const reported = {
    ...{ id, artifact, key: id, target: id, version: "1", attempt: 1, epoch: 999_999, ...nobody },
    ...{ dimensions: {}, error: null, outputDigest: null, state: "finished" as const },
    ...{ begunAt: "2999-01-01T00:00:00Z", endedAt: "2999-01-01T00:00:01Z" },
  };
  await client.reportGateway(production, { samples: [], executions: [reported] });
  const { begunAt, endedAt, epoch } = await client.execution(id);
  assert.ok(Date.parse(begunAt) <= Date.now() && Date.parse(endedAt ?? "") <= Date.now());
  assert.equal(epoch, (await client.pin(production, artifact)).epoch);
});
