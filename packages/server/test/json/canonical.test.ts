import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { canonical, type Json } from "../../src/json/canonical.ts";

const wellFormed = fc.string({ unit: "grapheme" }).map((text) => text.replaceAll("\0", ""));
const double = fc
  .double({ noNaN: true, noDefaultInfinity: true })
  .filter((each) => !Number.isInteger(each) || Number.isSafeInteger(each));
const { value: json } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 6 },
    fc.constant(null),
    fc.boolean(),
    double,
    fc.integer(),
    wellFormed,
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(wellFormed, tie("value"), { maxKeys: 6, noNullPrototype: true }),
  ),
}));

test("reading the canonical text gives the value back", () => {
  fc.assert(
    fc.property(json, (value) => {
      // JSON has one zero.
      const plain = JSON.parse(JSON.stringify(value)) as Json;
      assert.deepStrictEqual(JSON.parse(canonical(value)), plain);
      assert.equal(canonical(JSON.parse(canonical(value))), canonical(value));
    }),
  );
});

test("the order in which keys were set does not show", () => {
  fc.assert(
    fc.property(fc.dictionary(wellFormed, json, { noNullPrototype: true }), (value) => {
      const reversed = Object.fromEntries(Object.entries(value).reverse());
      assert.equal(canonical(reversed), canonical(value));
    }),
  );
});

test("numbers are written as ECMAScript writes them", () => {
  fc.assert(fc.property(double, (each) => assert.equal(canonical(each), JSON.stringify(each))));
  for (const [value, text] of [
    [-0, "0"],
    [1e-7, "1e-7"],
    [0.000001, "0.000001"],
    [5e-324, "5e-324"],
    [Number("333333333.33333329"), "333333333.3333333"],
    [4.5, "4.5"],
    [2e-3, "0.002"],
    [1.0, "1"],
    [9007199254740991, "9007199254740991"],
  ] as const) {
    assert.equal(canonical(value), text);
  }
});

test("the example of RFC 8785 comes out byte for byte", () => {
  const value = {
    numbers: [Number("333333333.33333329"), 4.5, 2e-3, 0.000000000000000000000000001],
    string: "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"/",
    literals: [null, true, false],
  };
  assert.equal(
    canonical(value),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
  const keys = { "\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\ud83d\ude00": 5, "\u0080": 6, ö: 7 };
  assert.deepEqual(
    [...canonical(keys).matchAll(/:(\d)/g)].map(([, each]) => Number(each)),
    [2, 4, 6, 7, 1, 5, 3],
  );
});

test("what would be altered silently is refused with its place", () => {
  class Money {}
  const holes: unknown[] = [1, 2];
  delete holes[0];
  const refused: readonly [unknown, string][] = [
    [undefined, ""],
    [{ a: [1, undefined] }, "/a/1"],
    [{ a: () => 1 }, "/a"],
    [{ a: 1n }, "/a"],
    [{ a: new Money() }, "/a"],
    [{ a: new Date(0) }, "/a"],
    [{ a: new Map() }, "/a"],
    [{ [Symbol("a")]: 1 }, ""],
    [holes, "/0"],
    [{ a: Number.NaN }, "/a"],
    [{ a: Number.POSITIVE_INFINITY }, "/a"],
    [{ a: 2 ** 53 }, "/a"],
    [{ a: -(2 ** 60) }, "/a"],
    [{ "a/b~": "\ud800" }, "/a~1b~0"],
    [{ "\udc00": 1 }, "/\udc00"],
    [{ a: "x\0" }, "/a"],
    [{ "\0": 1 }, "/\0"],
  ];
  for (const [value, path] of refused) {
    assert.throws(() => canonical(value), { code: "bad_input", context: { path } });
  }
});

test("a value nests to 64 and not to 65", () => {
  const nested = (depth: number): Json => (depth === 0 ? [] : [nested(depth - 1)]);
  assert.equal(canonical(nested(63)).length, 128);
  assert.throws(() => canonical(nested(64)), { code: "too_deep" });
});

test("a key named __proto__ is data like any other", () => {
  assert.equal(canonical(JSON.parse('{"__proto__":{"a":1}}')), '{"__proto__":{"a":1}}');
});
