import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ChangeId } from "../../src/ids.ts";
import {
  assess,
  type Case,
  clampFactor,
  commonCauseFactor,
  type Evidence,
  timeFactor,
  weightsBeforeReruns,
  witnessesOf,
} from "../../src/incidents/suspects.ts";

const onset = new Date("2026-09-21T08:00:00Z");
const before = (seconds: number) => new Date(onset.getTime() - seconds * 1_000);
const observed = (factor: number) => ({ factor, says: `${factor}` });

function evidence(id: string, given: Partial<Evidence> = {}): Evidence {
  return {
    change: id as ChangeId,
    exposedAt: before(20),
    distance: 0,
    contrast: null,
    rerun: null,
    reporters: 0,
    ...given,
  };
}

function caseOf(...of: readonly Evidence[]): Case {
  return { onset, slackMs: 1_000, evidence: of, peersShowing: [], peers: 2 };
}

const anyEvidence = fc
  .record({
    seconds: fc.integer({ min: -100, max: 10_000 }),
    distance: fc.option(fc.nat(5), { nil: null }),
    contrast: fc.option(fc.double({ min: 0, max: 1e6, noNaN: true }), { nil: null }),
    rerun: fc.option(fc.double({ min: 0, max: 1e6, noNaN: true }), { nil: null }),
    reporters: fc.nat(5),
  })
  .map(({ seconds, contrast, rerun, ...rest }) => ({
    ...rest,
    exposedAt: before(seconds),
    contrast: contrast === null ? null : observed(contrast),
    rerun: rerun === null ? null : observed(rerun),
  }));
const anyCase = fc
  .tuple(fc.array(anyEvidence, { maxLength: 12 }), fc.nat(5))
  .map(([of, showing]) => ({
    ...caseOf(...of.map((each, index) => evidence(`c${index}`, each))),
    peersShowing: Array.from({ length: showing }, (_, index) => `peer-${index}`),
  }));

test("the score is the product that the design states, over all suspects and none of them", () => {
  const guilty = evidence("guilty", {
    contrast: observed(500),
    rerun: observed(99),
    exposedAt: before(90),
    distance: 2,
  });
  const innocent = evidence("innocent", { contrast: observed(0.5), rerun: observed(0.001) });
  const { suspects, none } = assess(caseOf(innocent, guilty));
  const scores = {
    guilty: 0.35 * 99 * (2 / 4) * 0.9 * 99,
    innocent: 0.35 * 0.5 * 1 * 1 * (1 / 99),
    none: 0.3,
  };
  const total = scores.guilty + scores.innocent + scores.none;
  assert.deepEqual(
    suspects.map((each) => each.change),
    ["guilty", "innocent"],
  );
  assert.ok(Math.abs((suspects[0]?.posterior ?? 0) - scores.guilty / total) < 1e-12);
  assert.ok(Math.abs((suspects[1]?.posterior ?? 0) - scores.innocent / total) < 1e-12);
  assert.ok(Math.abs(none.posterior - scores.none / total) < 1e-12);
  assert.deepEqual(suspects[0]?.witnesses, ["contrast", "rerun"]);
});

test("posteriors add up to one, whatever was observed, and the excluded have none of it", () => {
  fc.assert(
    fc.property(anyCase, (given) => {
      const { suspects, none } = assess(given);
      const sum = suspects.reduce((total, each) => total + each.posterior, none.posterior);
      assert.ok(Math.abs(sum - 1) < 1e-9);
      for (const each of suspects) {
        assert.ok(each.posterior >= 0 && each.posterior <= 1);
        if (each.excluded !== null) assert.equal(each.posterior, 0);
        if (each.excluded !== null) assert.deepEqual(each.witnesses, []);
      }
      const weights = [...weightsBeforeReruns(assess(given)).values()];
      assert.ok(weights.reduce((total, each) => total + each, 0) <= 0.7 + 1e-9);
    }),
  );
});

test("more of any evidence against one never makes it less likely", () => {
  fc.assert(
    fc.property(anyCase, fc.nat(), fc.constantFrom("contrast", "rerun"), (given, at, kind) => {
      fc.pre(given.evidence.length > 0);
      const index = at % given.evidence.length;
      const chosen = given.evidence[index];
      if (chosen === undefined) return;
      const more = given.evidence.map((each, position) =>
        position === index ? { ...each, [kind]: observed((each[kind]?.factor ?? 1) * 3) } : each,
      );
      const of = (assessed: ReturnType<typeof assess>) =>
        assessed.suspects.find((each) => each.change === chosen.change)?.posterior ?? 0;
      assert.ok(of(assess({ ...given, evidence: more })) >= of(assess(given)) - 1e-12);
    }),
  );
});

test("what went live after the onset, or has no path, is out; within one probe interval it is in", () => {
  const { suspects } = assess(
    caseOf(
      evidence("late", { exposedAt: before(-2) }),
      evidence("within", { exposedAt: before(-0.9) }),
      evidence("apart", { distance: null }),
    ),
  );
  const excluded = Object.fromEntries(suspects.map((each) => [each.change, each.excluded]));
  assert.equal(excluded.within, null);
  assert.match(excluded.late ?? "", /after it had begun/);
  assert.match(excluded.apart ?? "", /no declared path/);
});

test("time decays by nine tenths at 1, 2, 4, 8, 16 and 32 minutes, and is no witness", () => {
  const at = (minutes: number) => timeFactor(before(minutes * 60), onset);
  assert.deepEqual(
    [0, 1, 1.5, 3, 7, 15, 31, 33, 4_000].map((minutes) => at(minutes).toFixed(4)),
    ["1.0000", "1.0000", "0.9000", "0.8100", "0.7290", "0.6561", "0.5905", "0.5314", "0.5314"],
  );
  assert.deepEqual(witnessesOf(evidence("recent", { exposedAt: before(1) })), []);
});

test("one kind of evidence makes one witness, three reporters another", () => {
  const of = (given: Partial<Evidence>) => witnessesOf(evidence("c", given));
  assert.deepEqual(of({ contrast: observed(19.9), rerun: observed(19.9), reporters: 2 }), []);
  assert.deepEqual(of({ contrast: observed(20) }), ["contrast"]);
  assert.deepEqual(of({ rerun: observed(1e9), reporters: 3 }), ["rerun", "reports"]);
});

test("a shared outage makes none of them likelier than a lone suspect with contrast alone", () => {
  assert.deepEqual([0, 1, 2, 3, 9].map(commonCauseFactor), [1, 20, 400, 8_000, 8_000]);
  const suspect = evidence("deployed just before", { contrast: observed(1e6) });
  const alone = assess(caseOf(suspect));
  const shared = assess({ ...caseOf(suspect), peersShowing: ["billing", "search"] });
  assert.ok((alone.suspects[0]?.posterior ?? 0) >= 0.99);
  assert.ok(shared.none.posterior > 0.5);
});

test("factors are held between 1/99 and 99", () => {
  assert.deepEqual([0, 1, 1e9, Number.NaN].map(clampFactor), [1 / 99, 1, 99, 1]);
});
