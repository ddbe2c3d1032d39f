import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bucketOf,
  chosen,
  murmur3,
  type PinShare,
  splitRelease,
  whyNoVersion,
} from "@lastgood/sdk";
import fc from "fast-check";

test("the hash is MurmurHash3 x86 32-bit with seed 0, as others compute it", () => {
  const golden = {
    ejOoVL: 0,
    "bY9fO-": 1,
    "SI7p-": 2_147_483_647,
    "6LvT0": 2_147_483_648,
    ceQdGm: 4_294_967_295,
    hello: 613_153_351,
    "": 0,
  };
  for (const [text, hash] of Object.entries(golden)) assert.equal(murmur3(text), hash, text);
});

test("the buckets at both ends and in the middle are where the protocol puts them", () => {
  assert.equal(bucketOf("ejO", "oVL", 100), 0);
  assert.equal(bucketOf("", "bY9fO-", 100), 0);
  assert.equal(bucketOf("SI", "7p-", 100), 49);
  assert.equal(bucketOf("6L", "vT0", 100), 50);
  assert.equal(bucketOf("ceQ", "dGm", 100), 99);
  assert.equal(bucketOf("ceQ", "dGm", 10_000), 9_999);
});

/** The algorithm once more, from its definition over bytes, in whole numbers of any size. */
function reference(text: string): number {
  const bytes = new TextEncoder().encode(text);
  const mask = 0xffff_ffffn;
  const rotated = (value: bigint, by: bigint) => ((value << by) | (value >> (32n - by))) & mask;
  const scrambled = (block: bigint) =>
    (rotated((block * 0xcc9e2d51n) & mask, 15n) * 0x1b873593n) & mask;
  const blockAt = (from: number, length: number) => {
    let block = 0n;
    for (let index = length - 1; index >= 0; index--) {
      block = (block << 8n) | BigInt(bytes[from + index] ?? 0);
    }
    return block;
  };
  let hash = 0n;
  const whole = bytes.length - (bytes.length % 4);
  for (let at = 0; at < whole; at += 4) {
    hash = (rotated(hash ^ scrambled(blockAt(at, 4)), 13n) * 5n + 0xe6546b64n) & mask;
  }
  hash ^= scrambled(blockAt(whole, bytes.length - whole));
  hash ^= BigInt(bytes.length);
  hash = ((hash ^ (hash >> 16n)) * 0x85ebca6bn) & mask;
  hash = ((hash ^ (hash >> 13n)) * 0xc2b2ae35n) & mask;
  return Number(hash ^ (hash >> 16n));
}

test("any text hashes as its UTF-8 does by the definition", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
      assert.equal(murmur3(text), reference(text));
    }),
    { numRuns: 2_000 },
  );
});

const key = fc.string({ minLength: 1, maxLength: 30 });
const share = fc.integer({ min: 1, max: 99 });

function releaseOf(shares: readonly PinShare[], key: string): string {
  return shares[chosen(shares, "customer-service", key)]?.version ?? assert.fail();
}

test("raising a share moves no key that already has the new release", () => {
  fc.assert(
    fc.property(key, share, share, (key, one, other) => {
      const [low, high] = [Math.min(one, other), Math.max(one, other)];
      const at = (percent: number) => [
        { version: "1.0.0", share: 100 - percent },
        { version: "2.0.0", share: percent },
      ];
      const before = releaseOf(at(low), key);
      if (before === "2.0.0") assert.equal(releaseOf(at(high), key), "2.0.0");
      if (releaseOf(at(high), key) === "1.0.0") assert.equal(before, "1.0.0");
    }),
    { numRuns: 2_000 },
  );
});

test("a finer scale moves no key", () => {
  fc.assert(
    fc.property(key, share, (key, percent) => {
      const at = (by: number) => [
        { version: "1.0.0", share: (100 - percent) * by },
        { version: "2.0.0", share: percent * by },
      ];
      assert.equal(releaseOf(at(100), key), releaseOf(at(1), key));
    }),
  );
});

test("each release gets about its share of the keys", () => {
  const shares = [
    { version: "1.0.0", share: 70 },
    { version: "1.1.0", share: 20 },
    { version: "2.0.0", share: 10 },
  ];
  const counts = new Map<string, number>();
  for (let n = 0; n < 20_000; n++) {
    const version = releaseOf(shares, `user-${n}`);
    counts.set(version, (counts.get(version) ?? 0) + 1);
  }
  for (const { version, share } of shares) {
    const part = (counts.get(version) ?? 0) / 20_000;
    assert.ok(Math.abs(part - share / 100) < 0.01, `${version} got ${part}`);
  }
});

test("what means another release tomorrow is no version, and the reason is said", () => {
  for (const text of ["2.0.3", "v14", "2026-09-21", "1.0.0-rc.1+build.7", "7"]) {
    assert.equal(whyNoVersion(text), null, text);
  }
  assert.match(whyNoVersion("") ?? "", /no version is named/);
  assert.match(whyNoVersion("  ") ?? "", /no version is named/);
  for (const text of ["latest", "LATEST", "newest", "current"]) {
    assert.match(whyNoVersion(text) ?? "", /another release tomorrow.*name the version/, text);
  }
  for (const text of ["^2.0.0", "~2.0", ">=2", "2.x", "2.*", "*", "1 - 2", "1||2", "1,2", "=2"]) {
    assert.match(whyNoVersion(text) ?? "", /is a range/, text);
  }
  for (const text of ["../1", "a b", "1/2", "-1", `1${"0".repeat(100)}`]) {
    assert.ok(whyNoVersion(text) !== null, text);
  }
});

test("a release is written as its artifact and its version", () => {
  assert.deepEqual(splitRelease("customer-service:2.0.3"), {
    artifact: "customer-service",
    version: "2.0.3",
  });
  assert.deepEqual(splitRelease("acme/router"), { artifact: "acme/router", version: "" });
});
