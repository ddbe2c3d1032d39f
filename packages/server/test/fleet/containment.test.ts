import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { admit, type Containment, stricter } from "../../src/fleet/containment.ts";
import type { AgentName } from "../../src/ids.ts";

const since = new Date("2026-09-21T08:00:00Z");
const contained: Containment = {
  agent: "backend" as AgentName,
  since,
  incident: null,
  because: "it dropped an index",
};
const before = new Date(since.getTime() - 1);

test("what a contained hand pushed before it was contained is deployed, what came later is not", () => {
  const old = { id: "a", agent: "backend", seenAt: before };
  const others = { id: "b", agent: "search", seenAt: since };
  const late = { id: "c", agent: "backend", seenAt: since };
  assert.deepEqual(admit([old, others], [contained]), { ok: true });
  const answer = admit([old, others, late], [contained]);
  assert.equal(answer.ok, false);
  assert.equal(!answer.ok && answer.deployable, "b");
});

test("while a hand is contained, what the ledger does not know yet may be its own; history is not", () => {
  const ancient = { id: "a", agent: "", seenAt: null };
  const known = { id: "b", agent: "search", seenAt: since };
  const fresh = { id: "c", agent: "", seenAt: null };
  assert.deepEqual(admit([ancient, known, fresh], []), { ok: true });
  const answer = admit([ancient, known, fresh], [contained]);
  assert.equal(!answer.ok && answer.deployable, "b");
  assert.match(answer.ok ? "" : answer.because, /not in the ledger yet/);
  assert.deepEqual(admit([ancient, known], [contained]), { ok: true });
});

test("of several answers the one that lets fewer commits go live counts, whichever comes first", () => {
  const commits = ["a", "b", "c"];
  const answer = fc.oneof(
    fc.constant({ ok: true as const }),
    fc
      .constantFrom(null, "a", "b")
      .map((deployable) => ({ ok: false as const, because: "so", deployable })),
  );
  const allowed = (each: { ok: boolean; deployable?: string | null }) =>
    each.ok ? commits.length : commits.indexOf(each.deployable ?? "") + 1;
  fc.assert(
    fc.property(answer, answer, (one, other) => {
      const both = allowed(stricter(one, other, commits));
      assert.equal(both, Math.min(allowed(one), allowed(other)));
      assert.equal(both, allowed(stricter(other, one, commits)));
    }),
  );
});
