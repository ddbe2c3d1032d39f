import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Json } from "../../../src/json/canonical.ts";
import { keepStricter, type NeverRevive } from "../../../src/layers/state/never-revive.ts";

function rule(path: string, stricter: NeverRevive["stricter"] = "fewer"): readonly NeverRevive[] {
  return [{ documents: "p/*", path, stricter }];
}

test("of a newer and a restored value the stricter one stays, and is listed", () => {
  const cases: readonly [NeverRevive["stricter"], Json | undefined, Json, Json | undefined][] = [
    ["fewer", ["a"], ["a", "b"], ["a"]],
    ["fewer", ["a", "c"], ["a"], ["a"]],
    ["fewer", undefined, "token", undefined],
    ["fewer", "new", "old", "new"],
    ["fewer", { ann: { w: 1 } }, { ann: { w: 1, x: 1 }, eve: 1 }, { ann: { w: 1 } }],
    ["true", true, false, true],
    ["true", undefined, false, false],
    ["true", false, true, true],
    ["false", false, true, false],
    ["greater", 9, 5, 9],
    ["greater", 5, 9, 9],
    ["greater", "x", 9, 9],
    ["less", 5, 9, 5],
    ["less", 9, 5, 5],
  ];
  for (const [order, newer, restored, expected] of cases) {
    const head = newer === undefined ? {} : { at: newer };
    const found = keepStricter(rule("/at", order), "p/x", head, { at: restored, other: 1 });
    assert.deepEqual(
      found.value,
      expected === undefined ? { other: 1 } : { other: 1, at: expected },
      `${order} ${JSON.stringify(newer)} over ${JSON.stringify(restored)}`,
    );
    const same = JSON.stringify(expected) === JSON.stringify(restored);
    assert.deepEqual(found.kept, same ? [] : ["/at"]);
  }
});

test("what a removed document held is not revived, and other documents are not touched", () => {
  const restored = { grants: ["eve"], title: "t" };
  assert.deepEqual(keepStricter(rule("/grants"), "p/x", undefined, restored).value, { title: "t" });
  assert.deepEqual(keepStricter(rule("/grants"), "q/x", undefined, restored).value, restored);
  assert.equal(keepStricter(rule("/grants"), "p/x", restored, undefined).value, undefined);
});

test("no grant that the newer version no longer has ever comes back", () => {
  const grants = fc.dictionary(fc.constantFrom("a", "b", "__proto__"), fc.constantFrom(1, 2), {
    noNullPrototype: true,
  });
  fc.assert(
    fc.property(grants, grants, (newer, old) => {
      const { value } = keepStricter(rule("/*"), "p/x", newer, old);
      for (const [key, each] of Object.entries(value as Record<string, Json>)) {
        assert.ok(Object.hasOwn(newer, key));
        assert.equal(each, Object.getOwnPropertyDescriptor(newer, key)?.value);
      }
    }),
  );
});
