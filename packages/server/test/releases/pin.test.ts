import assert from "node:assert/strict";
import { test } from "node:test";
import { chosen, type PinShare } from "@lastgood/sdk";
import fc from "fast-check";
import type { ChangeId } from "../../src/ids.ts";
import {
  backTo,
  cameLast,
  gainedBy,
  type Pin,
  rollbackOf,
  sayShares,
  sharesFor,
  totals,
} from "../../src/releases/pin.ts";

const all = (version: string) => [{ version, share: 100 }];

/** A history, newest first, of pins that are given oldest first. */
function historyOf(...pins: readonly (readonly PinShare[])[]): readonly Pin[] {
  return pins
    .map((shares, index): Pin => {
      return {
        ...{ environment: "production", artifact: "router", epoch: index + 1, shares },
        ...{ did: "deploy", by: "token:admin", because: "", at: new Date(index) },
        ...{
          change: `change-${index}` as ChangeId,
          gained: gainedBy(pins[index - 1] ?? [], shares),
        },
      };
    })
    .toReversed();
}

test("a percentage goes to the release that is named, the rest stays with the one that served", () => {
  const part = sharesFor(all("13"), { kind: "part", version: "14", percent: 10 });
  assert.equal(sayShares(part), "13:90 14:10");
  const more = sharesFor(part, { kind: "part", version: "14", percent: 50 });
  assert.equal(sayShares(more), "13:50 14:50");
  assert.equal(sayShares(sharesFor(more, { kind: "part", version: "14", percent: 100 })), "14");
  assert.equal(
    sayShares(sharesFor(more, { kind: "part", version: "13", percent: 90 })),
    "13:90 14:10",
  );
});

test("a percentage needs one other release that serves the rest", () => {
  assert.throws(
    () => sharesFor([], { kind: "part", version: "14", percent: 10 }),
    /Nothing else is pinned that could serve the other 90 %/,
  );
  const three = [
    { version: "12", share: 50 },
    { version: "13", share: 50 },
  ];
  assert.throws(
    () => sharesFor(three, { kind: "part", version: "14", percent: 10 }),
    /2 other releases are pinned \(12:50 13:50\).*every share/,
  );
});

test("shares that do not add up move nothing", () => {
  const shares = (...pairs: readonly (readonly [string, number])[]) =>
    sharesFor([], {
      kind: "shares",
      shares: pairs.map(([version, share]) => ({ version, share })),
    });
  assert.throws(
    () => shares(["1", 90], ["2", 9]),
    /add up to 99 \(1:90 2:9\): they must add up to 100/,
  );
  assert.throws(() => shares(["1", 90], ["2", 11]), /101/);
  assert.throws(() => shares(["1", 0]), /add up to 0/);
  assert.throws(() => shares(["1", 50], ["1", 50]), /named twice/);
  assert.equal(sayShares(shares(["1", 995], ["2", 5])), "1:995 2:5");
  assert.equal(sayShares(shares(["1", 100], ["2", 0])), "1");
});

test("what is pinned keeps its place, and what is new comes last, however it is asked for", () => {
  const version = fc.constantFrom("1", "2", "3", "4", "5");
  const shares = fc.uniqueArray(version, { minLength: 1, maxLength: 4 }).map((versions) =>
    versions.map((each, index) => ({
      version: each,
      share: index === 0 ? 100 - 10 * (versions.length - 1) : 10,
    })),
  );
  fc.assert(
    fc.property(shares, shares, (current, wanted) => {
      const after = sharesFor(current, { kind: "shares", shares: wanted });
      assert.deepEqual(
        [...after].sort((one, other) => (one.version < other.version ? -1 : 1)),
        [...wanted].sort((one, other) => (one.version < other.version ? -1 : 1)),
      );
      const stayed = current.filter((each) =>
        after.some(({ version }) => version === each.version),
      );
      assert.deepEqual(
        after.slice(0, stayed.length).map(({ version }) => version),
        stayed.map(({ version }) => version),
      );
    }),
  );
});

test("along any ramp a key that has the new release keeps it", () => {
  const ramp = fc.uniqueArray(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(fc.string({ maxLength: 20 }), ramp, (key, steps) => {
      let shares: readonly PinShare[] = all("13");
      let has = false;
      for (const percent of steps.toSorted((one, other) => one - other)) {
        shares = sharesFor(shares, { kind: "part", version: "14", percent });
        const version = shares[chosen(shares, "router", key)]?.version;
        if (has) assert.equal(version, "14");
        has ||= version === "14";
      }
    }),
  );
});

test("a rollback goes to the last pin without what came last, over a whole ramp", () => {
  const history = historyOf(
    all("12"),
    all("13"),
    [
      { version: "13", share: 99 },
      { version: "14", share: 1 },
    ],
    [
      { version: "13", share: 50 },
      { version: "14", share: 50 },
    ],
    all("14"),
  );
  assert.equal(cameLast(history), "14");
  const back = rollbackOf(history, new Set());
  assert.equal(back?.to.epoch, 2);
  assert.deepEqual(back?.gone, ["14"]);
  const inMidRamp = rollbackOf(history.slice(1), new Set());
  assert.equal(inMidRamp?.to.epoch, 2);
  assert.deepEqual(inMidRamp?.gone, ["14"]);
});

test("a second rollback goes further back, never to what was rolled back", () => {
  const history = historyOf(all("12"), all("13"), all("14"), all("13"));
  const back = rollbackOf(history, new Set(["14"]));
  assert.equal(sayShares(back?.to.shares ?? []), "12");
  assert.deepEqual(back?.gone, ["13"]);
  assert.equal(rollbackOf(historyOf(all("12")), new Set()), null);
  assert.equal(rollbackOf(historyOf(all("12"), all("13"), all("12")), new Set(["13"])), null);
  assert.equal(rollbackOf([], new Set()), null);
});

test("wherever a rollback goes was pinned before, holds nothing barred, and lacks what came last", () => {
  const version = fc.constantFrom("1", "2", "3", "4");
  const shares = fc
    .uniqueArray(version, { minLength: 1, maxLength: 2 })
    .map((versions) => versions.map((each) => ({ version: each, share: 100 / versions.length })));
  fc.assert(
    fc.property(
      fc.array(shares, { maxLength: 8 }),
      fc.array(version, { maxLength: 2 }),
      (pins, barred) => {
        const history = historyOf(...pins);
        const back = rollbackOf(history, new Set(barred));
        const last = cameLast(history);
        if (back === null) {
          assert.equal(last === null ? null : backTo(history, [last], new Set(barred)), null);
          return;
        }
        assert.ok(history.slice(1).includes(back.to));
        const named: readonly string[] = back.to.shares.map(({ version }) => version);
        assert.ok(!named.includes(last ?? ""));
        assert.ok(!barred.some((each) => named.includes(each)));
        assert.ok(back.gone.includes(last ?? ""));
      },
    ),
  );
});

test("what gained is what has more of the keys than before, whatever the scale", () => {
  assert.deepEqual(gainedBy([], all("1")), ["1"]);
  assert.deepEqual(gainedBy(all("1"), [{ version: "1", share: 1_000 }]), []);
  const split = [
    { version: "1", share: 90 },
    { version: "2", share: 10 },
  ];
  assert.deepEqual(gainedBy(all("1"), split), ["2"]);
  assert.deepEqual(gainedBy(split, all("1")), ["1"]);
  assert.ok(totals.includes(100));
});
