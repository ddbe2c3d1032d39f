import assert from "node:assert/strict";
import { test } from "node:test";
import { checkpointMessage, Fault, type NewCheckpoint, parseCheckpoint } from "@lastgood/sdk";
import fc from "fast-check";

const draft =
  "feat(marketing): blog post draft - agent-state-recovery [task:task_2026_0921_014] [subtask:3/5]";

test("a checkpoint is read from its subject", () => {
  assert.deepEqual(parseCheckpoint(draft), {
    type: "feat",
    scope: "marketing",
    summary: "blog post draft - agent-state-recovery",
    task: "task_2026_0921_014",
    subtask: { n: 3, of: 5 },
  });
});

test("marks may stand anywhere in the subject, in any order, with spaces and in any case", () => {
  const wanted = { task: "T-1", subtask: { n: 2, of: 4 } };
  const subjects = [
    "[task:T-1] [subtask:2/4] fix: it",
    "[Subtask: 2 / 4] fix: it [TASK : T-1 ]",
    "fix: [task:T-1][subtask:2/4] it",
    "fix: it\n\nBecause.\n\nTask: T-1\nSubtask: 2/4\n",
    "fix: it\r\n\r\nReviewed-by: x\r\nSUBTASK : 2/4\r\ntask:T-1\r\n",
    "fix: it [task:T-1]\n\nSubtask: 2/4",
  ];
  for (const subject of subjects) {
    const { task, subtask, type, summary } = parseCheckpoint(subject);
    assert.deepEqual({ task, subtask }, wanted, subject);
    assert.deepEqual([type, summary], ["fix", "it"], subject);
  }
});

test("nonsense is no mark and stays to be seen; of several marks the first counts", () => {
  assert.deepEqual(
    parseCheckpoint("a [subtask:6/5] [subtask:x] [subtask:0/3] [task:] [task:a b]"),
    {
      ...{ type: null, scope: null, task: null, subtask: null },
      summary: "a [subtask:6/5] [subtask:x] [subtask:0/3] [task:] [task:a b]",
    },
  );
  const doubled = parseCheckpoint(
    "a [task:one] [subtask:9/3] [task:two] [subtask:1/3] [subtask:2/3]",
  );
  assert.deepEqual(
    [doubled.task, doubled.subtask, doubled.summary],
    ["one", { n: 1, of: 3 }, "a [subtask:9/3]"],
  );
  const both = parseCheckpoint("a [task:subject]\n\nTask: trailer");
  assert.equal(both.task, "subject");
  assert.equal(parseCheckpoint("a\n\nsee [task:body]\n\nTask: trailer").task, "trailer");
  assert.equal(parseCheckpoint("a\n\nsee [task:body]\n\nthe end").task, "body");
  assert.equal(parseCheckpoint("a\n\nTask: not here\n\nthe end").task, null);
});

test("a revert quotes the progress that it takes back, and is none", () => {
  const quoted = parseCheckpoint(`Revert "${draft}"\n\nThis reverts commit 1.`);
  assert.deepEqual([quoted.task, quoted.subtask], ["task_2026_0921_014", null]);
  assert.equal(parseCheckpoint("revert: it [task:T] [subtask:1/2]").subtask, null);
  assert.notEqual(parseCheckpoint(`Reapply "${draft}"`).subtask, null);
});

test("what no commit should say is read all the same", () => {
  const nothing = { type: null, scope: null, task: null, subtask: null };
  assert.deepEqual(parseCheckpoint(""), { ...nothing, summary: "" });
  assert.deepEqual(parseCheckpoint("\n\n \n"), { ...nothing, summary: "" });
  assert.equal(parseCheckpoint(`${"x".repeat(1_000_000)} [task:T]`).task, null);
  assert.equal(parseCheckpoint(`${"x".repeat(1_000_000)}\n\nTask: T`).task, "T");
  assert.equal(parseCheckpoint(`x\n\n${"y".repeat(1_000_000)}\n\nTask: T`).task, "T");
});

test("a hostile message of a megabyte is read at once", () => {
  const megabyte = 1_048_576;
  const hostile = [
    "[",
    "[task:",
    "[subtask:1",
    "[task:a] ",
    "(",
    "a(",
    "a (",
    "\n",
    "\n \n",
    " ",
    "\t:",
  ];
  for (const unit of [...hostile, "task:", "Task: a\n", "\r\n\r\n", "feat(", "1/", "\u{1F4A5}"]) {
    const text = unit.repeat(Math.ceil(megabyte / unit.length));
    for (const message of [text, `feat: ${text}`, `x\n\n${text}`, `${text}\n\nTask: T`]) {
      const began = performance.now();
      parseCheckpoint(message);
      // Some milliseconds; who looks again at each letter takes minutes.
      assert.ok(performance.now() - began < 5_000, `${JSON.stringify(unit)} took too long`);
    }
  }
});

test("the reader never throws, and what it says keeps its own limits", () => {
  const piece = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom(
      "[task:",
      "[subtask:",
      "]",
      "3/5",
      "[",
      ":",
      "\n",
      "\r\n",
      "Task:",
      "feat(",
      ")",
    ),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const { summary, task, subtask, scope } = parseCheckpoint(pieces.join(""));
      assert.ok(summary.length <= 500 && !/[\r\n]/.test(summary));
      assert.ok(task === null || /^[^\s[\]]{1,200}$/.test(task));
      assert.ok(subtask === null || (subtask.n >= 1 && subtask.n <= subtask.of));
      assert.ok(scope === null || scope.length <= 100);
    }),
    { numRuns: 2_000 },
  );
});

const words = fc.oneof(
  fc.string({ minLength: 1, maxLength: 60 }),
  fc.constantFrom(
    "draft",
    "feat: draft",
    'Revert "x"',
    "a [task:other]",
    "[subtask:1/2]",
    "a  b",
    "x [y]",
  ),
);
const asked: fc.Arbitrary<NewCheckpoint> = fc.record(
  {
    type: fc.oneof(fc.constantFrom("feat", "fix", "a b", ""), fc.string({ maxLength: 8 })),
    scope: fc.oneof(
      fc.constantFrom("marketing", "x)y"),
      fc.string({ minLength: 1, maxLength: 12 }),
    ),
    summary: words,
    task: fc.oneof(fc.constantFrom("task_2026_0921_014", "T-1"), fc.string({ maxLength: 20 })),
    subtask: fc.record({
      n: fc.integer({ min: -1, max: 12 }),
      of: fc.integer({ min: 0, max: 12 }),
    }),
    body: fc.oneof(
      fc.string(),
      fc.constantFrom("Why.\n\nTask: other", "[task:other]", "Subtask: 1/2"),
    ),
    as: fc.constantFrom("subject" as const, "trailers" as const),
  },
  { requiredKeys: ["summary", "task"] },
);

test("what the writer writes the reader reads back; the rest it refuses as bad input", () => {
  let written = 0;
  fc.assert(
    fc.property(asked, (checkpoint) => {
      let message: string;
      try {
        message = checkpointMessage(checkpoint);
      } catch (error) {
        assert.ok(error instanceof Fault && error.code === "bad_input", String(error));
        return;
      }
      written += 1;
      assert.deepEqual(parseCheckpoint(message), {
        type: checkpoint.type ?? null,
        scope: checkpoint.scope ?? null,
        summary: checkpoint.summary.replaceAll(/\s+/g, " ").trim(),
        task: checkpoint.task,
        subtask: checkpoint.subtask === undefined ? null : { ...checkpoint.subtask },
      });
    }),
    { numRuns: 5_000 },
  );
  assert.ok(written > 200, `only ${written} were written`);
});

test("the writer says what to change", () => {
  const plain = { summary: "blog post draft", task: "T-1" };
  assert.equal(
    checkpointMessage({ ...plain, type: "feat", scope: "marketing", subtask: { n: 3, of: 5 } }),
    "feat(marketing): blog post draft [task:T-1] [subtask:3/5]\n",
  );
  assert.equal(
    checkpointMessage({ ...plain, subtask: { n: 3, of: 5 }, body: "Half of it.", as: "trailers" }),
    "blog post draft\n\nHalf of it.\n\nTask: T-1\nSubtask: 3/5\n",
  );
  const refused: readonly [Partial<NewCheckpoint>, string, RegExp][] = [
    [{ task: "two words" }, "task", /without spaces/],
    [{ task: "" }, "task", /1 to 200/],
    [{ subtask: { n: 6, of: 5 } }, "subtask", /6\/5 is no progress: write it as 3\/5/],
    [{ subtask: { n: 1.5, of: 5 } }, "subtask", /no progress/],
    [{ summary: "two\nlines" }, "summary", /one line/],
    [{ summary: " " }, "summary", /at least a word/],
    [{ summary: "docs: it" }, "summary", /leading "type:"/],
    [{ summary: "it [task:T-2]" }, "summary", /leave marks out/],
    [{ summary: 'Revert "it"', subtask: { n: 1, of: 2 } }, "summary", /is a revert/],
    [{ summary: "x".repeat(501) }, "summary", /500 characters/],
    [{ type: "a type" }, "type", /such as feat or fix/],
    [{ scope: "marketing" }, "scope", /needs a type/],
    [{ type: "feat", scope: "(x)" }, "scope", /without parentheses/],
    [{ body: "a\u0000b" }, "body", /no NUL/],
    [{ body: "Subtask: 1/2" }, "summary", /marks a task or subtask itself/],
  ];
  for (const [change, path, says] of refused) {
    assert.throws(
      () => checkpointMessage({ ...plain, ...change }),
      (error) =>
        error instanceof Fault &&
        error.code === "bad_input" &&
        error.context.path === path &&
        says.test(error.message),
      JSON.stringify(change),
    );
  }
});
