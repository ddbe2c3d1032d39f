import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { configSchema } from "../../src/config/config.ts";
import type { ChangeId } from "../../src/ids.ts";
import {
  type Circumstances,
  type Judgement,
  judge,
  percent,
  permit,
} from "../../src/incidents/act-ladder.ts";
import { modeOf, strictest } from "../../src/incidents/modes.ts";
import { whenToPage } from "../../src/incidents/notice.ts";
import { assess, type Evidence } from "../../src/incidents/suspects.ts";

const thresholds = { actAt: 0.99, freezeAt: 0.8 };
const onset = new Date("2026-09-21T08:00:00Z");
const observed = (factor: number) => ({ factor, says: "" });

function evidence(id: string, contrast: number, rerun: number): Evidence {
  return {
    change: id as ChangeId,
    exposedAt: new Date(onset.getTime() - 10_000),
    distance: 0,
    contrast: observed(contrast),
    rerun: observed(rerun),
    reporters: 0,
  };
}
const assessed = (...of: readonly Evidence[]) =>
  assess({ onset, slackMs: 1_000, evidence: of, peersShowing: [], peers: 0 });

const sure: Judgement = {
  rung: "act",
  changes: ["guilty" as ChangeId],
  innocents: [],
  posterior: 0.995,
  witnesses: ["contrast", "rerun"],
  because: "one change at 99.5 %",
};
const calm: Circumstances = {
  mode: "auto",
  frozenBecause: null,
  indicatorsOnly: false,
  drift: false,
  humanDecisions: [],
  plan: { reversible: true, conflicts: [] },
  unplanned: null,
  beyondAuthority: [],
  recoveries: { today: 0, inARow: 0 },
  caps: { recoveriesPerDay: 5, recoveriesInARow: 3 },
  severity: "high",
};

test("it acts at .99 with two witnesses, stops for a person from .8, and moves nothing below", () => {
  const rung = (...of: readonly Evidence[]) => judge(assessed(...of), [], thresholds).rung;
  assert.equal(rung(evidence("a", 99, 99)), "act");
  assert.equal(rung(evidence("a", 99, 99), evidence("b", 99, 0)), "act");
  assert.equal(rung(evidence("a", 99, 1)), "freeze", "sure, but only one witness");
  assert.equal(rung(evidence("a", 4, 1)), "freeze");
  assert.equal(rung(evidence("a", 99, 99), evidence("b", 99, 99)), "none");
  assert.equal(rung(evidence("a", 1, 1)), "none");
  assert.equal(rung(), "none");
});

test("a bundle that was not split goes back as a whole, naming the likely innocents", () => {
  const assessment = assessed(
    evidence("a", 99, 99),
    evidence("b", 99, 30),
    evidence("c", 99, 0.001),
  );
  const changes = ["a", "b", "c"] as ChangeId[];
  assert.equal(judge(assessment, [], thresholds).rung, "none");
  const whole = judge(assessment, [{ changes, witnesses: ["contrast", "rerun"] }], thresholds);
  assert.equal(whole.rung, "act");
  assert.deepEqual(whole.changes, ["a", "b", "c"]);
  assert.deepEqual(whole.innocents, ["b", "c"]);
  const unheard = judge(assessment, [{ changes, witnesses: ["contrast"] }], thresholds);
  assert.equal(unheard.rung, "freeze");
});

test("each of these alone keeps it from acting, and is said", () => {
  const cases: readonly [Partial<Circumstances>, "freeze" | "none", RegExp][] = [
    [{ plan: { reversible: false, conflicts: [] } }, "freeze", /irreversible/],
    [{ plan: { reversible: true, conflicts: ["api.ts"] } }, "freeze", /conflict: api.ts/],
    [{ plan: null, unplanned: "not on the branch" }, "freeze", /not on the branch/],
    [{ beyondAuthority: ["9 commits"] }, "freeze", /beyond authority: 9 commits/],
    [{ recoveries: { today: 5, inARow: 0 } }, "freeze", /cap of 5/],
    [{ recoveries: { today: 3, inARow: 3 } }, "freeze", /in a row/],
    [{ humanDecisions: ["token:ann: hotfix"] }, "freeze", /a person decided it/],
    [{ frozenBecause: "migration" }, "freeze", /frozen: migration/],
    [{ indicatorsOnly: true }, "none", /indicators/],
    [{ drift: true }, "none", /drifted/],
  ];
  assert.equal(permit(sure, calm).act, "run");
  assert.equal(permit(sure, calm).page, "no");
  for (const [given, act, says] of cases) {
    const permitted = permit(sure, { ...calm, ...given });
    assert.equal(permitted.act, act);
    assert.match(permitted.because.join("; "), says);
  }
});

test("every reason that stands against acting is given, not only the first", () => {
  const permitted = permit(sure, {
    ...calm,
    plan: { reversible: false, conflicts: ["api.ts"] },
    recoveries: { today: 5, inARow: 3 },
  });
  assert.equal(permitted.page, "always-a-person");
  assert.equal(permitted.because.length, 5);
});

test("watch and propose decide the same as auto, and never move anything by themselves", () => {
  const anyCircumstances = fc.record({
    plan: fc.constantFrom(
      { reversible: true, conflicts: [] },
      { reversible: false, conflicts: [] },
      null,
    ),
    frozenBecause: fc.constantFrom(null, "a test"),
    indicatorsOnly: fc.boolean(),
    drift: fc.boolean(),
    beyondAuthority: fc.constantFrom([], ["too much"]),
    recoveries: fc.record({ today: fc.nat(6), inARow: fc.nat(4) }),
    severity: fc.constantFrom("critical" as const, "high" as const, "low" as const),
  });
  const anyJudgement = fc.constantFrom("act" as const, "freeze" as const, "none" as const);
  fc.assert(
    fc.property(anyCircumstances, anyJudgement, (given, rung) => {
      const of = (mode: "watch" | "propose" | "auto") =>
        permit({ ...sure, rung }, { ...calm, ...given, mode });
      const auto = of("auto");
      for (const mode of ["watch", "propose"] as const) {
        assert.equal(of(mode).would, auto.would);
        assert.notEqual(of(mode).act, "run");
        if (auto.act === "run") assert.equal(of(mode).act, mode);
        if (auto.act === "run" && given.severity !== "low") assert.equal(of(mode).page, "now");
      }
      if (auto.act === "run") assert.ok(rung === "act" && given.frozenBecause === null);
      if (rung === "none") assert.equal(auto.act, "none");
    }),
  );
});

test("the strictest of layer, service and general mode counts", () => {
  const config = configSchema.parse({
    mode: "auto",
    modes: { state: "watch" },
    services: { billing: { mode: "propose" }, search: {} },
  });
  assert.equal(modeOf(config, ["search"], ["code", "fleet"]), "auto");
  assert.equal(modeOf(config, ["search", "billing"], ["code"]), "propose");
  assert.equal(modeOf(config, ["billing"], ["code", "state"]), "watch");
  assert.equal(modeOf(configSchema.parse({}), [], ["code"]), "watch");
  assert.equal(strictest([]), "auto");
});

test("a person is called at once for the critical, and for the high where nothing moves by itself", () => {
  assert.equal(whenToPage("critical", "auto", null).kind, "now");
  assert.equal(whenToPage("high", "auto", null).kind, "unless-contained");
  assert.equal(whenToPage("high", "watch", null).kind, "now");
  assert.equal(whenToPage("high", "propose", null).kind, "now");
  assert.equal(whenToPage("high", "auto", "a migration").kind, "now");
  assert.equal(whenToPage("low", "watch", null).kind, "never");
});

test("nothing short of certain is shown as certain", () => {
  assert.equal(percent(0.99999), "99.9 %");
  assert.equal(percent(0.9876), "98.7 %");
  assert.equal(percent(1), "100 %");
});
