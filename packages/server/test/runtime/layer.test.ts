import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { ChangeId } from "../../src/ids.ts";
import type { Step, Verification } from "../../src/layers/layer.ts";
import type { Change } from "../../src/ledger/change.ts";
import { exposeChanges, findChanges, recordChanges } from "../../src/ledger/ledger-store.ts";
import { newChangeId, realWorld } from "../../src/world.ts";
import { until } from "../support/until.ts";
import { answerOf, type ServiceWorld, startServiceWorld, untilServes } from "./service-world.ts";

const order = { revision: null, reason: null, override: false, actor: "token:test" };
/** The runner bounds each test: a deadline for all of them together would be the machine's. */
const { signal } = new AbortController();
const context = (changeId = newChangeId(realWorld)) => ({
  changeId,
  actor: "lastgood",
  reason: "incident inc_1",
});

test("a revision is planned, served, verified and taken back", async () => {
  await using world = await startServiceWorld();
  const [first, second] = await twoDeploys(world);
  const { layer } = world.runtime;
  const plan = await world.runtime.planServe(world.service, first);
  assert.deepEqual(
    plan.steps.map(({ action }) => action),
    [{ do: "set-revision", service: world.service, from: second, to: first }],
  );
  assert.deepEqual(plan, await world.runtime.planServe(world.service, first));
  const step = only(plan.steps);
  assert.equal((await layer.verify(step, signal)).ok, false, "nothing was applied yet");

  const applied = context();
  await layer.apply(step, applied, signal);
  await layer.apply(step, context(), signal);
  const verified = await layer.verify(step, signal);
  assert.equal(verified.ok, true, JSON.stringify(verified));
  assert.equal(await answerOf(world), first);
  const [deploy] = await findChanges(world.store.db, { layer: "runtime", limit: 1 });
  assert.equal(deploy?.id, applied.changeId);
  assert.deepEqual([deploy?.from, deploy?.to], [second, first]);
  assert.deepEqual((await world.runtime.planServe(world.service, first)).steps, []);

  const back = await layer.undo(step, signal);
  await layer.apply(only(back.steps), context(), signal);
  assert.equal(await answerOf(world), second);
});

test("a world that is neither before nor after is refused, and nothing moves", async () => {
  await using world = await startServiceWorld();
  const [first] = await twoDeploys(world);
  const step = only((await world.runtime.planServe(world.service, first)).steps);
  const third = await world.behave({ mark: 3 });
  await world.runtime.services.deploy(world.service, order);
  await assert.rejects(world.runtime.layer.apply(step, context(), signal), { code: "plan_stale" });
  assert.equal(await answerOf(world), third);
});

test("a deploy that was under way when a later revision was planned does not stand in its way", async () => {
  await using world = await startServiceWorld();
  await twoDeploys(world);
  const third = await world.behave({ mark: 3 });
  const fourth = await world.behave({ mark: 4 });
  const step = only((await world.runtime.planServe(world.service, fourth)).steps);
  await world.runtime.services.deploy(world.service, { ...order, revision: third });
  assert.equal(await answerOf(world), third);
  await world.runtime.layer.apply(step, context(), signal);
  assert.equal(await answerOf(world), fourth);
});

test("a revision that cannot be served any more is a fault, and what served still does", async () => {
  await using world = await startServiceWorld();
  const broken = await world.behave({ exitAtStart: "gone" });
  const good = await world.behave({});
  await world.runtime.services.deploy(world.service, order);
  const step = only((await world.runtime.planServe(world.service, broken)).steps);
  await assert.rejects(world.runtime.layer.apply(step, context(), signal), {
    code: "not_healthy",
    message: /What served before still does/,
  });
  assert.equal(await answerOf(world), good);
  assert.equal((await world.runtime.layer.verify(step, signal)).ok, false);
});

test("verification catches a service that lies about its revision, drifted files and a sick one", async () => {
  await using world = await startServiceWorld({
    probes: { health: { path: "/health", revision: "/revision" } },
  });
  const first = await world.behave({});
  const liar = await world.behave({ claims: first });
  await world.runtime.services.deploy(world.service, order);
  const { layer, planServe } = world.runtime;
  const toFirst = only((await planServe(world.service, first)).steps);
  await layer.apply(toFirst, context(), signal);
  assert.equal((await layer.verify(toFirst, signal)).ok, true);

  const toLiar = only((await planServe(world.service, liar)).steps);
  await layer.apply(toLiar, context(), signal);
  assert.match(differences(await layer.verify(toLiar, signal)), /says .* not /);

  await layer.apply({ ...toFirst, action: { ...toFirst.action, from: liar } }, context(), signal);
  const revisions = join(world.folder, "home/services/content-api/revisions");
  const served =
    (await readdir(revisions)).find((name) => name.startsWith(first.slice(0, 12))) ?? "";
  await writeFile(join(revisions, served, "behaviour.mjs"), "// edited in place");
  assert.match(differences(await layer.verify(toFirst, signal)), /behaviour\.mjs differs/);

  const { pid } = await world.runtime.services.show(world.service);
  process.kill(pid ?? 0, "SIGSTOP");
  assert.match(differences(await layer.verify(toFirst, signal)), /did not answer/);
});

test("undoing a deploy goes back to what it replaced, unless the service was moved since", async () => {
  await using world = await startServiceWorld();
  const [first, second] = await twoDeploys(world);
  const third = await world.behave({ mark: 3 });
  await world.runtime.services.deploy(world.service, order);
  const deploys = (await findChanges(world.store.db, { layer: "runtime", limit: 10 })).toReversed();
  const undo = (...undone: readonly (Change | undefined)[]) => ({
    changes: undone.flatMap((change) => (change === undefined ? [] : [change.id])),
    agents: [],
    services: [],
    since: new Date(0),
    incident: null,
    because: "test",
  });
  const { layer } = world.runtime;
  const last = await layer.plan(undo(deploys[2]), signal);
  assert.equal(only(last.steps).action.to, second);
  const both = await layer.plan(undo(deploys[1], deploys[2]), signal);
  assert.equal(only(both.steps).action.to, first);
  const middle = await layer.plan(undo(deploys[1]), signal);
  assert.deepEqual(middle.steps, []);
  assert.match(middle.conflicts[0] ?? "", /has been moved since/);
  const origin = await layer.plan(undo(...deploys), signal);
  assert.match(origin.conflicts[0] ?? "", /served nothing before/);
  assert.equal(await answerOf(world), third, "planning moves nothing");
});

test("a deploy exposes its commits from the start of what it started, a step back withdraws them, a later one brings them back", async () => {
  await using world = await startServiceWorld();
  const { db } = world.store;
  const first = await world.behave({});
  const changes = new Map([[first, await recordCommit(world, first)]]);
  await world.runtime.services.deploy(world.service, order);
  const second = await world.behave({ mark: 2 });
  const third = await world.behave({ mark: 3 });
  for (const commit of [second, third]) changes.set(commit, await recordCommit(world, commit));
  await world.runtime.services.deploy(world.service, order);
  const exposures = async (commit: string) => {
    const rows = await db<{ at: Date; deploy: string; withdrawn: Date | null }[]>`
      select exposed_at as at, deploy_id as deploy, withdrawn_at as withdrawn
      from exposures where change_id = ${changes.get(commit) ?? ""}`;
    return rows;
  };
  const [inSecond] = await exposures(second);
  const [inThird] = await exposures(third);
  assert.equal(inSecond?.deploy, inThird?.deploy, "they went out together");
  assert.notEqual((await exposures(first))[0]?.deploy, inThird?.deploy);
  const deploys = await findChanges(db, { layer: "runtime", exposedTo: world.service, limit: 1 });
  assert.equal(deploys[0]?.id, inThird?.deploy);
  assert.deepEqual(deploys[0]?.details.commits, [second, third]);
  assert.ok((inThird?.at ?? 0) < (deploys[0]?.at ?? 0), "it migrates before it serves");

  const step = only((await world.runtime.planServe(world.service, first)).steps);
  await world.runtime.layer.apply(step, context(), signal);
  assert.notEqual((await exposures(third))[0]?.withdrawn, null);
  assert.equal((await exposures(first))[0]?.withdrawn, null);
  await world.runtime.services.deploy(world.service, order);
  assert.equal((await exposures(third))[0]?.withdrawn, null);
});

test("what a recovery set stays until the recovery is verified, and then the tip goes out", async () => {
  await using world = await startServiceWorld();
  await twoDeploys(world);
  const revert = await world.behave({ mark: "revert" });
  const step = only((await world.runtime.planServe(world.service, revert)).steps);
  const recovery = context();
  await world.runtime.layer.apply(step, recovery, signal);
  const tip = await world.behave({ mark: 3 });
  const loop = world.loop();
  const shown = await turnsOf(world, tip);
  assert.equal(shown.revision, revert);
  assert.equal(shown.pinned?.by, recovery.changeId);
  assert.equal(shown.pinned?.until, "recovered");
  world.recovered.add(recovery.changeId);
  loop.wake();
  await untilServes(world, tip);
  assert.equal((await world.runtime.services.show(world.service)).pinned, null);
});

test("a recovery that stepped back is not undone by the next push: a person deploys the tip", async () => {
  await using world = await startServiceWorld();
  const [first] = await twoDeploys(world);
  const step = only((await world.runtime.planServe(world.service, first)).steps);
  const recovery = context();
  await world.runtime.layer.apply(step, recovery, signal);
  world.recovered.add(recovery.changeId);
  const tip = await world.behave({ mark: 3 });
  world.loop();
  const shown = await turnsOf(world, tip);
  assert.equal(shown.revision, first);
  assert.equal(shown.pinned?.until, "person");
  await world.runtime.services.deploy(world.service, order);
  await untilServes(world, tip);
});

/** Lets the loop turn until it has seen the service serve well twice since this tip was pushed. */
async function turnsOf(world: ServiceWorld, tip: string) {
  let turns = 0;
  const unsubscribe = world.runtime.onRunning(({ ok }) => {
    if (ok) turns += 1;
  });
  await until("two turns of the loop", async () => (turns >= 2 ? true : null));
  unsubscribe();
  const shown = await world.runtime.services.show(world.service);
  assert.equal(shown.tip, tip);
  return shown;
}

async function twoDeploys(world: ServiceWorld): Promise<readonly [string, string]> {
  const first = await world.behave({});
  await world.runtime.services.deploy(world.service, order);
  const second = await world.behave({ mark: 2 });
  await world.runtime.services.deploy(world.service, order);
  return [first, second];
}

async function recordCommit({ store }: ServiceWorld, commit: string): Promise<ChangeId> {
  const id = newChangeId(realWorld);
  const common = { layer: "code", kind: "commit", target: "api", agent: "backend" } as const;
  await recordChanges(store.db, [{ ...common, id, at: new Date(), to: commit }]);
  await exposeChanges(store.db, [], "content-api", new Date(), null);
  return id;
}

function only(steps: readonly Step<"runtime">[]): Step<"runtime"> {
  const [step] = steps;
  assert.ok(step !== undefined && steps.length === 1);
  return step;
}

function differences(verification: Verification): string {
  assert.ok(verification.ok === false);
  return verification.differences.join("; ");
}
