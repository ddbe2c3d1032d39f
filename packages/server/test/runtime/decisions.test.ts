import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ChangeId } from "../../src/ids.ts";
import {
  isBackingOff,
  type Reading,
  retryAt,
  type ServiceRecord,
  wanted,
} from "../../src/layers/runtime/service.ts";

const at = new Date("2026-11-21T08:00:00Z");
const revision = fc.constantFrom("a", "b", "c");
const orNull = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: null });

const records = fc.record({
  served: orNull(revision),
  pinned: fc.boolean(),
  stopped: fc.boolean(),
});
const readings = fc.record({
  revision: orNull(revision),
  settings: orNull(fc.constantFrom("x", "y")),
});

function recordOf({
  served,
  pinned,
  stopped,
}: {
  served: string | null;
  pinned: boolean;
  stopped: boolean;
}): ServiceRecord {
  return {
    service: "content-api",
    served,
    servedSince: null,
    changeId: null,
    intent: null,
    pin: pinned ? { by: "p" as ChangeId, until: "person", because: "inc_1", at } : null,
    failure: null,
    held: null,
    stoppedAt: stopped ? at : null,
  };
}

function readingOf(of: Pick<Reading, "revision" | "settings">): Reading {
  const state = of.revision === null ? "not-serving" : "serving";
  return {
    ...of,
    state,
    since: null,
    pid: null,
    restarts: 0,
    exitedAt: null,
    retiring: [],
    trouble: null,
  };
}

test("whatever the tip is: a stopped service is left alone, a pinned one is never moved", () => {
  fc.assert(
    fc.property(records, readings, orNull(revision), (record, reading, tip) => {
      const want = wanted(recordOf(record), readingOf(reading), { tip, settings: "x" });
      if (record.stopped) assert.equal(want.do, "nothing");
      else if (record.pinned) assert.notEqual(want.do, "deploy");
      if (want.do === "deploy") assert.equal(want.revision, tip);
      if (want.do === "start") {
        assert.equal(reading.revision, null);
        assert.equal(want.revision, record.served);
      }
    }),
  );
});

test("what serves the tip in the way that is configured wants nothing", () => {
  fc.assert(
    fc.property(records, revision, (record, tip) => {
      const reading = readingOf({ revision: tip, settings: "x" });
      assert.equal(wanted(recordOf(record), reading, { tip, settings: "x" }).do, "nothing");
      const other = wanted(recordOf({ ...record, pinned: false, stopped: false }), reading, {
        tip,
        settings: "y",
      });
      assert.equal(other.do, "deploy", "another configuration is a deploy of the same revision");
    }),
  );
});

test("a failed deploy is tried again later and later, at least every five minutes", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), (attempts) => {
      const failure = { revision: "a", at, attempts, because: "" };
      const delayMs = retryAt(failure).getTime() - at.getTime();
      const nextMs = retryAt({ ...failure, attempts: attempts + 1 }).getTime() - at.getTime();
      assert.ok(delayMs >= 5_000 && delayMs <= 300_000 && nextMs >= delayMs);
      const record = { ...recordOf({ served: null, pinned: false, stopped: false }), failure };
      assert.equal(isBackingOff(record, "a", new Date(at.getTime() + delayMs - 1)), true);
      assert.equal(isBackingOff(record, "a", new Date(at.getTime() + delayMs)), false);
      assert.equal(isBackingOff(record, "b", at), false);
    }),
  );
});
