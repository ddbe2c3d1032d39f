import assert from "node:assert/strict";
import { test } from "node:test";
import { newRate, spacingMs } from "../../src/signals/measured-rate.ts";
import { chance, seed } from "./chance.ts";
import { beside, guardrail, startJudge } from "./releases-world.ts";

const says = `seed ${seed}`;

/** `n` samples of each version by turns, good with the chance that is theirs. */
function play(
  { feed }: Pick<ReturnType<typeof startJudge>, "feed">,
  random: () => number,
  n: number,
  chances: Readonly<Record<string, number>>,
) {
  for (let index = 0; index < n; index++) {
    for (const [version, p] of Object.entries(chances)) feed(version, random() < p ? 1 : 0);
  }
}

test("a candidate that is worse than what serves beside it is a regression, with who failed and since when", () => {
  const world = startJudge();
  const random = chance(seed);
  world.judge.watch(beside);
  const began = world.clock.at;
  play(world, random, 200, { v13: 0.92, v14: 0.6 });
  const verdict = world.said();
  assert.equal(verdict?.kind, "regression", `${verdict?.says}, ${says}`);
  assert.equal(verdict.method, "paired");
  assert.equal(verdict.control, "v13");
  assert.ok(verdict.evidence >= 100, "proved among all that is watched");
  assert.ok((verdict.onset?.getTime() ?? 0) - began < 30_000, verdict.says);
  assert.ok(verdict.failing.length >= 3 && verdict.failing.length <= 200);
  assert.match(verdict.says, /^quality of router:v14 is worse since .* against .* of v13/);
  assert.deepEqual(
    world.told.map(({ verdict: { kind } }) => kind).filter((kind) => kind === "regression"),
    ["regression"],
    "told once",
  );
  assert.ok(world.points.length > 5, "the trajectory is kept");
});

test("a candidate that is as good may go on, and one of which little was seen may not", async () => {
  const world = startJudge();
  world.judge.watch(beside);
  assert.equal(world.said()?.kind, "insufficient");
  await world.judge.turn();
  assert.deepEqual(world.points, [], "of no sample there is no point");
  play(world, chance(seed), 10, { v13: 1, v14: 1 });
  assert.match(world.said()?.says ?? "", /too few samples to say \(10, and 10 of v13\)/);
  play(world, chance(seed), 30, { v13: 1, v14: 1 });
  assert.equal(world.said()?.kind, "well");
  world.clock.at += 120_000;
  assert.equal(world.said()?.kind, "insufficient", "silence is not health");
});

test("a few failures more than the other's hold nothing back before the evidence leans that way", () => {
  const world = startJudge();
  world.judge.watch(beside);
  const none = chance(seed);
  play(world, none, 39, { v13: 1, v14: 1 });
  play(world, none, 1, { v13: 1, v14: 0 });
  assert.equal(world.said()?.kind, "well", "2.5 % of 40 are one ticket");
  assert.match(world.said()?.says ?? "", /not shown to be worse: 97\.5 % against 100\.0 % of v13/);
  play(world, none, 3, { v13: 1, v14: 0 });
  assert.equal(world.said()?.kind, "hold");
  assert.match(world.said()?.says ?? "", /may be worse: .*not proved/);
});

test("equals are not held back for long", () => {
  let well = 0;
  for (let run = 0; run < 50; run++) {
    const world = startJudge();
    world.judge.watch(beside);
    play(world, chance(seed + run), 300, { v13: 0.93, v14: 0.93 });
    if (world.said()?.kind === "well") well += 1;
  }
  assert.ok(well >= 45, `${well} of 50 may go on, ${says}`);
});

test("what strikes both releases alike is nobody's regression: it is drift", () => {
  for (let run = 0; run < 20; run++) {
    const world = startJudge();
    const random = chance(seed + run);
    play(world, random, 600, { v13: 0.95 });
    world.judge.watch(beside);
    play(world, random, 100, { v13: 0.95, v14: 0.95 });
    play(world, random, 60, { v13: 0.3, v14: 0.3 });
    const kinds = new Set(world.told.map(({ verdict }) => verdict.kind));
    assert.ok(!kinds.has("regression"), `run ${run}, ${says}`);
    assert.ok(kinds.has("drift"), `run ${run}: ${world.said()?.says}, ${says}`);
    assert.equal(world.said()?.controlIsWell, false);
  }
});

test("a segment of a twelfth that fell is found and named, where the whole does not show it", () => {
  const world = startJudge();
  const random = chance(seed + 40);
  world.judge.watch({ ...beside, guardrails: [{ ...guardrail, dimensions: ["language"] }] });
  for (let index = 0; index < 3_000 && world.said()?.kind !== "regression"; index++) {
    for (const version of ["v13", "v14"]) {
      const language = random() < 0.08 ? "de" : "en";
      const p = version === "v14" && language === "de" ? 0.72 : 0.95;
      world.feed(version, random() < p ? 1 : 0, { dimensions: { language } });
    }
  }
  const verdict = world.said();
  assert.equal(verdict?.kind, "regression", `${verdict?.says}, ${says}`);
  assert.equal(verdict.dimension, "language=de");
  const [whole] = world.judge.trials()[0]?.stances ?? [];
  assert.notEqual(whole?.kind, "regression");
});

test("a release that serves alone is held to what the one before it did at last", () => {
  const world = startJudge();
  const random = chance(seed + 41);
  play(world, random, 700, { v13: 0.9 });
  world.judge.watch(beside);
  play(world, random, 60, { v13: 0.9, v14: 0.9 });
  world.judge.watch({ ...beside, control: null });
  const [line] = world.judge.trials()[0]?.stances ?? [];
  const floor = line?.placed.line.floor;
  assert.equal(floor?.of, "v13");
  assert.equal(floor?.origin.kind, "measured");
  assert.ok(floor.m < 0.9 && floor.m > 0.82, `${floor.m}, ${says}`);
  const news = world.judge.takeNews(true);
  assert.equal(news.floors.length, 2, "one for each beginning");
  play(world, random, 100, { v14: 0.9 });
  assert.equal(world.said()?.kind, "well", world.said()?.says);
});

test("one that fell and serves alone is compared with copies of its requests, and not convicted before", async () => {
  const world = startJudge();
  const random = chance(seed + 42);
  play(world, random, 700, { v13: 0.95 });
  world.judge.watch(beside);
  play(world, random, 60, { v13: 0.95, v14: 0.95 });
  world.judge.watch({ ...beside, control: null });
  play(world, random, 120, { v14: 0.5 });
  assert.equal(world.said()?.kind, "hold");
  assert.equal(world.said()?.needsControl, true);
  await world.judge.turn();
  assert.deepEqual(world.asked.told, ["v13"]);
  play(world, random, 120, { v13: 0.95, v14: 0.5 });
  const verdict = world.said();
  assert.equal(verdict?.kind, "regression", `${verdict?.says}, ${says}`);
  assert.equal(verdict.control, "v13");
  assert.equal(verdict.controlIsWell, true);
});

test("what is unwatched while copies are asked for gets none, nor does what was to be looked at after it", async () => {
  const world = startJudge();
  const random = chance(seed + 44);
  const alone = { ...beside, control: null, guardrails: [{ ...guardrail, objective: 0.95 }] };
  world.judge.watch(alone);
  world.judge.watch({ ...alone, artifact: "writer" });
  for (let each = 0; each < 120; each += 1) {
    const x = random() < 0.5 ? 1 : 0;
    world.feed("v14", x);
    world.feed("v14", x, { release: "writer:v14" });
  }
  const { promise, resolve } = Promise.withResolvers<void>();
  world.asked.answers = promise;
  const turn = world.judge.turn();
  world.judge.unwatch("production", "writer");
  world.judge.unwatch("production", "router");
  resolve();
  await turn;
  assert.deepEqual(world.asked.told, ["v13", "end"], says);
});

test("one that fell with what the copies were sent to has drifted, and is not to blame", async () => {
  const world = startJudge();
  const random = chance(seed + 43);
  play(world, random, 700, { v13: 0.95 });
  world.judge.watch(beside);
  play(world, random, 60, { v13: 0.95, v14: 0.95 });
  world.judge.watch({ ...beside, control: null });
  play(world, random, 120, { v14: 0.5 });
  await world.judge.turn();
  play(world, random, 120, { v13: 0.5, v14: 0.5 });
  assert.equal(world.said()?.kind, "drift", `${world.said()?.says}, ${says}`);
});

test("what is live goes on as it was once what was turned beside it is gone, also over a restart", async () => {
  const world = startJudge();
  const random = chance(seed + 46);
  const alone = { ...beside, control: null };
  const next = { ...beside, candidate: "v15", prior: "v14", control: "v14" };
  const lineOf = ({ judge }: Pick<typeof world, "judge">) =>
    judge.trials()[0]?.stances[0]?.placed.line;
  play(world, random, 700, { v13: 0.95 });
  world.judge.watch(beside);
  play(world, random, 60, { v13: 0.95, v14: 0.95 });
  world.judge.watch(alone);
  play(world, random, 60, { v14: 0.95 });
  const before = structuredClone(lineOf(world));
  assert.equal(before?.floor?.of, "v13");
  const spacing = spacingMs(before.own.rate);
  world.judge.watch(next);
  play(world, random, 60, { v14: 0.95, v15: 0.9 });
  assert.equal(world.said(), null, "v14 is what v15 is compared with");
  const later = startJudge();
  later.clock.at = world.clock.at;
  later.judge.restore(JSON.parse(JSON.stringify(world.judge.takeNews(true).trials)) as never);
  later.judge.watch(next);
  for (const judged of [world, later]) {
    judged.clock.at += 24 * 3_600_000;
    judged.judge.watch(alone);
    assert.equal(judged.said()?.kind, "well", "nobody looked meanwhile: that is no silence");
    const after = lineOf(judged);
    assert.equal(spacingMs(after?.own.rate ?? newRate()), spacing, "and no slower signal");
    assert.deepEqual([after?.floor, after?.candidate.n], [before.floor, before.candidate.n]);
    play(judged, chance(seed + 47), 120, { v14: 0.5 });
    assert.equal(judged.said()?.needsControl, true, judged.said()?.says);
    await judged.judge.turn();
    assert.deepEqual(judged.asked.told, ["v13"], "and not v15, which came after it");
    assert.equal(judged.judge.stateOf("router@production", null), "unknown");
    play(judged, chance(seed + 48), 120, { v13: 0.95, v14: 0.5 });
    assert.equal(judged.judge.stateOf("router@production", null), "bad");
    judged.judge.watch(next);
    play(judged, chance(seed + 49), 60, { v14: 0.5, v15: 0.5 });
    assert.equal(
      judged.judge.stateOf("router@production", null),
      "unknown",
      "v15 does not answer for it",
    );
    judged.judge.watch({ ...next, candidate: "v16", prior: "v15", control: "v15" });
    assert.equal(judged.judge.stateOf("router@production", null), null, "v14 is gone");
  }
  assert.equal(world.judge.stateOf("router@staging", null), null);
});

test("where nobody can be asked, a fall is told without a control; after long unchanged service as drift", async () => {
  for (const [kind, freshForMs] of [
    ["regression", 14 * 86_400_000],
    ["drift", 1_000],
  ] as const) {
    const world = startJudge({ freshForMs });
    const random = chance(seed + 44);
    world.asked.refuses = "it is no model";
    play(world, random, 700, { v13: 0.95 });
    world.judge.watch(beside);
    world.judge.watch({ ...beside, control: null });
    play(world, random, 120, { v14: 0.5 });
    await world.judge.turn();
    const verdict = world.said();
    assert.equal(verdict?.kind, kind, verdict?.says);
    assert.equal(verdict.control, null);
    assert.equal(verdict.controlIsWell, null);
    if (kind === "regression") assert.match(verdict.says, /v13 cannot be asked .*it is no model/);
  }
});

test("the same samples give the same state, also over a restart in between", () => {
  const whole = startJudge();
  const cut = startJudge();
  const random = chance(seed + 45);
  const scores = Array.from({ length: 300 }, () => (random() < 0.8 ? 1 : 0));
  whole.judge.watch(beside);
  cut.judge.watch(beside);
  const half = (world: typeof whole, from: number, until: number) => {
    for (let index = from; index < until; index++) {
      world.feed(index % 2 === 0 ? "v13" : "v14", scores[index] ?? 0, { key: `e${index}` });
    }
  };
  half(whole, 0, 300);
  half(cut, 0, 150);
  const stored = JSON.parse(JSON.stringify(cut.judge.takeNews(true).trials)) as never;
  const next = startJudge();
  next.clock.at = cut.clock.at;
  next.judge.restore(stored);
  next.judge.watch(beside);
  half(next, 150, 300);
  const linesOf = (world: typeof whole) => world.judge.trials()[0]?.trial.lines;
  assert.deepEqual(linesOf(next), linesOf(whole));
});

test("what cannot be scored, what comes too late and what is not watched is told apart, and judges nothing", () => {
  const world = startJudge();
  world.judge.watch(beside);
  assert.equal(world.feed("v14", 1), "judged");
  assert.equal(world.feed("v14", 7), "unjudged", "no value in [0,1]");
  assert.equal(world.feed("v14", Number.NaN), "unjudged");
  assert.equal(world.feed("v14", 1, { at: world.clock.at - 600_000 }), "late");
  assert.equal(world.feed("v12", 1), "unjudged", "neither the candidate nor its control");
  assert.equal(world.feed("v14", 1, { environment: "staging" }), "unjudged");
  const [judged] = world.judge.trials();
  assert.equal(judged?.trial.unscored, 2);
  assert.equal(judged.trial.late, 1);
  assert.equal(judged.trial.lines.quality?.whole.candidate.n, 1);
});
