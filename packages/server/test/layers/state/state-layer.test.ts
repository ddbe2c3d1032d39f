import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChangeId } from "../../../src/ids.ts";
import type { ApplyContext, Layer, Step, Undo } from "../../../src/layers/layer.ts";
import { verifyAllChains } from "../../../src/layers/state/chains.ts";
import type { DocumentWriter } from "../../../src/layers/state/document-writer.ts";
import { createStateLayer } from "../../../src/layers/state/state-layer.ts";
import { newChangeId, realWorld } from "../../../src/world.ts";
import { type StateWorld, startState } from "./world.ts";

/** The runner bounds each test: a deadline for all of them together would be the machine's. */
const { signal } = new AbortController();

function undoOf(changes: readonly ChangeId[]): Undo {
  return { changes, agents: [], services: [], since: new Date(0), incident: null, because: "test" };
}

function contextOf(): ApplyContext {
  return { changeId: newChangeId(realWorld), actor: "recovery", reason: "put back" };
}

/** Three documents, damaged by one agent; the plan that puts them back. */
async function damaged(world: StateWorld): Promise<Step<"state">> {
  const changes: ChangeId[] = [];
  await world.put("p/site", "ops", { publish: true, owner: "ann" });
  await world.put("p/shop", "ops", { open: true });
  changes.push(await world.put("p/site", "marketing", { draft: "lorem" }));
  changes.push(await world.put("p/shop", "marketing", { open: false }));
  changes.push(await world.put("p/junk", "marketing", 1));
  await world.put("p/shop", "backend", { open: false, stock: 7 });
  const plan = await world.state.layer.plan(undoOf(changes), signal);
  assert.deepEqual(plan.conflicts, []);
  assert.equal(plan.steps.length, 1);
  assert.deepEqual(await world.state.layer.plan(undoOf(changes), signal), plan, "the same plan");
  assert.equal(plan.touches.documents, 3);
  assert.ok(plan.reversible);
  const [step] = plan.steps;
  assert.ok(step);
  assert.deepEqual(
    step.action.documents.map((each) => [each.id, each.from, each.restores, each.body]),
    [
      ["junk", 1, null, null],
      ["shop", 3, null, '{"open":true,"stock":7}'],
      ["site", 2, 1, '{"owner":"ann","publish":true}'],
    ],
  );
  // A plan is plain data: what is stored and read back is the same step.
  return JSON.parse(JSON.stringify(step)) as Step<"state">;
}

async function versions(world: StateWorld): Promise<number> {
  return (await world.db`select from document_versions`).length;
}

test("documents as a layer", async (t) => {
  await using world = await startState();
  await t.test("a step puts documents back, once, and the world read afresh says so", async () => {
    await world.clear();
    const { layer } = world.state;
    const step = await damaged(world);
    const before = await layer.verify(step, signal);
    assert.ok(!before.ok, "not before it was applied");
    assert.equal(before.differences.length, 3);

    const context = contextOf();
    await layer.apply(step, context, signal);
    assert.deepEqual(await world.body("p/site"), { publish: true, owner: "ann" });
    assert.deepEqual(await world.body("p/shop"), { open: true, stock: 7 });
    assert.equal(await world.body("p/junk"), undefined);
    assert.deepEqual(await layer.verify(step, signal), {
      ok: true,
      observed: ["p/junk is at version 2", "p/shop is at version 4", "p/site is at version 3"],
    });
    const count = await versions(world);
    await layer.apply(step, context, signal);
    assert.equal(await versions(world), count, "already applied: left alone");
    await assert.rejects(layer.apply(step, contextOf(), signal), { code: "plan_stale" });

    const [change] =
      await world.db`select kind, agent, reverts from changes where id = ${context.changeId}`;
    assert.equal(change?.kind, "revert");
    assert.equal(change?.reverts.length, 3);

    await world.put("p/site", "ops", { publish: true, owner: "ann", note: "fine" });
    assert.ok((await layer.verify(step, signal)).ok, "later work on other paths is no damage");
    await layer.apply(step, context, signal);
    await world.put("p/site", "ops", { publish: false, owner: "bob", draft: "ipsum" });
    await world.put("p/junk", "ops", { now: "something else" });
    assert.ok((await layer.verify(step, signal)).ok, "nor is a new value where the damage was");
    await world.put("p/site", "marketing", { publish: false, owner: "bob", draft: "lorem" });
    const again = await layer.verify(step, signal);
    assert.ok(!again.ok);
    assert.deepEqual(again.differences, [
      "p/site holds again what was taken back at /draft, by marketing in version 6",
    ]);
    await world.put("p/site", "ops", { publish: false, owner: "bob" });
    await world.put("p/site", "marketing", { owner: "bob" });
    await world.put("p/junk", "marketing", 1);
    const more = await layer.verify(step, signal);
    assert.ok(!more.ok);
    assert.match(more.differences.join(), /p\/site .* at \/publish, by marketing in version 8/);
    assert.match(more.differences.join(), /p\/junk .* taken back, by marketing in version 4/);
    assert.deepEqual(await verifyAllChains(world.db), []);
  });

  await t.test(
    "a world that moved since the plan is stale, and nothing of the step is done",
    async () => {
      await world.clear();
      const step = await damaged(world);
      await world.put("p/shop", "backend", { open: false, stock: 6 });
      const count = await versions(world);
      await assert.rejects(world.state.layer.apply(step, contextOf(), signal), {
        code: "plan_stale",
        message: /p\/shop is at version 4, not 3/,
      });
      assert.equal(await versions(world), count);
    },
  );

  await t.test(
    "a crash before the act ends leaves nothing, and the next try does all of it",
    async () => {
      await world.clear();
      const step = await damaged(world);
      const count = await versions(world);
      const context = contextOf();
      const died = new Error("died here");
      for (const dies of ["before", "after"]) {
        const writer: DocumentWriter = {
          ...world.writer,
          async writeAll(tx, writes) {
            if (dies === "after") await world.writer.writeAll(tx, writes);
            throw died;
          },
        };
        await assert.rejects(layerOf(world, writer).apply(step, context, signal), died);
        assert.equal(await versions(world), count);
        assert.equal(
          (await world.db`select from changes where id = ${context.changeId}`).length,
          0,
        );
      }
      await world.state.layer.apply(step, context, signal);
      assert.ok((await world.state.layer.verify(step, signal)).ok);
      assert.equal(await versions(world), count + 3);
    },
  );

  await t.test("an apply that does nothing, or half, is caught by verify", async () => {
    await world.clear();
    const step = await damaged(world);
    assert.ok(!(await world.state.layer.verify(step, signal)).ok);
    const half: Step<"state"> = {
      ...step,
      action: { ...step.action, documents: step.action.documents.slice(0, 2) },
    };
    await world.state.layer.apply(half, contextOf(), signal);
    const found = await world.state.layer.verify(step, signal);
    assert.ok(!found.ok);
    assert.deepEqual(found.differences, ["p/site has no version 3: it was not put back"]);
  });

  await t.test("what was put back can be taken back again, keeping what came after", async () => {
    await world.clear();
    const { layer } = world.state;
    const step = await damaged(world);
    await layer.apply(step, contextOf(), signal);
    await world.put("p/shop", "backend", { open: true, stock: 5 });
    const [back] = (await layer.undo(step, signal)).steps;
    assert.ok(back);
    await layer.apply(back, contextOf(), signal);
    assert.ok((await layer.verify(back, signal)).ok);
    assert.deepEqual(await world.body("p/site"), { draft: "lorem" });
    assert.deepEqual(await world.body("p/shop"), { open: false, stock: 5 });
    assert.equal(await world.body("p/junk"), 1);
  });

  await t.test("what stands in the way is a conflict of the plan, not a step", async () => {
    await world.clear();
    await world.put("p/a", "ops", { v: 1 });
    const bad = await world.put("p/a", "marketing", { v: 2 });
    await world.put("p/a", "backend", { v: 3 });
    const plan = await world.state.layer.plan(undoOf([bad]), signal);
    assert.deepEqual(plan.steps, []);
    assert.deepEqual(plan.conflicts, ["p/a at /v: edited since by backend in version 3"]);

    await world.put("p/b", "ops", { v: 1 });
    const later = await world.put("p/b", "marketing", { v: 2 }, { derivedFrom: ["p/a"] });
    const { gaps } = await world.state.layer.plan(undoOf([bad]), signal);
    assert.deepEqual(gaps, ["p/b was made from p/a, and stays as it is"]);
    await world.state.documents.erase({ collection: "p", id: "b" }, null, {
      ...{ agent: "ops", task: null, session: null, reason: "" },
    });
    const erased = await world.state.layer.plan(undoOf([later]), signal);
    assert.match(erased.conflicts.join(), /p\/b as a whole: the body of version 1 was erased/);

    const none = await world.state.layer.plan(undoOf([newChangeId(realWorld)]), signal);
    assert.deepEqual(
      [none.steps, none.conflicts],
      [[], []],
      "changes of other layers are no business of this one",
    );
  });
});

function layerOf({ db }: StateWorld, writer: DocumentWriter): Layer<"state"> {
  return createStateLayer({ db, world: realWorld, writer, neverRevive: () => [] });
}
