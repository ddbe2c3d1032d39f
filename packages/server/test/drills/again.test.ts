/** What the drill says of a second incident: that the playbook did it, and by how much sooner; or that it did not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Incident } from "@lastgood/sdk";
import { gainOf } from "../../src/drills/gain.ts";
import { provedPlaybook } from "../../src/drills/september/again.ts";
import type { Round } from "../../src/drills/september/played.ts";

const guilty = "b".repeat(40);
const edit = { subject: "chore: drop what is unused", apply: () => ({}) };
const acts: Round["acts"] = [{ agent: "editorial", edit, guilty: true }];
const at = (second: number) => new Date(Date.UTC(2026, 10, 27, 8, 0, second)).toISOString();
const run = { service: "content-api", exitCode: 1, tookMs: 900 };

function told(second: number, event: string, change: string | null = null) {
  const details = change === null ? {} : { leads: [{ change }] };
  return { at: at(second), elapsedMs: 0, actor: "lastgood", event, text: event, details };
}

const led = [
  told(1, "playbook.proposed", "chg_b"),
  told(5, "playbook.confirmed"),
  told(9, "playbook.put-right"),
];

/** Only what the proofs read of it. */
function round(timeline: Incident["timeline"]): Pick<Round, "acts" | "commits" | "incident"> {
  const incident = {
    ...{ timeline, suspects: [{ change: "chg_b", to: guilty }] },
    decision: { witnesses: ["contrast", "rerun"] },
    reruns: [
      { ...run, at: at(2), revision: guilty, outcome: "bad" },
      { ...run, at: at(3), revision: "a".repeat(40), outcome: "good" },
    ],
  };
  return { acts, commits: [guilty], incident: incident as unknown as Incident };
}

const against = (timeline: Incident["timeline"]) =>
  provedPlaybook(round(timeline))
    .filter(({ holds }) => !holds)
    .map(({ what }) => what);

test("that the playbook did it is proven only where it led to the change before a run, was confirmed and put it right", () => {
  const leading = "the playbook of the first incident led to it, before any check was run";
  assert.deepEqual(against(led), []);
  assert.deepEqual(against([]), [leading, "playbook.confirmed", "playbook.put-right"]);
  const late = [told(2, "playbook.proposed", "chg_b"), ...led.slice(1)];
  assert.deepEqual(against(late), [], "in the very moment of the first run it is not late");
  assert.deepEqual(against([told(3, "playbook.proposed", "chg_b"), ...led.slice(1)]), [leading]);
  assert.deepEqual(against([told(1, "playbook.proposed", "chg_a"), ...led.slice(1)]), [leading]);
  assert.deepEqual(against(led.slice(0, 1)), ["playbook.confirmed", "playbook.put-right"]);
});

test("the gain is what was measured of both, and where there is none that is said", () => {
  const first = { detectedToDecided: 8_900, injectedToVerified: 20_000, runs: 10 };
  const sooner = gainOf(first, { detectedToDecided: 4_000, injectedToVerified: 15_000, runs: 6 });
  assert.equal(sooner.lessBy, 0.25);
  assert.equal(
    sooner.says,
    "put right in 25 % less time with the playbook (injected to verified 15.0 s, 20.0 s the first time; detected to decided 4.0 s, 8.9 s the first time; 6 runs of the check, 10 the first time)",
  );
  for (const injectedToVerified of [19_500, 20_000, 26_000]) {
    assert.match(gainOf(first, { ...first, injectedToVerified }).says, /^no gain: /);
  }
  const never = gainOf(first, { ...first, injectedToVerified: null });
  assert.deepEqual([never.lessBy, /^no gain is known/.test(never.says)], [null, true]);
});
