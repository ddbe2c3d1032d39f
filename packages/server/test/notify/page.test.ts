import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { configSchema } from "../../src/config/config.ts";
import { type Attempt, attemptsMax, parseRetryAfter, settle } from "../../src/notify/delivery.ts";
import { bodyFor, callOrder, type Word } from "../../src/notify/page.ts";
import { isPublicAddress } from "../../src/notify/public-address.ts";
import { signedHeaders, webhookSecret } from "../../src/notify/standard-webhooks.ts";

const now = new Date("2026-09-21T08:00:00Z");
const answered = (status: number, retryAfter: string | null = null): Attempt => ({
  kind: "answered",
  status,
  retryAfter,
  text: "",
});

test("the owner is called first, then the owner of that agent, then pages.owner, then anybody", () => {
  const config = configSchema.parse({
    agents: { backend: { owner: "backend-lead" }, "backend-lead": { owner: "bea" }, lost: {} },
    people: {
      unreachable: {},
      carl: { pagerduty: "CARL" },
      bea: { webhook: "https://bea.example/hook" },
      ann: { pagerduty: "ANN" },
    },
    pages: { owner: "ann" },
  });
  assert.deepEqual(callOrder(config, "bea"), ["bea", "ann", "carl"]);
  assert.deepEqual(callOrder(config, "backend"), ["bea", "ann", "carl"]);
  assert.deepEqual(callOrder(config, "unreachable"), ["ann", "carl", "bea"]);
  assert.deepEqual(callOrder(config, "lost"), ["ann", "carl", "bea"]);
  assert.deepEqual(callOrder(config, null), ["ann", "carl", "bea"]);
  assert.deepEqual(callOrder(configSchema.parse({}), "constructor"), []);
});

test("agents that own each other in a circle lead to pages.owner instead of round and round", () => {
  const config = configSchema.parse({
    agents: { a: { owner: "b" }, b: { owner: "a" } },
    people: { ann: { pagerduty: "ANN" } },
  });
  assert.deepEqual(callOrder(config, "a"), ["ann"]);
});

test("attempts are bounded, never closer than the receiver asked, and never an hour apart", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: attemptsMax }),
      fc.constantFrom(500, 502, 503, 408, 425, 429),
      fc.integer({ min: 0, max: 900 }),
      (attempts, status, seconds) => {
        const settlement = settle(answered(status, String(seconds)), attempts, now);
        if (attempts === attemptsMax) return settlement.kind === "undeliverable";
        if (settlement.kind !== "retry") return false;
        return settlement.afterMs >= seconds * 1_000 && settlement.afterMs <= 900_000;
      },
    ),
  );
});

test("what will never be taken is not sent again", () => {
  for (const status of [301, 302, 307, 308, 400, 401, 403, 404, 410, 422]) {
    assert.equal(settle(answered(status), 1, now).kind, "undeliverable", String(status));
  }
  assert.equal(settle({ kind: "refused", because: "no" }, 1, now).kind, "undeliverable");
  assert.equal(settle(answered(202), 7, now).kind, "delivered");
});

test("Retry-After is read as seconds or as a date, and a hostile one does not silence a page for long", () => {
  assert.equal(parseRetryAfter("3", now), 3_000);
  assert.equal(parseRetryAfter("Mon, 21 Sep 2026 08:00:05 GMT", now), 5_000);
  assert.equal(parseRetryAfter("soon", now), null);
  const settlement = settle(answered(429, "999999999"), 1, now);
  assert.deepEqual(settlement.kind === "retry" && settlement.afterMs, 900_000);
});

test("signatures are those of Standard Webhooks", () => {
  // The worked example of the specification's reference libraries.
  const headers = signedHeaders(
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "msg_p5jXN8AQM9LWM0D4loKWxJek",
    new Date(1_614_265_330_000),
    '{"test": 2432232314}',
  );
  assert.deepEqual(headers, {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  });
  assert.match(webhookSecret(new Uint8Array(32)), /^whsec_[A-Za-z0-9+/]{43}=$/);
});

test("only addresses that anybody may have are public", () => {
  for (const address of ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111"]) {
    assert.equal(isPublicAddress(address), true, address);
  }
  for (const address of [
    ...["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"],
    ...["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fc00::1", "ff02::1"],
    ...["::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1"],
    ...["fe80::1%eth0", "localhost", ""],
  ]) {
    assert.equal(isPublicAddress(address), false, address);
  }
});

test("the same word gives the same bytes, and large details are left out instead of refused", () => {
  const word: Word = {
    kind: "trigger",
    incident: "inc_1",
    type: "page.triggered",
    at: now,
    severity: "high",
    summary: "s".repeat(5_000),
    details: { plan: "x".repeat(50_000) },
  };
  for (const channel of ["pagerduty", "webhook"] as const) {
    assert.equal(bodyFor(channel, word), bodyFor(channel, structuredClone(word)));
    assert.ok(bodyFor(channel, word).length < 2_000);
  }
});
