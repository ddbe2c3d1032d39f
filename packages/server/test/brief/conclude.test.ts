import assert from "node:assert/strict";
import { test } from "node:test";
import { briefOf, type Parts, taskCommitsOf } from "../../src/brief/brief.ts";
import { chooseTask } from "../../src/brief/choose-task.ts";
import { progressOf } from "../../src/brief/progress.ts";
import {
  commitOf,
  effectOf,
  fileOf,
  id,
  messageOf,
  partsOf,
  sessionOf,
  taskOf,
  treeOf,
} from "./sample.ts";

function conclusionOf(change: Partial<Parts> = {}) {
  return briefOf(partsOf(change)).conclusion;
}

test("it concludes where to go on: task, subtask, artifact, word and line", () => {
  const { says, subtask, artifact, doubts } = conclusionOf();
  assert.equal(
    says,
    'Resume task task_2026_0921_014 at subtask 3 of 5 ("Draft") from artifact posts/launch.md, word 800, line 41.',
  );
  assert.deepEqual(subtask, { n: 3, of: 5, title: "Draft" });
  assert.deepEqual(artifact, {
    ...{ path: "posts/launch.md", words: 800, lines: 41, uncommittedWords: 120 },
  });
  assert.deepEqual(doubts, ["Newer than the last commit: posts/launch.md."]);
});

test("where commits and the record differ the commits are believed, and it is a doubt", () => {
  const taskCommits = [commitOf("c3", { subtask: { n: 3, of: 5 } })];
  const { subtask, doubts } = conclusionOf({ taskCommits });
  assert.equal(subtask?.n, 4);
  assert.match(doubts[0] ?? "", /commits say that 3 of 5.*record does not \(3\).*believed/);

  const beyond = conclusionOf({
    choice: { as: "interrupted", task: taskOf({}, 4), others: [] },
    taskCommits: [commitOf("c2", { subtask: { n: 2, of: 5 } })],
  });
  assert.equal(beyond.subtask?.n, 5);
  assert.match(beyond.doubts[0] ?? "", /record has subtask 3, 4 of 5 as done.*only 2/);
});

test("a commit that was reverted is progress no more, whatever the record says", () => {
  const reverted = { by: "lastgood", commit: id("f1"), because: "it broke the front page" };
  const gone = commitOf("c3", { subtask: { n: 2, of: 5 }, reverted });
  const { subtask, doubts } = conclusionOf({ taskCommits: [gone] });
  assert.deepEqual([subtask?.n, subtask?.title], [2, "Outline"]);
  assert.match(doubts[0] ?? "", /Subtask 2 counts as not done: its commit c300000 was reverted/);

  const redone = [commitOf("c4", { subtask: { n: 2, of: 5 } }), gone];
  const again = conclusionOf({ taskCommits: redone });
  assert.equal(again.subtask?.n, 3);
  assert.ok(!again.doubts.join().includes("reverted"));
});

test("commits alone tell the progress of a task without subtasks", () => {
  const task = taskOf({ subtasks: [] });
  const marked = [commitOf("c3", { subtask: { n: 3, of: 5 } })];
  assert.deepEqual(progressOf(task, marked).next, { n: 4, of: 5, title: "" });
  assert.deepEqual(progressOf(task, []), { next: null, of: 0, begun: false, doubts: [] });
  const { says } = conclusionOf({
    choice: { as: "interrupted", task, others: [] },
    taskCommits: marked,
  });
  assert.match(says, /^Resume task task_2026_0921_014 at subtask 4 of 5 from artifact/);
  const other = progressOf(taskOf(), [commitOf("c1", { subtask: { n: 1, of: 3 } })]);
  assert.match(other.doubts.join(), /counts 3 subtasks, and the task has 5/);
});

test("a task whose subtasks are all done is to be finished", () => {
  const choice = { as: "claimed", task: taskOf({ artifact: null }, 5), others: [] } as const;
  const { says, subtask } = conclusionOf({ choice, taskCommits: [] });
  assert.match(says, /^Finish task task_2026_0921_014: all its 5 subtasks are done/);
  assert.equal(subtask, null);
});

test("what is not begun is begun, and nothing is made up where nothing is to do", () => {
  const fresh = taskOf({ lastClaim: null, artifact: null }, 0);
  const begin = conclusionOf({ choice: { as: "pending", task: fresh }, taskCommits: [] });
  assert.equal(begin.says, 'Begin task task_2026_0921_014 at subtask 1 of 5 ("Research").');
  const taken = taskOf({ lastClaim: null, artifact: null }, 1);
  assert.match(conclusionOf({ choice: { as: "pending", task: taken } }).says, /^Resume/);

  const none = {
    choice: { as: "none", task: null },
    tasks: [],
    workTree: null,
    place: null,
  } as const;
  const idle = conclusionOf({ ...none, before: [] });
  assert.equal(idle.says, "Nothing to do: no open task is for marketing, and no message waits.");
  assert.deepEqual([idle.task, idle.subtask, idle.artifact, idle.doubts], [null, null, null, []]);
  assert.equal(
    conclusionOf({ ...none, messages: [messageOf(1)], moreMessages: 2 }).says,
    "Nothing to resume: no open task is for marketing to take up. There are 3 messages waiting in its inbox.",
  );
  const unreadable = conclusionOf({ ...none, unanswered: ["Which messages wait is not known."] });
  assert.ok(!unreadable.says.includes("no message waits"), unreadable.says);
});

test("everything that the records leave open is a doubt", () => {
  const { doubts } = conclusionOf({
    before: [sessionOf({ endedAt: null, exitReason: null, tasksStarted: ["T-gone"] })],
    effects: [effectOf()],
    messages: [messageOf(1, { deliveries: 2 }), messageOf(2)],
    moreTasks: 3,
    choice: { as: "interrupted", task: taskOf(), others: ["T-2"] },
    inputs: [
      {
        collection: "pages",
        id: "front",
        read: 3,
        now: 5,
        by: "backend",
        at: "2026-09-21T08:58:00Z",
      },
    ],
    workTree: treeOf({
      source: "saved",
      files: [fileOf({ status: "deleted", words: null, lines: null })],
      leftovers: ["index.lock"],
      unread: ["secret: permission denied"],
    }),
    unanswered: ["Which messages wait could not be read: NATS is away."],
  });
  const wanted = [
    /effect eff_1mf3k9q7x2ap .*social\.post tweet.* is unknown: look it up/,
    /Message m-1 went out 2 times before/,
    /has no recorded end: it may still work/,
    /Task T-gone, which sess_20260921_083000_marketing began/,
    /disk could not be read: files are as they were saved at 2026-09-21T08:59:59/,
    /Newer than the last commit: posts\/launch\.md/,
    /artifact posts\/launch\.md was deleted/,
    /Left behind in the work tree: index\.lock/,
    /Not read: secret: permission denied/,
    /more than one task: also on T-2/,
    /pages\/front was read at version 3; backend has changed it since, it is at 5/,
    /NATS is away/,
  ];
  assert.equal(doubts.length, wanted.length, doubts.join("\n"));
  for (const [index, says] of wanted.entries()) assert.match(doubts[index] ?? "", says);
});

test("many doubts of one kind are named a few times and then counted", () => {
  const effects = Array.from({ length: 8 }, (_, n) => effectOf({ id: `eff_${n}` }));
  const doubts = conclusionOf({ effects }).doubts.filter((each) => /effect/.test(each));
  assert.equal(doubts.length, 6);
  assert.match(doubts[5] ?? "", /^3 more effects/);
});

test("a task whose work was taken back and that nobody opened again is a doubt", () => {
  const back = { layer: "code", target: "api", reason: "", by: "lastgood", revert: null };
  const takenBack = ["task_2026_0921_014", "T-done"].map((task) => ({
    ...{ ...back, task, to: id("d1"), because: "it broke", incident: null },
  }));
  const told = { contained: [], takenBack, parked: null };
  const found = conclusionOf({ told }).doubts.filter((each) => each.includes("is not open"));
  assert.deepEqual(found, [
    "Task T-done is not open, and its commit d100000 was reverted: if it is still wanted, `lastgood tasks reopen T-done`.",
  ]);
});

test("a commit that was recorded and is not on the branch any more is a doubt", () => {
  const recorded = [commitOf("c2", { at: "2026-09-21T08:45:00.000Z" })];
  const { doubts } = conclusionOf({ recorded });
  assert.match(doubts.join("\n"), /Commit c20000000000, recorded by the session before, is not on/);
  const old = [commitOf("c2", { at: "2026-09-21T07:00:00.000Z" })];
  assert.ok(!conclusionOf({ recorded: old }).doubts.join().includes("is not on the branch"));
});

test("a work tree that nobody could read is a doubt, and its words are not known", () => {
  const { doubts, artifact, says } = conclusionOf({ workTree: null, branch: null });
  assert.match(doubts.join(), /work tree \/tree\/marketing could not be read/);
  assert.deepEqual(artifact, {
    ...{ path: "posts/launch.md", words: null, lines: null, uncommittedWords: null },
  });
  assert.match(says, /from artifact posts\/launch\.md\.$/);
  const clean = conclusionOf({ workTree: treeOf({ files: [] }) });
  assert.equal(clean.artifact?.uncommittedWords, 0);
  const measured = { words: 680, lines: 35 };
  const committed = conclusionOf({ workTree: treeOf({ files: [] }), measured });
  assert.deepEqual(committed.artifact, {
    ...{ path: "posts/launch.md", ...measured, uncommittedWords: 0 },
  });
});

test("the session's own claim comes first, then what it interrupted, then what waits longest", () => {
  const held = (session: string, since: string) => ({ agent: "marketing", session, since });
  const mine = taskOf({ id: "mine", state: "in_progress" });
  const claimed = { ...mine, claim: held("s9", "1"), lastClaim: held("s9", "1") };
  const last = taskOf({ id: "last", lastClaim: held("s8", "5") });
  const first = taskOf({ id: "first", lastClaim: held("s8", "3") });
  const older = taskOf({ id: "older", lastClaim: held("s7", "4") });
  const begun = taskOf({ id: "begun", lastClaim: held("s1", "2") });
  const role = taskOf({ id: "role", agent: null, role: "writers", createdAt: "0" });
  const fresh = { lastClaim: null, createdAt: "2" };
  const waiting = [
    taskOf({ ...fresh, id: "late", createdAt: "3" }),
    taskOf({ ...fresh, id: "early" }),
    { ...role, lastClaim: null },
  ];
  const blocked = taskOf({ id: "blocked", state: "blocked" });
  const colleague = { agent: "other", session: "s2", since: "1" };
  const theirs = taskOf({
    id: "theirs",
    state: "in_progress",
    claim: colleague,
    lastClaim: colleague,
  });
  const asking = { agent: "marketing", session: "s9", before: ["s8", "s7"] };
  const rest = [...waiting, blocked, theirs];
  const choose = (...tasks: Parameters<typeof chooseTask>[0]) => {
    const choice = chooseTask(tasks, asking);
    return [choice.as, choice.task?.id, ...("others" in choice ? choice.others : [])];
  };
  assert.deepEqual(choose(...rest, older, first, last, begun, claimed), [
    ...["claimed", "mine", "last", "first", "older"],
  ]);
  assert.deepEqual(choose(...rest, older, first, last, begun), [
    ...["interrupted", "last", "first", "older"],
  ]);
  assert.deepEqual(choose(...rest, begun), ["begun", "begun"]);
  assert.deepEqual(choose(...rest), ["pending", "early"]);
  assert.deepEqual(choose(blocked, theirs, { ...role, lastClaim: null }), ["pending", "role"]);
  assert.deepEqual(choose(blocked, theirs), ["none", undefined]);
});

test("it is told what must be known first: containment, reverts, and how the session before ended", () => {
  const { notices } = briefOf(
    partsOf({
      before: [sessionOf(), sessionOf({ id: "sess_older", exitReason: "hung" })],
      told: {
        parked: null,
        contained: [
          {
            since: new Date("2026-09-21T08:50:00Z"),
            reinstatedAt: new Date("2026-09-21T08:58:00Z"),
            ...{ because: "a query without its index", incident: "inc_1" },
          },
        ],
        takenBack: [
          {
            ...{
              layer: "code",
              task: null,
              target: "api",
              to: id("b8e4d12"),
              reason: "Refactor queries",
            },
            ...{ by: "lastgood", revert: id("9f1e"), because: "it dropped an index" },
            incident: "inc_1",
          },
        ],
      },
    }),
  );
  assert.deepEqual(notices, [
    "You were contained from 2026-09-21T08:50:00Z to 2026-09-21T08:58:00Z: a query without its index (inc_1)",
    'Your commit b8e4d12 of api ("Refactor queries") was reverted by 9f1e000 because it dropped an index (inc_1). Do not bring it back.',
    "Your session before, sess_20260921_083000_marketing, crashed at 2026-09-21T08:55:10Z: its process 4711 is gone.",
    "2 sessions in a row did not end cleanly.",
  ]);
});

test("recovery is full after anything but a clean end", () => {
  const recoveryAfter = (exitReason: "completed" | "stopped" | "fenced" | "evicted" | null) =>
    briefOf(partsOf({ before: [sessionOf({ exitReason })] })).recovery;
  assert.deepEqual((["completed", "stopped"] as const).map(recoveryAfter), ["fresh", "fresh"]);
  assert.deepEqual(([null, "fenced", "evicted"] as const).map(recoveryAfter), [
    "full",
    "full",
    "full",
  ]);
  assert.equal(briefOf(partsOf({ before: [] })).recovery, "fresh");
});

test("the commits of a task are those that were recorded and those that are only on the branch, each once", () => {
  const recorded = [commitOf("c2", { at: "2" }), commitOf("c1", { at: "1" })];
  const branch = [
    commitOf("c4", { at: "4" }),
    commitOf("c2", { at: "2" }),
    commitOf("x", { task: null }),
  ];
  const found = taskCommitsOf("task_2026_0921_014", recorded, branch, 200);
  assert.deepEqual(
    found.map(({ commit }) => commit),
    [id("c4"), id("c2"), id("c1")],
  );
  assert.equal(taskCommitsOf("task_2026_0921_014", recorded, branch, 2).length, 2);
});
