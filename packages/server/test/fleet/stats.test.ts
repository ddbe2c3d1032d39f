import assert from "node:assert/strict";
import { test } from "node:test";
import { startServer } from "../support/server.ts";

const config = { agents: { marketing: {} } };

test("restarts are told as distributions, also before anybody has resumed", async () => {
  await using server = await startServer(config);
  const marketing = await server.clientAs("agent", "marketing");
  const empty = await server.client.fleetStats();
  assert.deepEqual(empty.recoveryMs, { count: 0, min: null, p50: null, p95: null, max: null });
  assert.equal(empty.recoveryShare, null);
  const first = await marketing.openSession({});
  await marketing.endSession(first.record.session_id, { reason: "crashed", detail: "exit code 1" });
  const second = await marketing.openSession({});
  const unresumed = await server.client.fleetStats();
  assert.deepEqual([unresumed.restarts, unresumed.recoveryMs.count], [1, 0]);
  const session = second.record.session_id;
  await marketing.heartbeat(session, { tokens: 100, onRecovery: 2 });
  await marketing.brief("marketing", { session });
  const { effect } = await marketing.beginEffect({ session, key: "k" });
  await marketing.confirmEffect(effect.id, { session });
  await marketing.beginEffect({ session, key: "k" });
  const stats = await server.client.fleetStats({ agent: "marketing" });
  assert.deepEqual(stats.ended, { crashed: 1 });
  assert.deepEqual([stats.sessions, stats.restarts], [2, 1]);
  assert.equal(stats.detectionMs.count, 1);
  assert.equal(stats.briefedMs.count, 1);
  assert.equal(stats.recoveryMs.count, 1);
  assert.ok((stats.recoveryMs.p50 ?? -1) >= 0);
  assert.equal(stats.duplicatesPrevented.effects, 1);
  assert.equal(stats.tokensOnRecovery.max, 2);
  assert.equal(stats.recoveryShare, 0.02);
});

test("what the fleet lives through is at /metrics", async () => {
  await using server = await startServer(config);
  const marketing = await server.clientAs("agent", "marketing");
  const { record } = await marketing.openSession({});
  await marketing.endSession(record.session_id, { reason: "crashed" });
  await marketing.openSession({});
  const response = await fetch(`${server.lastgood.url}/metrics`, {
    headers: { authorization: `Bearer ${await server.tokenAs("viewer")}` },
  });
  const text = await response.text();
  assert.match(text, /lastgood_sessions_ended_total\{reason="crashed"\} 1/);
  assert.match(text, /lastgood_sessions_living\{state="live"\} 1/);
  assert.match(text, /lastgood_death_detection_seconds_count 1/);
});
