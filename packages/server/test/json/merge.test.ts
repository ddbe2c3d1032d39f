import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { canonical, type Json } from "../../src/json/canonical.ts";
import { differences, type Maybe } from "../../src/json/diff.ts";
import { mergeThreeWay } from "../../src/json/merge.ts";
import { pathOf, pointer } from "../../src/json/pointer.ts";

const key = fc.constantFrom("a", "b", "c", "__proto__", "constructor", "x/y", "~");
const { value: small } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<Json>(null, true, 0, 1, "s"),
    fc.array(tie("value"), { maxLength: 2 }),
    fc.array(fc.tuple(key, tie("value")), { maxLength: 4 }).map((each) => Object.fromEntries(each)),
  ),
}));

const text = (value: Maybe) => (value === undefined ? "nothing" : canonical(value));

test("a side that changed nothing gives way to the other", () => {
  fc.assert(
    fc.property(small, small, (base, changed) => {
      for (const merged of [
        mergeThreeWay(base, changed, base),
        mergeThreeWay(base, base, changed),
        mergeThreeWay(base, changed, changed),
      ]) {
        assert.deepEqual(merged.conflicts, []);
        assert.equal(text(merged.value), text(changed));
      }
    }),
  );
});

test("whoever stands on the left, a merge without conflict comes out the same", () => {
  fc.assert(
    fc.property(small, small, small, (base, left, right) => {
      const one = mergeThreeWay(base, left, right);
      const other = mergeThreeWay(base, right, left);
      assert.deepEqual(one.conflicts, other.conflicts);
      if (one.conflicts.length === 0) assert.equal(text(one.value), text(other.value));
    }),
  );
});

test("edits to different paths are both kept, edits to the same path conflict", () => {
  const base = { title: "a", body: "x", tags: ["one"] };
  const mine = { title: "b", body: "x", tags: ["one"] };
  assert.deepEqual(mergeThreeWay(base, { ...base, body: "y" }, mine), {
    value: { title: "b", body: "y", tags: ["one"] },
    conflicts: [],
  });
  assert.deepEqual(mergeThreeWay(base, { ...base, title: "c" }, mine).conflicts, ["/title"]);
  assert.deepEqual(mergeThreeWay(base, undefined, mine).conflicts, [""]);
  assert.deepEqual(
    mergeThreeWay(base, { ...base, tags: ["one", "two"] }, { ...base, tags: [] }).conflicts,
    ["/tags"],
  );
});

test("differences name each path once, and none means equal", () => {
  fc.assert(
    fc.property(small, small, (from, to) => {
      const found = differences(from, to);
      assert.equal(found.length === 0, text(from) === text(to));
      assert.equal(new Set(found.map((each) => each.path)).size, found.length);
    }),
  );
});

test("a pointer leads back to its path", () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (path) => assert.deepEqual(pathOf(pointer(path)), path)),
  );
});
