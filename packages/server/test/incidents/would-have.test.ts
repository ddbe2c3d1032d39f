import assert from "node:assert/strict";
import { test } from "node:test";
import { configSchema } from "../../src/config/config.ts";
import { wouldHave } from "../../src/incidents/would-have.ts";
import { realWorld } from "../../src/world.ts";
import { startDatabase } from "../support/database.ts";
import { regression, startRoom, twoServices } from "./room.ts";

const longAgo = new Date(0);

test("what it would have done is set against what people did", async () => {
  await using store = await startDatabase();
  const bad = new Set<string>();
  const config = { ...twoServices, mode: "watch" };
  await using room = await startRoom(store.db, {
    config,
    check: (revision) => (bad.has(revision) ? "bad" : "good"),
  });
  const [guilty] = await room.push("api", ["backend"]);
  bad.add(guilty?.commit ?? "");
  room.say();
  const { id } = await room.only("decided");
  const ask = () =>
    wouldHave({ ...room.deps, config: configSchema.parse(config), replay: null }, longAgo, null);
  const [before] = (await ask()).decisions;
  assert.equal(before?.incident, id);
  assert.equal(before.would, "run");
  assert.deepEqual(before.changes, [guilty?.change]);
  assert.equal(before.people, "nothing");

  await store.db`
    insert into changes (id, at, layer, kind, target, agent, reverts)
    values (gen_random_uuid(), now(), 'code', 'commit', 'api', 'ann', ${[guilty?.change ?? ""]}::uuid[])`;
  const [after] = (await ask()).decisions;
  assert.equal(after?.people, "agreed");
  assert.match(after.peopleSay, /ann took it back/);
});

test("history is replayed through the same deciders, as the ledger was at the time", async () => {
  await using store = await startDatabase();
  await using room = await startRoom(store.db);
  const ago = (seconds: number) => new Date(Date.now() - seconds * 1_000);
  const [guilty] = await room.push("api", ["backend"], { at: ago(4_000) });
  await room.push("api", ["frontend"], { at: ago(1_000) });
  // Taken back by a person after the regression: at its time it was a suspect.
  await store.db`
    insert into changes (id, at, layer, kind, target, agent, reverts)
    values (gen_random_uuid(), ${ago(3_000)}, 'code', 'commit', 'api', 'ann',
            ${[guilty?.change ?? ""]}::uuid[])`;
  const verdict = regression({ at: ago(3_980), onset: ago(3_990) });
  const contrast = () => ({
    evidence: 1e6,
    before: { mean: 1, n: 400 },
    after: { mean: 0, n: 40 },
  });
  const { decisions, notReplayed } = await wouldHave(
    {
      ...room.deps,
      world: realWorld,
      config: configSchema.parse(twoServices),
      replay: async () => [
        { verdict, contrast },
        { verdict: { ...verdict, at: ago(3_970) }, contrast },
      ],
    },
    longAgo,
    longAgo,
  );
  assert.equal(decisions.length, 1, "a regression that lasts is one");
  assert.equal(decisions[0]?.incident, null);
  assert.deepEqual(decisions[0].changes, [guilty?.change]);
  assert.equal(decisions[0].would, "freeze", "one witness, since nothing is rerun");
  assert.equal(decisions[0].people, "agreed");
  assert.equal(notReplayed.length, 1);
});
