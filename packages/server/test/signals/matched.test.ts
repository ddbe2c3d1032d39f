import assert from "node:assert/strict";
import { test } from "node:test";
import { type Compared, letGo, match, newMatching } from "../../src/signals/matched.ts";
import { chance, seed } from "./chance.ts";
import { askedOften } from "./matched-simulations.ts";
import { beside, startJudge } from "./releases-world.ts";

const one = (arm: Compared["arm"], key: string | null, x: number, at = 0): Compared => ({
  ...{ arm, key, x, at },
});

test("what both made of one request is a pair, whatever came in between", () => {
  const matching = newMatching();
  for (const key of ["a", "b", "c"]) match(matching, one("candidate", key, 0));
  assert.deepEqual(match(matching, one("control", "b", 1)), {
    pair: { y: 1, key: "b" },
    loose: [],
  });
  const again = one("control", "b", 1);
  assert.deepEqual(match(matching, again), { pair: null, loose: [again] }, "of one pair at most");
  const unnamed = one("candidate", null, 1);
  assert.deepEqual(match(matching, unnamed).loose, [unnamed]);
  assert.deepEqual(
    letGo(matching).map(({ key }) => key),
    ["a", "c"],
  );
});

test("what no copy is asked of waits for ten seconds, or for 256 others, and counts nevertheless", () => {
  const matching = newMatching();
  match(matching, one("candidate", "old", 1, 0));
  match(matching, one("candidate", "new", 1, 9_000));
  const { loose } = match(matching, one("candidate", "newest", 1, 10_000));
  assert.deepEqual(
    loose.map(({ key }) => key),
    ["old"],
  );
  let left = 0;
  for (let n = 0; n < 1_000; n++) {
    left += match(matching, one("candidate", `e${n}`, 1, 10_000)).loose.length;
  }
  assert.ok(left >= 740 && left <= 750, `${left} of 1,000 wait no more`);
});

const says = `seed ${seed}`;
const copying = { runs: 60, horizon: 3_000, everyMs: 250 } as const;

test("copies held against their own requests tell sooner than half of them held against all", () => {
  const worse = { hard: 0.08, noise: 0, worse: 0.11 };
  const half = askedOften(worse, chance(seed), { ...copying, copied: 0.5, isMatched: false });
  const matched = askedOften(worse, chance(seed), { ...copying, copied: 1, isMatched: true });
  assert.equal(matched.convicted, 1, says);
  assert.ok(
    matched.median * 1.6 < half.median,
    `${matched.median} against ${half.median}, ${says}`,
  );
});

test("one that is as good is not convicted by its copies, however its mistakes fall", () => {
  for (const equal of [
    { hard: 0.08, noise: 0, worse: 0 },
    { hard: 0, noise: 0.1, worse: 0 },
    { hard: 0.2, noise: 0.2, worse: 0 },
  ]) {
    const how = { ...copying, runs: 100, copied: 0.9, isMatched: true };
    const { convicted } = askedOften(equal, chance(seed + 7), how);
    assert.ok(convicted <= 0.02, `${convicted} of ${JSON.stringify(equal)}, ${says}`);
  }
});

test("where what serves beside it serves little, one that fell is asked of it too, and what was seen stays", async () => {
  const world = startJudge();
  const random = chance(seed + 50);
  const feed = (version: string, p: number, n: number) => {
    for (let index = 0; index < n; index++) world.feed(version, random() < p ? 1 : 0);
  };
  feed("v13", 0.95, 700);
  world.judge.watch(beside);
  for (let round = 0; round < 30; round++) {
    feed("v14", 0.95, 19);
    feed("v13", 0.95, 1);
  }
  await world.judge.turn();
  assert.deepEqual(world.asked.told, [], "nothing is copied while all is well");
  for (let round = 0; round < 10; round++) {
    feed("v14", 0.7, 19);
    feed("v13", 0.95, 1);
  }
  assert.equal(world.said()?.kind, "hold", world.said()?.says);
  assert.match(world.said()?.says ?? "", /fell below its floor.*v13 is asked the same requests/);
  const pairs = () => world.judge.trials()[0]?.trial.lines.quality?.whole.pair.samples ?? 0;
  const before = pairs();
  await world.judge.turn();
  assert.deepEqual(world.asked.told, ["v13"]);
  assert.equal(pairs(), before);
  for (let n = 0; n < 400 && world.said()?.kind !== "regression"; n++) {
    const key = `copied${n}`;
    world.feed("v14", random() < 0.7 ? 1 : 0, { key });
    world.feed("v13", random() < 0.95 ? 1 : 0, { key });
  }
  const verdict = world.said();
  assert.deepEqual([verdict?.kind, verdict?.control], ["regression", "v13"], verdict?.says);
});

test("where both serve as much, nobody is asked for copies", async () => {
  const world = startJudge();
  const random = chance(seed + 51);
  for (let n = 0; n < 700; n++) world.feed("v13", random() < 0.95 ? 1 : 0);
  world.judge.watch(beside);
  for (let n = 0; n < 60; n++) {
    for (const version of ["v13", "v14"]) world.feed(version, random() < 0.8 ? 1 : 0);
    await world.judge.turn();
  }
  assert.deepEqual(world.asked.told, []);
});
