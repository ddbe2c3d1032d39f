import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  isForgotten,
  isFull,
  type Link,
  linkText,
  nextLink,
  parseLink,
} from "../../src/work-trees/chain.ts";

test("however a session saves, what its latest chains hold is bounded in number and in bytes", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(33_554_432), { minLength: 1, maxLength: 2_000 }), (all) => {
      let last: Link | null = null;
      const links: Link[] = [];
      for (const bytes of all) {
        last = nextLink(last, bytes);
        links.push(last);
        assert.deepEqual(parseLink(linkText(last)), last);
      }
      const latest = last ?? assert.fail();
      const kept = links.filter(({ chain }) => !isForgotten(chain, latest));
      assert.ok(kept.length <= 11 * 50);
      assert.ok(kept.length >= Math.min(links.length, 11), "enough to go back to");
      const chains = Map.groupBy(kept, ({ chain }) => chain);
      for (const [chain, each] of chains) {
        assert.ok(each.slice(0, -1).every((link) => !isFull(link)));
        assert.deepEqual(
          each.map(({ place }) => place),
          each.map((_, index) => index + 1),
          `${chain}`,
        );
        assert.ok((each.at(-1)?.bytes ?? 0) < 67_108_864 + 33_554_432);
      }
    }),
  );
});

test("a save that says nothing of its chain is the first of one", () => {
  for (const text of [null, "", "1 2", "a b c", "-1 2 3"]) {
    assert.deepEqual(parseLink(text), { chain: 0, place: 1, bytes: 0 });
  }
});
