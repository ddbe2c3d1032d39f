import assert from "node:assert/strict";
import { test } from "node:test";
import type { Check, CheckResult } from "@lastgood/sdk";
import type { BankCheck } from "../../src/checks/check.ts";
import { resultOf } from "../../src/checks/check.ts";
import { Fault } from "../../src/fault.ts";
import { casesOf, checkNameFor, type Done, segmentOf } from "../../src/learning/propose-check.ts";
import { learnFromRelease, type ReleaseWorks } from "../../src/learning/release-check.ts";
import { realWorld } from "../../src/world.ts";

const exact = { kind: "exact" } as const;
const pair = { environment: "production", artifact: "router", bad: "14", good: "13" };

function work(count: number, more: Partial<Done> = {}): readonly Done[] {
  return Array.from({ length: count }, (_, index) => ({
    ...{ key: `${index}`, input: { n: index, ...more.dimensions }, expected: "refunds" },
    ...{ dimensions: null, ...more },
  }));
}

test("the segment that holds the failures is found, or the one that the verdict named", () => {
  const capitals = work(18, { dimensions: { style: "capitals", language: "de" } });
  const plain = work(2, { dimensions: { style: "plain", language: "en" } });
  const all = [...capitals, ...work(180, { dimensions: { style: "plain", language: "de" } })];
  assert.equal(segmentOf([...capitals, ...plain], all, null), "style=capitals");
  assert.equal(segmentOf([...capitals, ...plain], all, "language=en"), "language=en");
  assert.equal(segmentOf([...capitals, ...plain], all, "language=fr"), "style=capitals");
  assert.equal(segmentOf(work(20), work(200), null), null);
  const everywhere = work(20, { dimensions: { language: "de" } });
  assert.equal(
    segmentOf(everywhere, everywhere, null),
    null,
    "where all work is, nothing stands out",
  );
});

test("a case is made of each input once, where its right answer is known", () => {
  const [one, two] = work(2);
  assert.ok(one && two);
  const made = casesOf([one, { ...one, key: "again" }, { ...two, expected: null }], null, exact);
  assert.deepEqual(made, [
    { name: "1: 0", input: { n: 0 }, expected: "refunds", evaluator: exact },
  ]);
});

test("whatever an artifact and a segment are called, the check has a place in the bank", () => {
  assert.equal(checkNameFor("a/_b/c", "team=../x y", "inc_1"), "a/b/c/team-..-x-y-inc_1");
  assert.equal(checkNameFor("router", null, "inc_1"), "router/failures-inc_1");
});

/** Releases by which inputs they get wrong, and by chance where they are told to. */
function works(
  wrong: Readonly<Record<string, (n: number) => boolean>>,
  failing: readonly Done[],
  dropped: readonly string[] = [],
) {
  const added: BankCheck[] = [];
  let runs = 0;
  const made: ReleaseWorks = {
    failingInputs: async () => failing,
    recentInputs: async () => failing.map((done) => ({ ...done, version: "14" })),
    comparedBy: async () => exact,
    droppedOf: async () => dropped,
    async tryChecks({ version }, checks): Promise<readonly CheckResult[]> {
      runs += 1;
      return checks.map((check) =>
        resultOf(
          check,
          check.cases.map(({ name, input }) => ({
            ...{ case: name, score: 0, says: "", answer: "", tookMs: 1 },
            outcome: wrong[version]?.((input as { n: number }).n) ? "fail" : "pass",
          })),
          null,
        ),
      );
    },
    async add(check) {
      added.push(check);
      return { file: `${check.name}.yaml` };
    },
    learned: async () => null,
  };
  return { made, added, runs: () => runs };
}

const learn = (given: ReleaseWorks): Promise<Check> =>
  learnFromRelease(
    given,
    realWorld,
    { pair, incident: "inc_1", segment: null },
    new AbortController().signal,
  );

test("of what failed, the cases are kept that tell the two releases apart, and proved by runs that chose nothing", async () => {
  const { made, added, runs } = works({ "13": (n) => n % 4 === 0, "14": () => true }, work(40));
  const check = await learn(made);
  assert.ok(check.accepted, check.because);
  assert.match(check.because, /red on the bad revision.*green on the good one; 30 cases in router/);
  assert.equal(added[0]?.cases.length, 30);
  assert.equal(added[0]?.atLeast, 0.8);
  assert.equal(runs(), 2 + check.runs.length);
  assert.deepEqual(new Set(check.runs.map(({ outcome }) => outcome)), new Set(["bad", "good"]));
});

test("what the good release fails as well, or what is red by chance, is no check", async () => {
  const alike = works({ "13": () => true, "14": () => true }, work(40));
  assert.match(
    (await learn(alike.made)).because,
    /of 40 failures.*13 passes 0 and 14 fails 40, and none tells the two apart/,
  );
  let asked = 0;
  const moody = works({ "13": () => false, "14": () => ++asked <= 3 }, work(3));
  const once = await learn(moody.made);
  assert.equal(once.accepted, false, once.because);
  assert.deepEqual([alike.added, moody.added], [[], []]);
});

test("without inputs, without right answers, without a way to ask and without a place it says so", async () => {
  const { made } = works({ "14": () => true }, work(3));
  const said = async (more: Partial<ReleaseWorks>) => {
    const check = await learn({ ...made, ...more });
    assert.equal(check.accepted, false);
    return check.because;
  };
  assert.match(await said({ failingInputs: async () => [] }), /gateway\.record/);
  assert.match(
    await said({ failingInputs: async () => work(7, { expected: null }) }),
    /of 7 failures under router:14 nobody has told/,
  );
  assert.match(await said({ comparedBy: async () => null }), /gate\.router\.run/);
  const full = async () => {
    throw new Fault("state_forbids", "The check cannot be written to router/x.yaml.");
  };
  assert.match(await said({ add: full }), /cannot be written/);
});

test("a check of the incident that is in the bank already is proved again and kept, not refused as another's", async () => {
  const { made, added } = works({ "14": () => true }, work(40));
  await learn({ ...made, failingInputs: async () => work(4) });
  const [written] = added;
  assert.ok(written);
  const bank: Partial<ReleaseWorks> = {
    learned: async (artifact, incident) =>
      artifact === "router" && incident === written.incident
        ? { check: written, file: `${written.name}.yaml` }
        : null,
    add: async () => {
      throw new Fault("already_exists", "The check is there already, and says otherwise.");
    },
  };
  const again = await learn({ ...made, ...bank });
  assert.ok(again.accepted, again.because);
  assert.match(
    again.because,
    /4 cases in router.failures-inc_1.yaml of the bank, where it was already/,
  );
  assert.equal(again.command.at(-1), written.name);
  assert.deepEqual(new Set(again.runs.map(({ outcome }) => outcome)), new Set(["bad", "good"]));
  const mended = works({}, work(40));
  const neither = await learn({ ...mended.made, ...bank });
  assert.equal(neither.accepted, false, "what is there has to show the fault as well");
});

test("what is to be left out of inputs is left out before anything is run, and it is said how much that was", async () => {
  const told = work(6).map((done) => ({ ...done, input: { n: 1, mail: ["a@b.c", done.key] } }));
  const { made, added } = works({ "14": () => true }, told, ["$.mail[0]", "$..name"]);
  const check = await learn(made);
  assert.ok(check.accepted, check.because);
  assert.match(
    added[0]?.because ?? "",
    /; left out of the inputs: \$\.mail\[0\] \(6\), \$\.\.name \(0\)$/,
  );
  assert.deepEqual(added[0]?.cases[5], {
    ...{ name: "case-6", input: { n: 1, mail: ["5"] }, expected: "refunds", evaluator: exact },
  });
  const all = works({ "14": () => true }, told, ["$.mail"]);
  await learn(all.made);
  assert.equal(all.added[0]?.cases.length, 1, "what is the same without it is one case");
});
