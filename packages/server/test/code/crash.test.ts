import assert from "node:assert/strict";
import { test } from "node:test";
import type { CodeMirror } from "../../src/git/bare-mirror.ts";
import type { CodeMirrors } from "../../src/git/open-mirrors.ts";
import { listBars } from "../../src/layers/code/bars-store.ts";
import { createCodeLayer } from "../../src/layers/code/code-layer.ts";
import { newChangeId, realWorld } from "../../src/world.ts";
import { dyingAt } from "./dying.ts";
import { run, signal, startCodeWorld } from "./world.ts";

/** Mirrors that die after their nth call: what was done is done, and nobody was told. */
function mirrorsDyingAt(mirrors: CodeMirrors, calls: number): CodeMirrors {
  let left = calls;
  const wrap = (mirror: CodeMirror): CodeMirror =>
    new Proxy(mirror, {
      get(target, key) {
        const value = Reflect.get(target, key);
        if (typeof value !== "function") return value;
        return async (...args: unknown[]) => {
          const dies = left-- <= 0;
          const answer = await Reflect.apply(value, target, args);
          if (dies) throw new Error("killed");
          return answer;
        };
      },
    });
  return { ...mirrors, of: async (name) => wrap(await mirrors.of(name)) };
}

for (const what of ["statement", "use of git"] as const) {
  test(`an apply that is killed (${what}) after any step ends the same when it is called again`, async () => {
    await using world = await startCodeWorld();
    const { origin, code, db } = world;
    origin.commit({ a: "0\n" }, "begin");
    origin.push();
    let finished = false;
    let kills = 0;
    for (let step = 0; !finished; step++) {
      const guilty = origin.commit({ a: `bad ${step}\n` }, `bad ${step}`);
      origin.push();
      const before = origin.tip();
      const planned = world.stepOf(await world.plan([guilty]));
      const context = { changeId: newChangeId(realWorld), actor: "lastgood", reason: "put right" };
      const { repositories, watch } = code;
      const configuration = { base: world.folder, current: () => world.config };
      const whole = {
        db,
        world: realWorld,
        mirrors: code.mirrors,
        repositories,
        watch,
        configuration,
        heldBack: world.heldBack,
      };
      const dying = createCodeLayer({
        ...whole,
        ...(what === "statement"
          ? { db: dyingAt(db, step) }
          : { mirrors: mirrorsDyingAt(code.mirrors, step) }),
      });
      finished = await dying.apply(planned, context, signal).then(
        () => true,
        (error: Error) => {
          assert.equal(error.message, "killed");
          kills += 1;
          return false;
        },
      );
      await code.layer.apply(planned, context, signal);
      assert.equal(origin.tip(), planned.action.to);
      assert.equal(run(origin.url, "rev-parse", "main^"), before, "one revert, not two");
      assert.equal((await code.layer.verify(planned, signal)).ok, true);
      const recorded = (await world.look()).filter(({ to }) => to === planned.action.to);
      assert.deepEqual(
        recorded.map(({ id }) => id),
        [context.changeId],
      );
      const bars = await listBars(db, { lifted: false, limit: 100 });
      assert.equal(bars.filter(({ commit }) => commit === guilty).length, 1);
      origin.git("pull", "--quiet", "--ff-only", "origin", "main");
    }
    assert.ok(kills >= 3, `${kills} kills`);
  });
}
