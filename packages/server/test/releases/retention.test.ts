import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { dispensable, type Kept } from "../../src/releases/retention.ts";

const now = new Date("2026-11-26T12:00:00Z");
const day = 86_400_000;

test("only what is old, many releases ago, and was never pinned may lose its content", () => {
  const release = fc.record({
    ageDays: fc.integer({ min: 0, max: 60 }),
    wasPinned: fc.boolean(),
    retired: fc.boolean(),
  });
  const keep = fc.record({
    last: fc.integer({ min: 1, max: 5 }),
    days: fc.integer({ min: 0, max: 30 }),
  });
  fc.assert(
    fc.property(fc.array(release, { maxLength: 20 }), keep, (given, keep) => {
      const releases: readonly Kept[] = given
        .toSorted((one, other) => one.ageDays - other.ageDays)
        .map(({ ageDays, ...rest }, index) => ({
          ...{ ...rest, version: `v${index}` },
          publishedAt: new Date(now.getTime() - ageDays * day - 1),
        }));
      const gone = dispensable(releases, keep, now);
      for (const [index, each] of releases.entries()) {
        const old = now.getTime() - each.publishedAt.getTime() > keep.days * day;
        const expected = index >= keep.last && old && !each.wasPinned && !each.retired;
        assert.equal(gone.includes(each.version), expected, each.version);
      }
    }),
  );
});
