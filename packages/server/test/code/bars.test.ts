import assert from "node:assert/strict";
import { test } from "node:test";
import type { IncidentId } from "../../src/ids.ts";
import { barredAmong, liftBar, listBars } from "../../src/layers/code/bars-store.ts";
import type { BarredPush } from "../../src/layers/code/watch-loop.ts";
import { type CodeWorld, run, signal, startCodeWorld } from "./world.ts";

const lines = (...numbers: readonly number[]) => numbers.map((each) => `line ${each}\n`).join("");

async function rolledBack(world: CodeWorld): Promise<{ guilty: string; revert: string }> {
  const { origin } = world;
  origin.commit({ a: lines(1, 2, 3), b: "b\n" }, "begin");
  const guilty = origin.commit({ a: lines(1, 3) }, "bad");
  origin.push();
  const step = world.stepOf(await world.plan([guilty]));
  await world.apply(step);
  origin.git("pull", "--quiet", "--ff-only", "origin", "main");
  return { guilty, revert: step.action.to };
}

const barredNow = async (world: CodeWorld, ...ids: readonly string[]) =>
  (
    await barredAmong(
      world.db,
      "api",
      ids.map((id) => ({ id, patchId: null })),
    )
  ).map(({ commit }) => commit);

test("the guilty agent that pushes its change again at once is refused, and reverted again", async () => {
  await using world = await startCodeWorld();
  const { origin, code } = world;
  const { guilty, revert } = await rolledBack(world);
  assert.deepEqual(await code.admit("api", [guilty, revert]), { ok: true });

  const again = origin.commit({ a: lines(1, 3) }, "Optimise, take two");
  const good = origin.commit({ b: "c\n" }, "good");
  const barred: string[] = [];
  const reported: BarredPush[] = [];
  let away = true;
  code.watch.onBarred(async (push) => {
    if (away) throw new Error("the incidents' room is away");
    reported.push(push);
  });
  code.watch.subscribe((_, __, news) => barred.push(...news.barred.map(({ commit }) => commit)));
  origin.push();
  await assert.rejects(world.look(), /away/);
  away = false;
  await world.look();
  assert.deepEqual(barred, [again], "the watch says so with the tip");
  assert.deepEqual(
    reported.map(({ commit, agent, incident }) => [commit, agent, incident]),
    [[again, "backend@fleet.test", "inc_1"]],
  );
  assert.deepEqual(await code.admit("api", [again, good]), {
    ok: false,
    because: `${again.slice(0, 12)} brings back what was rolled back in inc_1 ("bad"): latency rose to 2 s`,
    deployable: null,
  });
  const admission = await code.admit("api", [revert, again, good]);
  assert.equal(admission.ok ? null : admission.deployable, revert);

  const step = world.stepOf(await world.plan([guilty]));
  assert.deepEqual(step.action.commits, [again], "what brought it again is what is taken back");
  await world.apply(step);
  assert.equal(origin.file("a"), lines(1, 2, 3).trimEnd());
  assert.equal(origin.file("b"), "c");
  await world.look();
  assert.deepEqual(await code.admit("api", [again, good, step.action.to]), { ok: true });
});

test("a person's revert of the revert is recognised, whatever its message says", async () => {
  await using world = await startCodeWorld();
  const { origin } = world;
  const { revert } = await rolledBack(world);
  origin.git("-c", "user.email=p@q", "-c", "user.name=p", "revert", "--no-edit", revert);
  origin.git("-c", "user.email=p@q", "-c", "user.name=p", "commit", "--amend", "-m", "Tidy up");
  const tidy = origin.git("rev-parse", "HEAD");
  const claims = origin.commit({}, `Revert "Tidy up"\n\nThis reverts commit ${tidy}.`);
  origin.push();
  await world.look();
  assert.deepEqual(await barredNow(world, tidy, claims), [tidy], "a claim takes nothing back");
});

test("several commits that went back together are barred together too", async () => {
  await using world = await startCodeWorld();
  const { origin } = world;
  origin.commit({ a: lines(1, 2, 3) }, "begin");
  const one = origin.commit({ a: lines(1, 3) }, "one");
  const two = origin.commit({ a: lines(3) }, "two");
  origin.push();
  const step = world.stepOf(await world.plan([one, two]));
  await world.apply(step);
  origin.git("pull", "--quiet", "--ff-only", "origin", "main");
  const squashed = origin.commit({ a: lines(3) }, "both in one");
  origin.push();
  await world.look();
  assert.deepEqual(await barredNow(world, squashed), [squashed]);
  assert.deepEqual(await barredNow(world, step.action.to), [], "the revert itself is not barred");
});

test("a merge that was rolled back is barred as a squash of it", async () => {
  await using world = await startCodeWorld();
  const { origin } = world;
  origin.commit({ a: lines(1, 2, 3) }, "begin");
  origin.git("checkout", "--quiet", "-b", "topic");
  origin.commit({ a: lines(1, 3) }, "topic");
  origin.git("checkout", "--quiet", "main");
  origin.commit({ b: "b\n" }, "meanwhile");
  origin.git("-c", "user.email=x@y", "-c", "user.name=x", "merge", "--quiet", "--no-ff", "topic");
  const merge = origin.git("rev-parse", "HEAD");
  origin.push();
  await world.apply(world.stepOf(await world.plan([merge])));
  origin.git("pull", "--quiet", "--ff-only", "origin", "main");
  const again = origin.commit({ a: lines(1, 3) }, "squashed");
  origin.push();
  await world.look();
  assert.deepEqual(await barredNow(world, again), [again]);
});

test("a bar ends when an operator lifts it with a reason, or when its incident is closed", async () => {
  await using world = await startCodeWorld();
  const { origin, db } = world;
  const { guilty } = await rolledBack(world);
  const again = origin.commit({ a: lines(1, 3) }, "again");
  origin.push();
  await world.look();
  const [bar] = await listBars(db, { lifted: false, limit: 10 });
  const lift = { at: new Date(), by: "token:ann", because: "the index exists now" };
  const lifted = await liftBar(db, bar?.id ?? "", lift);
  assert.equal(lifted?.lifted?.because, "the index exists now");
  assert.deepEqual(await barredNow(world, again), []);
  assert.equal((await listBars(db, { lifted: true, limit: 10 })).length, 1);

  const step = world.stepOf(await world.plan([again], { incident: "inc_2" as IncidentId }));
  await world.apply(step);
  await world.look();
  assert.deepEqual(await barredNow(world, again), [again]);
  const at = new Date();
  await db`
    insert into incidents ${db({
      id: "inc_2",
      kind: "regression",
      signature: "api latency",
      severity: "high",
      service: "api",
      title: "slow",
      state: "closed",
      phase: {},
      onset: at,
      detected_at: at,
      opened_at: at,
      closed_at: at,
    })}`;
  assert.deepEqual(await barredNow(world, again), []);
  assert.notEqual(guilty, again);
});

test("a revert applied again leaves a bar lifted that a person lifted", async () => {
  await using world = await startCodeWorld();
  const { origin, db } = world;
  origin.commit({ a: "1\n" }, "begin");
  const guilty = origin.commit({ a: "2\n" }, "bad");
  origin.push();
  const step = world.stepOf(await world.plan([guilty]));
  const changeId = await world.apply(step);
  const [bar] = await listBars(db, { lifted: false, limit: 10 });
  await liftBar(db, bar?.id ?? "", { at: new Date(), by: "token:ann", because: "known" });
  await world.apply(step, changeId);
  assert.deepEqual(await listBars(db, { lifted: false, limit: 10 }), []);
  assert.equal(run(origin.url, "rev-list", "--count", "main"), "3");
  assert.equal((await world.code.layer.verify(step, signal)).ok, true);
});
