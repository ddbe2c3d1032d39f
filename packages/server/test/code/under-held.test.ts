import assert from "node:assert/strict";
import { test } from "node:test";
import { standsOn } from "../../src/layers/code/under-held.ts";
import { type CodeWorld, run, signal, startCodeWorld } from "./world.ts";

/** `id: parents`, oldest first. */
function commits(graph: Readonly<Record<string, readonly string[]>>) {
  return Object.entries(graph).map(([id, parents]) => ({ id, parents }));
}

test("a revert stands on the newest commit that nothing held back is in", () => {
  const straight = commits({ x: ["b"], y: ["x"], t: ["y"] });
  assert.equal(standsOn(straight, "b", new Set(["x"])), "b");
  assert.equal(standsOn(straight, "b", new Set(["t"])), "y");
});

test("what others pushed beside it is kept, whichever way round it was merged", () => {
  const merged = (parents: readonly string[]) =>
    standsOn(commits({ x: ["b"], m: ["b"], n: ["m"], t: parents }), "b", new Set(["x"]));
  assert.equal(merged(["n", "x"]), "n");
  assert.equal(merged(["x", "n"]), "n");
});

test("where no one commit has all the others, there is none to stand on", () => {
  const fork = commits({ x: ["b"], m: ["b"], n: ["b"], t: ["x", "m", "n"] });
  assert.equal(standsOn(fork, "b", new Set(["x"])), null);
});

/** The guilty commit, then one that is held back, then one of another agent on top of it. */
async function pushedMeanwhile(world: CodeWorld) {
  const { origin } = world;
  origin.commit({ a: "good\n", b: "1\n", c: "1\n" }, "begin");
  const guilty = origin.commit({ a: "bad\n" }, "guilty");
  const held = origin.commit({ b: "2\n" }, "held");
  const after = origin.commit({ c: "2\n" }, "on top of it", "search@fleet.test");
  origin.push();
  world.heldBack = async (_, all) =>
    all.includes(held) ? [{ commit: held, because: "its hand is contained" }] : [];
  return { guilty, held, after };
}

test("a revert goes in under what is held back: that stays on the branch, and is not served with it", async () => {
  await using world = await startCodeWorld();
  const { origin, code } = world;
  const { guilty, held, after } = await pushedMeanwhile(world);
  const step = world.stepOf(await world.plan([guilty]));
  assert.equal(step.action.from, guilty);
  assert.equal(step.action.onto?.tip, after);
  assert.match(step.says, /not served yet: its hand is contained/);
  const change = await world.apply(step);
  const at = (commit: string, path: string) => run(origin.url, "show", `${commit}:${path}`);
  assert.equal(at(step.action.to, "a"), "good");
  assert.equal(at(step.action.to, "b"), "1");
  assert.equal(at("main", "a"), "good");
  assert.equal(at("main", "b"), "2");
  assert.equal(at("main", "c"), "2");
  assert.equal(origin.tip(), step.action.onto?.merge);
  const merged = run(origin.url, "merge-base", "--is-ancestor", held, "main");
  assert.equal(merged, "");
  assert.equal((await code.layer.verify(step, signal)).ok, true);
  const recorded = await world.changeOf(step.action.to);
  assert.equal(recorded.id, change);
  assert.deepEqual(recorded.reverts, [(await world.changeOf(guilty)).id]);
  assert.equal((await world.changeOf(origin.tip())).agent, "lastgood");
});

test("the same world gives the same merge, applying it again moves nothing, another machine can", async () => {
  await using world = await startCodeWorld();
  const { origin } = world;
  const { guilty } = await pushedMeanwhile(world);
  const plan = await world.plan([guilty]);
  assert.deepEqual(await world.plan([guilty]), plan);
  const step = world.stepOf(plan);
  const other = await world.another();
  const context = { changeId: (await world.changeOf(guilty)).id, actor: "x", reason: "y" };
  await other.layer.apply(step, { ...context, changeId: crypto.randomUUID() as never }, signal);
  assert.equal(origin.tip(), step.action.onto?.merge);
  await world.apply(step);
  assert.equal(origin.tip(), step.action.onto?.merge);
  assert.equal((await other.layer.verify(step, signal)).ok, true);
});

test("taking the revert back gives what was taken back again, and keeps what waited", async () => {
  await using world = await startCodeWorld();
  const { origin, code } = world;
  const { guilty } = await pushedMeanwhile(world);
  const step = world.stepOf(await world.plan([guilty]));
  await world.apply(step);
  world.heldBack = async () => [];
  await world.apply(world.stepOf(await code.layer.undo(step, signal)));
  assert.equal(origin.file("a"), "bad");
  assert.equal(origin.file("b"), "2");
});

test("what conflicts with the tip, or was pushed on top of what is held back, is a person's", async () => {
  await using world = await startCodeWorld();
  const { origin } = world;
  origin.commit({ a: "1\n" }, "begin");
  const held = origin.commit({ b: "1\n" }, "held");
  const guilty = origin.commit({ a: "2\n" }, "guilty");
  origin.push();
  world.heldBack = async () => [{ commit: held, because: "its hand is contained" }];
  const under = await world.plan([guilty]);
  assert.match(under.conflicts.join(), /its hand is contained.*was pushed on top of it/);
  assert.deepEqual(under.steps, []);
  const again = origin.commit({ a: "3\n" }, "the same line");
  origin.push();
  world.heldBack = async () => [{ commit: again, because: "its hand is contained" }];
  const conflicting = await world.plan([guilty]);
  assert.match(conflicting.conflicts.join(), /conflicts in a, changed later by .*the same line/);
});
