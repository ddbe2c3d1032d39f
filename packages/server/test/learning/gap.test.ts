import assert from "node:assert/strict";
import { test } from "node:test";
import type { Check, GateRun, PostMortem } from "@lastgood/sdk";
import { gapOf, type Passage, questionsOf, servedOf } from "../../src/learning/gap.ts";
import { toMarkdown } from "../../src/learning/markdown.ts";
import { writePostMortem } from "../../src/learning/post-mortem.ts";
import { saidOf, withSaid } from "../../src/learning/said.ts";
import { incidentOf, recoveryOf } from "../skills/records.ts";

const at = (seconds: number) => new Date(Date.UTC(2026, 8, 21, 9, 0, seconds));
const check: Check = {
  ...{ id: "chk_1", incident: "inc_1", service: "router", command: ["make", "check"] },
  ...{ badRevision: "b", goodRevision: "g", accepted: true, because: "", runs: [] },
};
const refused: Check = { ...check, accepted: false, because: "nobody has told the right answer" };

/** Shares of the bad release, each from a second on. */
function pins(...steps: readonly (readonly [second: number, percent: number])[]) {
  return steps.map(([second, percent]) => ({
    at: at(second),
    shares: [
      { version: "13", share: 100 - percent },
      { version: "14", share: percent },
    ].filter(({ share }) => share > 0),
  }));
}

const shadowed = { source: "recorded", inputs: 200, same: 190, worse: [] } as const;
const pair = (of: string) =>
  ({ of, inputs: 100, live: 1, candidate: 1, worseByAtLeast: 0, worse: false }) as const;
const judged: NonNullable<Passage["judged"]> = {
  id: "gate_1",
  verdict: {
    ...{ kind: "promote", because: "14 against 13: 3 of 3 checks passed", scores: [], failed: [] },
    incident: null,
  },
  shadow: { ...shadowed, paired: [pair("right"), pair("right: style=capitals")] },
};
const passage: Passage = {
  release: "router:14",
  segment: "style=capitals",
  judged,
  served: servedOf(pins([0, 10], [30, 50]), "14", at(40)),
};

test("what a release served before it was noticed is read from the pins, of the last time that it served", () => {
  const twice = pins([0, 100], [5, 0], [10, 1], [20, 50], [25, 50], [50, 100], [60, 0]);
  assert.deepEqual(servedOf(twice, "14", at(55)), [
    { percent: 1, ms: 10_000 },
    { percent: 50, ms: 30_000 },
    { percent: 100, ms: 5_000 },
  ]);
  assert.deepEqual(servedOf(twice, "15", at(55)), []);
});

test("the gap is what was proven, else what the records show of where it was not looked; the rest is for a person", () => {
  const proven = gapOf(check, passage);
  assert.deepEqual([proven.is, proven.by], ["check-bank", "lastgood"]);
  assert.match(proven.because, /`make check` is red on the bad one and green on the good one/);

  const caught = gapOf(refused, passage);
  assert.deepEqual([caught.is, caught.by], ["unnamed", null]);
  assert.match(caught.because, /nobody has told the right answer/);

  const unseen = { ...judged, shadow: { ...shadowed, paired: [pair("right")] } };
  const noSuch = gapOf(refused, { ...passage, judged: unseen });
  assert.equal(noSuch.is, "shadow-window");
  assert.match(noSuch.because, /of 200 inputs in shadow too few were of style=capitals .*gate_1/);
  const blind = gapOf(refused, { ...passage, judged: { ...judged, shadow: null } });
  assert.equal(blind.is, "shadow-window");
  assert.match(blind.because, /nothing was compared in shadow/);

  const short = { ...passage, served: servedOf(pins([0, 10], [30, 100]), "14", at(90)) };
  const canary = gapOf(refused, short);
  assert.equal(canary.is, "canary");
  assert.match(canary.because, /served 10 % for 30s, then all; noticed 1m after/);
  const atOnce = { ...passage, judged: null, served: servedOf(pins([0, 100]), "14", at(9)) };
  assert.match(gapOf(refused, atOnce).because, /for all at once.*no gate run judged it/);
  assert.equal(gapOf(null, null).is, "unnamed");
});

test("of the three questions the records answer what they can, and the others stay unanswered", () => {
  const { answers, answeredBy } = questionsOf(passage);
  assert.match(
    answers.whyNotCaughtLive,
    /^the canary caught it: it served 10 % for 30s, then 50 %/,
  );
  assert.match(answers.whyChecksPassed, /^gate_1 let it through: 14 against 13: 3 of 3/);
  assert.equal(answers.wrongIncompleteOrMiscommunicated, "unanswered");
  assert.deepEqual(answeredBy, {
    ...{ whyNotCaughtLive: "lastgood", whyChecksPassed: "lastgood" },
    wrongIncompleteOrMiscommunicated: null,
  });
  assert.equal(questionsOf(null).answers.whyChecksPassed, "unanswered");
});

const event = (name: string, actor: string, text: string, details: object = {}) => ({
  ...{ at: at(0).toISOString(), actor, event: name, text },
  details: { ...details },
});

function report(): PostMortem {
  const [incident, recovery] = [incidentOf("inc_1"), recoveryOf("inc_1")];
  const records = { incident, recovery, check: refused, passage: null, draft: false };
  return writePostMortem({ ...records, writtenAt: at(60) });
}

test("what people say last counts, in their name; a reason for no check is the gap where nobody named one", () => {
  const waived = event("check.waived", "ops", "a load test did it");
  const onlyWaived = withSaid(report(), saidOf([waived]));
  assert.deepEqual(onlyWaived.gap, {
    ...{ is: "none-possible", because: "a load test did it", by: "ops" },
  });
  const timeline = [
    event("gap.named", "ops", "it came on a Sunday", { gap: "review" }),
    event("question.answered", "ops", "it looked fine", { question: "whyChecksPassed" }),
    event("gap.named", "ada", "nobody told support", { gap: "communication" }),
    event("question.answered", "ada", "nobody looked", { question: "whyChecksPassed" }),
    event("question.answered", "ada", "?", { question: "whyNot" }),
    waived,
  ];
  const said = withSaid(report(), saidOf(timeline));
  assert.deepEqual(said.gap, {
    ...{ is: "communication", because: "nobody told support", by: "ada" },
  });
  assert.equal(said.questions.whyChecksPassed, "nobody looked");
  assert.equal(said.answeredBy.whyChecksPassed, "ada");
  assert.equal(said.questions.whyNotCaughtLive, "unanswered");
  const markdown = toMarkdown(said);
  assert.match(markdown, /communication, named by ada: nobody told support/);
  assert.match(markdown, /\| Why did the checks pass\? \| nobody looked \| ada \|/);
  assert.match(toMarkdown(report()), /unnamed: .*lastgood incident gap inc_1/);
});

test("the runs of a check name the release that they were of, and a commit by its first letters", () => {
  const run = { outcome: "bad", exitCode: 1, startedAt: "", tookMs: 2, output: "" } as const;
  const runs = ["support-router:14", "a".repeat(40)].map((revision) => ({ ...run, revision }));
  const markdown = toMarkdown({ ...report(), check: { ...check, runs } });
  assert.match(markdown, /^`support-router:14`: bad/m);
  assert.match(markdown, /^`aaaaaaaaaaaa`: bad/m);
});

// The gate's own record is what is read of it.
judged satisfies Pick<GateRun, "id" | "verdict" | "shadow">;
