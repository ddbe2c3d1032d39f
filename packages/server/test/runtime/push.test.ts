import assert from "node:assert/strict";
import { test } from "node:test";
import { findChanges } from "../../src/ledger/ledger-store.ts";
import { until } from "../support/until.ts";
import { startServiceWorld, untilServes } from "./service-world.ts";

const order = { revision: null, reason: null, override: false, actor: "token:test" };

test("a push is deployed, and what was pushed meanwhile goes out in one deploy", async () => {
  await using world = await startServiceWorld();
  const first = await world.behave({});
  world.loop();
  await untilServes(world, first);
  const commits = [await world.behave({ mark: 2 }), await world.behave({ mark: 3 })];
  const tip = await world.behave({ mark: 4 });
  await untilServes(world, tip);
  const deploys = await findChanges(world.store.db, { layer: "runtime", limit: 10 });
  const deployed = deploys.toReversed().flatMap((each) => each.details.commits);
  assert.deepEqual(deployed, [first, ...commits, tip], "each commit went out once, in order");
  assert.ok(deploys.every((each) => each.agent === "lastgood" && each.kind === "deploy"));
});

test("what the gate holds is not deployed, its newest allowed ancestor is, and an override needs a reason", async () => {
  await using world = await startServiceWorld();
  const first = await world.behave({});
  await world.runtime.services.deploy(world.service, order);
  const innocent = await world.behave({ mark: 2 });
  const barred = await world.behave({ mark: 3 });
  world.gate = async (_repository, commits) =>
    commits.includes(barred)
      ? {
          ok: false,
          because: "it was rolled back",
          deployable: commits[commits.indexOf(barred) - 1] ?? null,
        }
      : { ok: true };
  world.loop();
  await untilServes(world, innocent);
  const held = await until("the hold", async () => {
    const shown = await world.runtime.services.show(world.service);
    return shown.held === null ? null : shown;
  });
  assert.equal(held.held?.revision, barred);
  assert.equal(held.events.filter((each) => each.event === "deploy.held").length, 1);
  await assert.rejects(world.runtime.services.deploy(world.service, order), {
    code: "was_rolled_back",
    message: /it was rolled back/,
  });
  await assert.rejects(world.runtime.services.deploy(world.service, { ...order, override: true }), {
    code: "bad_input",
  });
  const reason = "it is wanted";
  await world.runtime.services.deploy(world.service, { ...order, override: true, reason });
  await untilServes(world, barred);
  assert.notEqual(first, barred);
});

test("a push that does not become healthy is on record, is not tried again at once, and the next one goes out", async () => {
  await using world = await startServiceWorld();
  const first = await world.behave({});
  const loop = world.loop();
  await untilServes(world, first);
  const broken = await world.behave({ exitAtStart: "broken" });
  const failed = await until("the failure", async () => {
    const shown = await world.runtime.services.show(world.service);
    return shown.failure?.revision === broken ? shown : null;
  });
  assert.match(failed.failure?.because ?? "", /code 3/);
  for (let turn = 0; turn < 5; turn++) loop.wake();
  const mended = await world.behave({ mark: 2 });
  await untilServes(world, mended);
  const shown = await world.runtime.services.show(world.service);
  assert.equal(shown.failure, null);
  const failures = shown.events
    .filter((each) => each.event === "deploy.failed")
    .map(({ at }) => Date.parse(at))
    .sort((one, other) => one - other);
  assert.ok(failures.length > 0);
  for (const [index, at] of failures.entries()) {
    // On a slow machine the next push may come after the time at which it may be tried again.
    assert.ok(index === 0 || at - (failures[index - 1] ?? at) >= 5_000, failures.join());
  }
});

test("a deploy of a revision that is not the tip holds pushes back until the tip is deployed again", async () => {
  await using world = await startServiceWorld();
  const first = await world.behave({});
  const second = await world.behave({ mark: 2 });
  const loop = world.loop();
  await untilServes(world, second);
  await world.runtime.services.deploy(world.service, { ...order, revision: first });
  const third = await world.behave({ mark: 3 });
  loop.wake();
  const shown = await until("the tip to be seen", async () => {
    const found = await world.runtime.services.show(world.service);
    return found.tip === third ? found : null;
  });
  assert.equal(shown.revision, first);
  assert.match(shown.pinned?.because ?? "", /deployed by token:test/);
  await world.runtime.services.deploy(world.service, order);
  await untilServes(world, third);
  assert.equal((await world.runtime.services.show(world.service)).pinned, null);
});

test("two deploys of one service at once do not overlap: one waits, and both end as one state", async () => {
  await using world = await startServiceWorld();
  const first = await world.behave({});
  const second = await world.behave({ mark: 2 });
  const both = () =>
    [first, second].map((revision) =>
      world.runtime.services.deploy(world.service, { ...order, revision }),
    );
  const done = [...(await Promise.all(both())), ...(await Promise.all(both()))];
  const last = done.toSorted((one, other) => one.since.localeCompare(other.since)).at(-1);
  const shown = await world.runtime.services.show(world.service);
  assert.equal(shown.revision, last?.revision);
  const recorded = await findChanges(world.store.db, { layer: "runtime", limit: 10 });
  for (const [index, change] of recorded.entries()) {
    assert.equal(
      change.from,
      recorded[index + 1]?.to ?? null,
      "each deploy begins where one ended",
    );
  }
});
