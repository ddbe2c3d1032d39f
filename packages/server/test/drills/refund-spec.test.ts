import assert from "node:assert/strict";
import { test } from "node:test";
import { decide, isOwed, owedUpTo, reasons } from "../../src/drills/refund-spec/policy.ts";
import { requestsOf, specs, tellStory } from "../../src/drills/refund-spec/story.ts";

const seeds = Array.from({ length: 100 }, (_, seed) => seed);

test("every in-flight policy is told by some seed, and one seed tells one story", () => {
  const policies = new Set(seeds.map((seed) => tellStory(seed).inFlight));
  assert.deepEqual([...policies].sort(), ["cancel-retry", "finish-old", "switch"]);
  assert.deepEqual(tellStory(7), tellStory(7));
  const [one, other] = [requestsOf(tellStory(7)), requestsOf(tellStory(7))];
  for (let count = 0; count < 100; count++) assert.deepEqual(one.next(), other.next());
});

test("the damage is the spec's: of the same requests 98 % succeed under one and 71 % under the other", () => {
  for (const seed of seeds.slice(0, 10)) {
    const requests = requestsOf(tellStory(seed));
    const all = Array.from({ length: 5_000 }, () => requests.next());
    const share = (version: keyof typeof specs) =>
      all.filter((asked) => decide(specs[version], asked).decision === "refund").length / 5_000;
    assert.ok(Math.abs(share("2.0.3") - 0.98) < 0.01, `seed ${seed}`);
    assert.ok(Math.abs(share("2.1.0") - 0.71) < 0.03, `seed ${seed}`);
    assert.equal(share("2.1.1"), share("2.1.0"), "the same fault");
    assert.equal(share("2.2.0"), share("2.0.3"), "what is owed is paid");
  }
});

test("nobody gets more than the house owes by any spec, and all of it by those that are good", () => {
  for (const spec of Object.values(specs)) {
    for (const reason of reasons) {
      assert.equal(decide(spec, { amount: owedUpTo + 1, reason }).decision, "refuse");
    }
  }
  const owed = { amount: owedUpTo, reason: reasons[0] };
  assert.ok(isOwed(owed));
  assert.equal(decide(specs["2.0.3"], owed).decision, "refund");
  assert.deepEqual(decide(specs["2.2.0"], owed), { decision: "refund", secondLook: "a colleague" });
});
