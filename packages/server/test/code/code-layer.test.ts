import assert from "node:assert/strict";
import { test } from "node:test";
import { listBars } from "../../src/layers/code/bars-store.ts";
import { run, signal, startCodeWorld } from "./world.ts";

const lines = (...numbers: readonly number[]) => numbers.map((each) => `line ${each}\n`).join("");

test("the guilty commit alone is taken back, proved, recorded and barred", async () => {
  await using world = await startCodeWorld((url) => ({
    repositories: { api: { url } },
    agents: { backend: { authors: ["backend@fleet.test"] } },
  }));
  const { origin } = world;
  origin.commit({ "query.sql": lines(1, 2, 3), "readme.md": "hello\n" }, "begin");
  const guilty = origin.commit({ "query.sql": lines(1, 3) }, "Refactor queries [task:T-7]");
  origin.commit({ "readme.md": "hello, you\n" }, "Greet", "frontend@fleet.test");
  origin.push();

  const plan = await world.plan([guilty]);
  assert.deepEqual(plan, await world.plan([guilty]), "the same world gives the same plan");
  assert.deepEqual(plan.conflicts, []);
  assert.equal(plan.reversible, true);
  assert.equal(plan.touches.commits, 1);
  assert.match(plan.losses.join(), /"Refactor queries \[task:T-7\]" by backend.*query\.sql/);
  const step = world.stepOf(plan);
  const before = origin.tip();
  assert.equal(step.action.from, before, "planning moved nothing");
  assert.equal((await world.code.layer.verify(step, signal)).ok, false);

  const changeId = await world.apply(step);
  assert.equal(origin.tip(), step.action.to);
  assert.equal(run(origin.url, "rev-parse", "main^"), before, "a new commit, no rewritten history");
  assert.equal(origin.file("query.sql"), lines(1, 2, 3).trimEnd());
  assert.equal(origin.file("readme.md"), "hello, you");
  const message = run(origin.url, "log", "-1", "--format=%B", "main");
  assert.match(message, /^Revert "Refactor queries/);
  assert.match(message, new RegExp(`This reverts commit ${guilty}\\.`));
  assert.match(message, /\[task:T-7\]/);
  assert.match(message, /^Incident: inc_1$/m);
  assert.deepEqual(await world.code.layer.verify(step, signal), {
    ok: true,
    observed: [
      `main of api is at ${step.action.to.slice(0, 12)} and holds the revert ${step.action.to.slice(0, 12)}`,
      "1 of 1 reverted paths are as the revert made them",
    ],
  });

  await world.apply(step, changeId);
  const changes = await world.look();
  const recorded = changes.filter((change) => change.to === step.action.to);
  assert.deepEqual(
    recorded.map(({ id, agent, reverts, from }) => ({ id, agent, reverts, from })),
    [
      {
        id: changeId,
        agent: "lastgood",
        reverts: [(await world.changeOf(guilty)).id],
        from: before,
      },
    ],
  );
  const bars = await listBars(world.db, { lifted: false, limit: 10 });
  assert.deepEqual(
    bars.map(({ commit, incident }) => [commit, incident]),
    [[guilty, "inc_1"]],
  );
});

test("several commits go back as one, newest first, across what others did in between", async () => {
  await using world = await startCodeWorld();
  const { origin } = world;
  origin.commit({ a: lines(1), b: "b\n" }, "begin");
  const first = origin.commit({ a: lines(1, 2) }, "second line");
  origin.commit({ b: "c\n" }, "other file", "frontend@fleet.test");
  const second = origin.commit({ a: lines(1, 2, 3) }, "third line");
  origin.push();
  const step = world.stepOf(await world.plan([first, second]));
  assert.deepEqual(step.action.commits, [second, first]);
  await world.apply(step);
  assert.equal(origin.file("a"), "line 1");
  assert.equal(origin.file("b"), "c");
  assert.equal((await world.code.layer.verify(step, signal)).ok, true);
});

test("a revert that conflicts lists the files and whose later commits touch them", async () => {
  await using world = await startCodeWorld();
  const { origin } = world;
  origin.commit({ a: lines(1, 2), b: "b\n" }, "begin");
  const guilty = origin.commit({ a: lines(1, 22) }, "alter");
  const later = origin.commit({ a: lines(1, 222) }, "alter again", "frontend@fleet.test");
  origin.push();
  const before = origin.tip();
  const plan = await world.plan([guilty]);
  assert.deepEqual(plan.steps, []);
  assert.deepEqual(plan.conflicts, [
    `api: taking back ${guilty.slice(0, 12)} conflicts in a, changed later by ${later.slice(0, 12)} "alter again" by frontend@fleet.test`,
  ]);
  assert.equal(origin.tip(), before);
});

test("a merge goes back to its mainline, and a root commit to the empty tree", async () => {
  await using world = await startCodeWorld();
  const { origin } = world;
  const root = origin.commit({ a: "a\n" }, "root");
  origin.commit({ b: "b\n" }, "second");
  origin.git("checkout", "--quiet", "-b", "topic");
  origin.commit({ c: "c\n" }, "topic one");
  origin.commit({ d: "d\n" }, "topic two");
  origin.git("checkout", "--quiet", "main");
  origin.commit({ e: "e\n" }, "meanwhile");
  origin.git("-c", "user.email=x@y", "-c", "user.name=x", "merge", "--quiet", "--no-ff", "topic");
  const merge = origin.git("rev-parse", "HEAD");
  origin.push();

  const undoMerge = world.stepOf(await world.plan([merge]));
  await world.apply(undoMerge);
  assert.deepEqual(run(origin.url, "ls-tree", "--name-only", "main").split("\n"), ["a", "b", "e"]);
  assert.equal((await world.code.layer.verify(undoMerge, signal)).ok, true);

  const undoRoot = world.stepOf(await world.plan([root]));
  await world.apply(undoRoot);
  assert.deepEqual(run(origin.url, "ls-tree", "--name-only", "main").split("\n"), ["b", "e"]);
});

test("what cannot be reverted is said with its code, and the remote stays as it was", async () => {
  await using world = await startCodeWorld();
  const { origin } = world;
  origin.commit({ a: "1\n" }, "begin");
  const empty = origin.commit({}, "empty");
  const done = origin.commit({ a: "2\n" }, "bad");
  origin.git("-c", "user.email=x@y", "-c", "user.name=x", "revert", "--no-edit", done);
  const lost = origin.commit({ b: "b\n" }, "to be lost");
  origin.push();
  await world.look();
  const undone = (await world.look()).find((change) => change.reverts.length > 0);
  assert.deepEqual(undone?.reverts, [(await world.changeOf(done)).id], "a person's revert is seen");

  await assert.rejects(world.plan([empty]), { code: "nothing_to_revert" });
  await assert.rejects(world.plan([done]), { code: "nothing_to_revert" });

  origin.git("reset", "--quiet", "--hard", "HEAD~1");
  origin.commit({ c: "c\n" }, "instead");
  origin.push("--force");
  const before = origin.tip();
  await assert.rejects(world.plan([lost]), { code: "history_rewritten", message: /was on main/ });
  const rewritten = (await world.look()).filter((change) => change.kind === "history-rewritten");
  assert.deepEqual(
    rewritten.map(({ from, to, details }) => [from, to, details.dropped]),
    [[lost, before, [lost]]],
  );
  assert.equal(origin.tip(), before);
});

test("a commit that never was on the branch is not on the branch", async () => {
  await using world = await startCodeWorld();
  const { origin } = world;
  origin.commit({ a: "1\n" }, "begin");
  origin.push();
  const [change] = await world.look();
  const elsewhere = origin.commit({ b: "b\n" }, "elsewhere");
  await world.db`update changes set to_ref = ${elsewhere} where id = ${change?.id ?? ""}`;
  await assert.rejects(world.plan([elsewhere]), { code: "not_on_branch" });
});

test("a branch that is checked out is not pushed to, but a revert can be offered there", async () => {
  await using world = await startCodeWorld((url) => ({
    repositories: {
      api: { url: url.replace(/api\.git$/, "api-clone") },
      offered: { url: url.replace(/api\.git$/, "api-clone"), deliver: "branch" },
    },
  }));
  const { origin, code } = world;
  origin.commit({ a: "1\n" }, "begin");
  const guilty = origin.commit({ a: "2\n" }, "bad");
  await assert.rejects(world.plan([guilty]), {
    code: "branch_checked_out",
    message: /deliver: branch/,
  });
  await world.look("offered");
  const undo = {
    changes: (await world.look("offered")).filter((each) => each.to === guilty).map(({ id }) => id),
    agents: [],
    services: [],
    since: new Date(),
    incident: null,
    because: "bad",
  };
  const step = world.stepOf(await code.layer.plan(undo, signal));
  await world.apply(step);
  const branch = `lastgood/revert-${step.action.to.slice(0, 12)}`;
  assert.equal(origin.git("rev-parse", branch), step.action.to);
  const waiting = await code.layer.verify(step, signal);
  assert.deepEqual(waiting, {
    ok: "waiting",
    waitsFor: `the merge of ${branch} into main of offered`,
  });
  await world.apply(step);

  origin.git("-c", "user.email=x@y", "-c", "user.name=x", "merge", "--quiet", "--squash", branch);
  origin.commit({}, "merged by squash", "reviewer@fleet.test");
  assert.equal((await code.layer.verify(step, signal)).ok, true);
});

test("a remote that is down leaves the loop running and says so, and a plan waits for it", async () => {
  await using world = await startCodeWorld((url) => ({
    repositories: { api: { url }, gone: { url: `${url}-gone` } },
  }));
  await assert.rejects(world.look("gone"), { code: "layer_unreachable" });
  const status = world.code.watch.statusOf("gone");
  assert.equal(status.state, "failing");
  assert.equal(status.problem?.code, "layer_unreachable");
  world.origin.commit({ a: "1\n" }, "begin");
  run(world.folder, "clone", "--quiet", "--bare", world.origin.clone, `${world.origin.url}-gone`);
  assert.equal((await world.look("gone")).length, 1);
  assert.equal(world.code.watch.statusOf("gone").state, "watching");
});

test("a tip that moved makes the plan stale, unless the revert is on it already", async () => {
  await using world = await startCodeWorld();
  const { origin } = world;
  origin.commit({ a: "1\n" }, "begin");
  const guilty = origin.commit({ a: "2\n" }, "bad");
  origin.push();
  const stale = world.stepOf(await world.plan([guilty]));
  origin.commit({ b: "b\n" }, "meanwhile");
  origin.push();
  const before = origin.tip();
  await assert.rejects(world.apply(stale), { code: "plan_stale" });
  assert.equal(origin.tip(), before);
  assert.deepEqual(await listBars(world.db, { lifted: true, limit: 10 }), [], "nothing is barred");

  const step = world.stepOf(await world.plan([guilty]));
  await world.apply(step);
  origin.git("pull", "--quiet", "--ff-only", "origin", "main");
  origin.commit({ c: "c\n" }, "afterwards");
  origin.push();
  const after = origin.tip();
  await world.apply(step);
  assert.equal(origin.tip(), after);
  assert.equal((await world.code.layer.verify(step, signal)).ok, true);
});

test("verify catches an apply that did something else, and one that did half", async () => {
  await using world = await startCodeWorld();
  const { origin } = world;
  origin.commit({ a: "1\n", b: "1\n" }, "begin");
  const guilty = origin.commit({ a: "2\n", b: "2\n" }, "bad");
  origin.push();
  const step = world.stepOf(await world.plan([guilty]));
  const half = origin.commit({ a: "1\n" }, `Revert "bad"\n\nThis reverts commit ${guilty}.`);
  origin.push();
  assert.equal((await world.code.layer.verify(step, signal)).ok, false);
  const pretended = { ...step, action: { ...step.action, to: half } };
  const verification = await world.code.layer.verify(pretended, signal);
  assert.equal(verification.ok, false);
  assert.match(verification.ok ? "" : verification.differences.join(), /is not the revert of/);
});

test("a revert is taken back by a revert, and its bars are lifted with it", async () => {
  await using world = await startCodeWorld();
  const { origin, code } = world;
  origin.commit({ a: "1\n" }, "begin");
  const guilty = origin.commit({ a: "2\n" }, "bad");
  origin.push();
  const step = world.stepOf(await world.plan([guilty]));
  await world.apply(step);
  const again = world.stepOf(await code.layer.undo(step, signal));
  assert.deepEqual(again.action.commits, [step.action.to]);
  await world.apply(again);
  assert.equal(origin.file("a"), "2");
  assert.equal((await code.layer.verify(again, signal)).ok, true);
  assert.deepEqual(await listBars(world.db, { lifted: false, limit: 10 }), []);
  const third = world.stepOf(await code.layer.undo(again, signal));
  await world.apply(third);
  assert.equal(origin.file("a"), "1");
  assert.equal((await listBars(world.db, { lifted: false, limit: 10 })).length, 1);
});

test("another machine applies what this one planned", async () => {
  await using world = await startCodeWorld();
  const { origin } = world;
  origin.commit({ a: "1\n" }, "begin");
  const guilty = origin.commit({ a: "2\n" }, "bad");
  origin.push();
  const step = world.stepOf(await world.plan([guilty]));
  const other = await world.another();
  const context = { changeId: (await world.changeOf(guilty)).id, actor: "x", reason: "y" };
  await other.layer.apply(step, { ...context, changeId: crypto.randomUUID() as never }, signal);
  assert.equal(origin.tip(), step.action.to);
  assert.equal((await world.code.layer.verify(step, signal)).ok, true);
});
