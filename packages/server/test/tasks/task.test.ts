/** What may become of a task, whoever tries what in whatever order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { taskActs } from "@lastgood/sdk";
import fc from "fast-check";
import { Fault } from "../../src/fault.ts";
import {
  block,
  claim,
  complete,
  fail,
  free,
  isFor,
  moveSubtask,
  release,
  reopen,
  type Task,
  unblock,
} from "../../src/tasks/task.ts";
import { tellingOf } from "../../src/tasks/tellings.ts";

const born = new Date("2026-09-21T08:00:00Z");
const sessions = ["sess_a", "sess_b"] as const;

const fresh: Task = {
  ...{ id: "T-1", title: "write it", agent: null, role: null, assigner: "lead", artifact: null },
  details: null,
  subtasks: [1, 2].map((n) => ({ n, title: `part ${n}`, state: "pending", updatedAt: born })),
  ...{
    phase: { state: "pending" },
    lastWorker: null,
    failures: 0,
    createdAt: born,
    updatedAt: born,
  },
};

interface Try {
  readonly name: string;
  readonly act: keyof typeof taskActs | "end";
  readonly session: string;
  arrow(task: Task, at: Date): Task;
}

const acts = [...(Object.keys(taskActs) as (keyof typeof taskActs)[]), "end"] as const;

/** What leads on to a completed task is tried more often than what turns it back: else few come so far. */
const tried: fc.Arbitrary<Try> = fc
  .record({
    act: fc.oneof(
      { weight: 1, arbitrary: fc.constantFrom(...acts) },
      { weight: 2, arbitrary: fc.constantFrom("claim", "subtask", "complete") },
    ),
    session: fc.constantFrom(...sessions),
    n: fc.integer({ min: 1, max: 3 }),
    to: fc.constantFrom("in_progress" as const, "completed" as const),
    text: fc.constantFrom("the index is gone", "it is late"),
  })
  .map(({ act, session, n, to, text }) => ({
    ...{ name: `${act} ${session} ${n} ${to} ${text}`, act, session },
    arrow(task, at) {
      switch (act) {
        case "claim":
          return claim(task, { agent: "writer", session, since: at });
        case "release":
          return release(task, session, at);
        case "subtask":
          return moveSubtask(task, { session, n, to }, at);
        case "complete":
          return complete(task, session, text, at);
        case "fail":
          return fail(task, session, text, at);
        case "block":
          return block(task, session, text, at);
        case "unblock":
          return unblock(task, at);
        case "reopen":
          return reopen(task, n, at);
        case "end":
          return free(task, at);
      }
    },
  }));

function requireSound(task: Task, before: Task): void {
  const { phase } = task;
  if (phase.state === "in_progress") assert.deepEqual(phase.worker, task.lastWorker);
  if (phase.state === "blocked") assert.notEqual(phase.because, "");
  if (phase.state === "completed") {
    assert.ok(task.subtasks.every(({ state }) => state === "completed"));
  }
  assert.ok(task.failures >= before.failures && task.failures <= before.failures + 1);
  assert.ok(task.updatedAt >= before.updatedAt);
  assert.deepEqual(
    task.subtasks.map(({ n }) => n),
    [1, 2],
  );
}

test("any order of acts keeps a task sound, and an act that is not allowed changes nothing", () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.array(tried, { minLength: 60, maxLength: 150 }), (tries) => {
      let task = fresh;
      for (const [index, { act, session, arrow }] of tries.entries()) {
        const was = structuredClone(task);
        const at = new Date(born.getTime() + (index + 1) * 1_000);
        let next: Task;
        try {
          next = arrow(task, at);
        } catch (error) {
          assert.ok(error instanceof Fault, String(error));
          assert.ok(["state_forbids", "target_busy", "not_found"].includes(error.code), error.code);
          assert.match(error.message, /T-1/);
          assert.deepEqual(task, was);
          seen.add(error.code);
          continue;
        }
        assert.deepEqual(task, was, "what was is never altered");
        if (next !== task) {
          const { state } = task.phase;
          const allowed: readonly string[] = act === "end" ? ["in_progress"] : taskActs[act];
          assert.ok(allowed.includes(state), `${act} of a task that is ${state}`);
          const others = state === "in_progress" && task.phase.worker.session !== session;
          assert.ok(!others || act === "end", `${act} of what another session holds`);
          seen.add(act);
        }
        requireSound(next, task);
        task = next;
      }
    }),
    { numRuns: 500 },
  );
  for (const each of [...Object.keys(taskActs), "end", "state_forbids", "target_busy"]) {
    assert.ok(seen.has(each), `no run came to ${each}`);
  }
});

test("whatever is repeated changes nothing", () => {
  const at = born;
  const worker = { agent: "writer", session: "sess_a", since: at };
  const claimed = claim(fresh, worker);
  assert.equal(claim(claimed, { ...worker, since: new Date() }), claimed);
  const released = release(claimed, "sess_a", at);
  assert.equal(release(released, "sess_a", new Date()), released);
  const failed = fail(claimed, "sess_a", "no way", at);
  assert.equal(fail(failed, "sess_a", "no way", new Date()), failed);
  const done = [1, 2].reduce(
    (task, n) => moveSubtask(task, { session: "sess_a", n, to: "completed" }, at),
    claimed,
  );
  assert.equal(moveSubtask(done, { session: "sess_a", n: 2, to: "completed" }, new Date()), done);
  const completed = complete(done, "sess_a", { words: 800, by: ["a"] }, at);
  assert.equal(complete(completed, "sess_a", { by: ["a"], words: 800 }, new Date()), completed);
  assert.throws(() => complete(completed, "sess_a", { words: 1 }, at), { code: "state_forbids" });
  assert.throws(() => complete(completed, "sess_b", { words: 800, by: ["a"] }, at), {
    code: "state_forbids",
  });
});

test("a task is not completed while a subtask is open", () => {
  const claimed = claim(fresh, { agent: "writer", session: "sess_a", since: born });
  const half = moveSubtask(claimed, { session: "sess_a", n: 1, to: "completed" }, born);
  assert.throws(() => complete(half, "sess_a", null, born), {
    code: "state_forbids",
    message: /not completed: 2/,
  });
});

test("what is reopened is to be done again from the named subtask on", () => {
  const claimed = claim(fresh, { agent: "writer", session: "sess_a", since: born });
  const done = [1, 2].reduce(
    (task, n) => moveSubtask(task, { session: "sess_a", n, to: "completed" }, born),
    claimed,
  );
  const again = reopen(complete(done, "sess_a", null, born), 2, born);
  assert.equal(again.phase.state, "pending");
  assert.deepEqual(
    again.subtasks.map(({ state }) => state),
    ["completed", "pending"],
  );
});

test("an agent may claim what is its own, its roles' or nobody's", () => {
  assert.ok(isFor({ agent: "writer", role: null }, "writer", []));
  assert.ok(!isFor({ agent: "writer", role: null }, "editor", ["writers"]));
  assert.ok(isFor({ agent: null, role: "writers" }, "editor", ["writers"]));
  assert.ok(!isFor({ agent: null, role: "writers" }, "editor", []));
  assert.ok(isFor({ agent: null, role: null }, "anyone", []));
});

test("nobody is told of what it did itself, and a person has no inbox", () => {
  const happened = { what: "complete", who: "writer", because: "", entry: 7 } as const;
  assert.equal(tellingOf({ ...fresh, assigner: "lead" }, happened)?.to, "lead");
  assert.equal(tellingOf({ ...fresh, assigner: "writer" }, happened), null);
  assert.equal(tellingOf({ ...fresh, assigner: "token:ann" }, happened), null);
  const assigned = { what: "assign", who: "lead", because: "", entry: 1 } as const;
  assert.equal(tellingOf(fresh, assigned), null, "it is nobody's");
  assert.equal(tellingOf({ ...fresh, agent: "lead" }, assigned), null);
  assert.deepEqual(tellingOf({ ...fresh, role: "writers" }, assigned)?.to, { role: "writers" });
  for (const what of ["claim", "release", "subtask"] as const) {
    assert.equal(tellingOf(fresh, { ...assigned, what }), null);
  }
});
