import assert from "node:assert/strict";
import { test } from "node:test";
import type { RampPlan } from "@lastgood/sdk";
import fc from "fast-check";
import type { ChangeId, IncidentId } from "../../src/ids.ts";
import type { ReleaseVerdict } from "../../src/rollouts/neighbours.ts";
import { type Act, nextAct, type Seen } from "../../src/rollouts/next-act.ts";
import { nextBack, requireRamp, stepsOf } from "../../src/rollouts/ramp.ts";
import {
  admit,
  beginShadow,
  type Canary,
  type Candidate,
  finishRollback,
  freeze,
  freezeUnserved,
  headline,
  isOpen,
  isReversible,
  percentOf,
  promote,
  type RolloutId,
  refuse,
  rollBack,
  supersede,
  type Turning,
  thaw,
  turn,
} from "../../src/rollouts/rollout.ts";
import { type Facts, planOf, stateOf, withState } from "../../src/rollouts/rollout-phase.ts";

const at = new Date("2026-11-01T08:00:00Z");
const plan: RampPlan = {
  ramp: stepsOf([1, 10, 50, 100], 1_000),
  reverse: stepsOf([10, 100], 500),
  ...{ bakeMs: 60_000, holdback: 0, automatic: "auto" },
};
const facts: Facts = {
  ...{ id: "ro_1" as RolloutId, environment: "production", artifact: "router", candidate: "v14" },
  ...{ purpose: "release", plan, startedBy: "token:ann", startedAt: at, because: "fewer tokens" },
};
const candidate: Candidate = { ...facts, phase: "candidate", hand: null };
const prior = { version: "v13", epoch: 3 };
const stand = { at, epoch: 4 };
const canary: Canary = admit(beginShadow(candidate), prior, 1, stand);
const live = promote(canary, 100, stand);
const turning: Turning = {
  ...{ why: "wrong language", by: "token:ann", incident: null, recovery: null },
  ...{ change: "c" as ChangeId, now: false, unchecked: false },
};
const stop = { by: "token:ann", why: "let me look", at, incident: null };

test("a rollback ends on the release that served before the candidate", () => {
  assert.equal(finishRollback(rollBack(live, turning, at), stand).prior.version, "v13");
  const frozen = freeze(live, stop);
  assert.equal(finishRollback(rollBack(frozen, turning, at), stand).prior.version, "v13");
});

test("what cannot be rolled back does not compile", () => {
  const superseded = supersede(live, "v15", "v15 went live");
  const unserved = freezeUnserved(beginShadow(candidate), stop);
  const illegal = () => {
    // @ts-expect-error: nothing leaves `superseded` (R2).
    rollBack(superseded, turning, at);
    // @ts-expect-error: a candidate serves nobody, so there is nothing to put back (R1).
    rollBack(candidate, turning, at);
    // @ts-expect-error: at the gate nothing was served either.
    rollBack(beginShadow(candidate), turning, at);
    // @ts-expect-error: frozen before it served anybody: there is no release before.
    rollBack(unserved, turning, at);
    // @ts-expect-error: what was refused is over.
    rollBack(refuse(candidate, "ann", "no"), turning, at);
    // @ts-expect-error: the gate stands between a candidate and its first traffic.
    admit(candidate, prior, 1, stand);
    // @ts-expect-error: it is back already.
    finishRollback(live, stand);
  };
  assert.ok(illegal);
  assert.deepEqual([superseded, unserved, live, canary].map(isReversible), [
    false,
    false,
    true,
    true,
  ]);
  assert.equal(headline(superseded), "superseded by v15: v15 went live");
});

test("every phase comes out of its row as it went in, and a row that no phase allows throws", () => {
  const back = rollBack(live, turning, at);
  const rollouts = [
    candidate,
    beginShadow(candidate),
    refuse(candidate, "the gate", "worse"),
    canary,
    live,
    freeze(canary, stop),
    freeze(back, stop),
    freezeUnserved(beginShadow(candidate), stop),
    supersede(live, "v15", "newer"),
    back,
    turn(back, 10, stand),
    finishRollback(back, stand),
  ];
  for (const rollout of rollouts) {
    const row: unknown = JSON.parse(JSON.stringify(stateOf(rollout)));
    assert.deepEqual(withState(facts, row), rollout, rollout.phase);
  }
  assert.deepEqual(planOf(JSON.parse(JSON.stringify(plan))), plan);
  assert.throws(() => withState(facts, { phase: "canary", hand: null, percent: 5 }));
  assert.throws(() => withState(facts, { phase: "gone" }));
});

function seen(given: Partial<Seen> & { readonly afterMs?: number } = {}): Seen {
  const { afterMs = 0, ...rest } = given;
  const pin = { epoch: 4, shares: [], by: "rollout:ro_1", because: "" };
  return { now: new Date(at.getTime() + afterMs), pin, verdict: null, held: null, ...rest };
}

function says(kind: ReleaseVerdict["kind"], more: Partial<ReleaseVerdict> = {}): ReleaseVerdict {
  return {
    ...{ kind, signal: "accuracy", dimension: null, method: "paired", evidence: 30, level: 0.7 },
    ...{ against: 0.9, samples: 100, onset: null, control: "v13", controlIsWell: true },
    ...{ failing: [], says: kind, ...more },
  };
}

test("a share is raised only when its hold is over and the judge says well", () => {
  const kinds = (given: Parameters<typeof seen>[0]) => nextAct(canary, seen(given)).kind;
  assert.equal(kinds({ afterMs: 900, verdict: says("well") }), "wait", "the hold is not over");
  assert.equal(kinds({ afterMs: 1_000, verdict: says("hold") }), "wait", "it is not well");
  assert.equal(kinds({ afterMs: 9_000, verdict: says("insufficient") }), "wait", "few data");
  assert.equal(kinds({ afterMs: 9_000, verdict: says("well"), held: "frozen" }), "wait");
  assert.equal(kinds({ afterMs: 1_000, verdict: says("well") }), "raise");
  assert.equal(kinds({ afterMs: 1_000 }), "raise", "nothing is declared that it is held to");
  assert.equal(kinds({ afterMs: 0, verdict: says("regression") }), "report", "at once");
  assert.equal(kinds({ verdict: says("regression"), held: "frozen" }), "report");
  const last = { ...canary, step: 2, percent: 50 };
  assert.equal(nextAct(last, seen({ afterMs: 1_000 })).kind, "promote");
  assert.equal(nextAct(freeze(canary, stop), seen({ verdict: says("regression") })).kind, "rest");
  const own = freeze(canary, { ...stop, by: "lastgood", incident: "inc_1" as IncidentId });
  assert.equal(nextAct(own, seen({ verdict: says("regression") })).kind, "report", "it lasts");
  assert.equal(nextAct(own, seen({ verdict: says("well") })).kind, "rest");
  assert.equal(nextAct(live, seen({ verdict: says("regression") })).kind, "report", "after 100 %");
  for (const fell of [canary, live, own]) {
    assert.equal(nextAct(fell, seen({ verdict: says("drift") })).kind, "report-drift", fell.phase);
  }
  assert.equal(nextAct(live, seen({ afterMs: 59_999 })).kind, "rest");
  assert.equal(nextAct(live, seen({ afterMs: 60_000 })).kind, "bake");
});

test("the way back is looked at first, held by its own ramp, and stops where it leads nowhere better", () => {
  const back = rollBack(live, turning, at);
  assert.equal(nextAct(back, seen()).kind, "look-back");
  const passed = { ...back, passed: true };
  assert.deepEqual(nextAct(passed, seen()), { kind: "turn", percent: 10 });
  const tenth = turn(passed, 10, stand);
  assert.equal(nextAct(tenth, seen({ afterMs: 499 })).kind, "wait");
  assert.equal(nextAct(tenth, seen({ afterMs: 500 })).kind, "finish");
  const ill = says("hold", { controlIsWell: false });
  assert.equal(nextAct(tenth, seen({ afterMs: 500, verdict: ill })).kind, "freeze");
  const hurried = { ...passed, turning: { ...turning, now: true } };
  assert.equal(nextAct(hurried, seen()).kind, "finish");
  assert.equal(nextAct(passed, seen({ held: "frozen" })).kind, "turn", "a person turned it");
  const byItself = { ...passed, turning: { ...turning, by: "recovery:rec_1" } };
  assert.equal(nextAct(byItself, seen({ held: "frozen" })).kind, "wait");
  const fromCanary = { ...rollBack(canary, turning, at), passed: true };
  assert.equal(nextAct(fromCanary, seen()).kind, "finish", "99 % are back already");
});

test("a pin that somebody else moved is yielded to", () => {
  const pinned = (...shares: [string, number][]) =>
    seen({
      pin: {
        ...{ epoch: 5, by: "token:bob", because: "by hand" },
        shares: shares.map(([version, share]) => ({ version, share })),
      },
    });
  const to = (act: Act) => (act.kind === "yield" ? act.to.kind : act.kind);
  assert.equal(to(nextAct(canary, pinned(["v14", 100]))), "promoted");
  assert.equal(to(nextAct(canary, pinned(["v13", 100]))), "turned-back");
  assert.equal(to(nextAct(canary, pinned(["v15", 100]))), "replaced");
  assert.equal(to(nextAct(canary, pinned(["v13", 60], ["v14", 40]))), "moved");
  assert.equal(to(nextAct(freeze(canary, stop), pinned(["v13", 60], ["v14", 40]))), "rest");
  assert.equal(to(nextAct(freeze(canary, stop), pinned(["v13", 100]))), "turned-back");
});

test("a ramp rises to 100, and the way back skips what is back already", () => {
  for (const bad of [[], [100, 50], [10, 10, 100], [10, 50], [-1, 100], [0.5, 100], [101]]) {
    assert.throws(() => requireRamp(bad), /is no ramp/, String(bad));
  }
  assert.deepEqual(requireRamp([0, 100]), [0, 100]);
  const percents = fc
    .uniqueArray(fc.integer({ min: 1, max: 99 }), { maxLength: 8 })
    .map((some) => [...some.sort((a, b) => a - b), 100]);
  fc.assert(
    fc.property(percents, fc.integer({ min: 0, max: 99 }), (ramp, from) => {
      const reverse = stepsOf(ramp, 1);
      let now = from;
      for (let turns = 0; now < 100; turns++) {
        const { percent } = nextBack({ reverse }, now, false);
        assert.ok(percent > now && turns < 10);
        now = percent;
      }
    }),
  );
});

test("frozen at any share and thawed, it stands where it stood", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 100 }), (percent) => {
      const some = { ...canary, percent };
      const frozen = freeze(some, stop);
      assert.equal(percentOf(frozen), percent);
      assert.deepEqual(thaw(frozen, null, stand), some);
      assert.equal(isOpen(frozen), true);
    }),
  );
});
