import assert from "node:assert/strict";
import { test } from "node:test";
import type { DrillReport, Ending } from "../../src/drills/drill.ts";
import { type CaughtBy, judgeMutation } from "./mutation-verdict.ts";
import { mutations } from "./mutations.ts";

const caughtBy: CaughtBy = {
  verification: /does not hold the revert/,
  proofs: ["exactly one revert, of the guilty commit"],
};
const words = '"revert on main" did not take: main does not hold the revert a1b2c3';

function reported(
  against: readonly string[],
  { says = words, ending = "waits-for-person" }: { says?: string; ending?: Ending } = {},
  mutantThrew: string | null = null,
) {
  const proofs = ["exactly one revert, of the guilty commit", "no person was called"].map(
    (what) => ({ what, holds: !against.includes(what), seen: "so" }),
  );
  const timeline = [{ at: "", elapsedMs: 0, actor: "lastgood", event: `incident.frozen: ${says}` }];
  const report = { ok: against.length === 0, ending, proofs, timeline } as unknown as DrillReport;
  return { kind: "reported", report, mutantThrew } as const;
}

test("a mutation is caught when the drill fails by all that was expected to catch it", () => {
  const verdict = judgeMutation(caughtBy, reported([...caughtBy.proofs, "no person was called"]));
  assert.equal(verdict.kind, "caught");
  assert.match(verdict.kind === "caught" ? verdict.by.join("\n") : "", /does not hold the revert/);
});

test("a drill that is ok over a mutation has not caught it", () => {
  assert.deepEqual(judgeMutation(caughtBy, reported([])), { kind: "not-caught" });
});

test("a drill that fails for another reason has not caught it either", () => {
  const cases = {
    "another proof": reported(["no person was called"]),
    "other words": reported([...caughtBy.proofs], { says: '"revert" did not take: refused' }),
    "no words": reported([...caughtBy.proofs], { says: "the recovery is verified" }),
    "patience ran out": reported([...caughtBy.proofs], { ending: "unfinished" }),
    "the mutant broke": reported([...caughtBy.proofs], {}, "TypeError: undefined"),
    "no report": { kind: "threw", because: "the server exited with 1" } as const,
  };
  for (const [name, drilled] of Object.entries(cases)) {
    assert.equal(judgeMutation(caughtBy, drilled).kind, "failed-otherwise", name);
  }
});

test("a mutation by which nothing is noticed is caught where no incident is opened, and only there", () => {
  const blind: CaughtBy = { ...caughtBy, verification: null, incident: "none" };
  const drilled = (ending: Ending, incident: string | null) => {
    const given = reported(blind.proofs, { ending });
    return { ...given, report: { ...given.report, incident } };
  };
  assert.equal(judgeMutation(blind, drilled("unfinished", null)).kind, "caught");
  assert.equal(judgeMutation(blind, drilled("unfinished", "inc_1")).kind, "failed-otherwise");
  assert.equal(judgeMutation(blind, drilled("closed", "inc_1")).kind, "failed-otherwise");
  const any: CaughtBy = { ...blind, incident: "any" };
  assert.equal(judgeMutation(any, drilled("unfinished", "inc_1")).kind, "caught");
});

test("each mutation says what is expected to catch it", () => {
  for (const { name, caughtBy: expected } of mutations) {
    assert.ok(expected.verification !== null || expected.proofs.length > 0, name);
  }
});
