import assert from "node:assert/strict";
import { test } from "node:test";
import { runAway } from "./away.ts";

test("with server and PostgreSQL killed, no resolve and no model request fails, and what passed is told later", async () => {
  const outcome = await runAway({ awayMs: 3_000, requestsPerSecond: 30, told: () => {} });
  assert.deepEqual([outcome.failedRequests, outcome.failedResolves], [[], []]);
  assert.ok(outcome.requestsWhileAway > 30, `${outcome.requestsWhileAway} while it was away`);
  assert.ok(outcome.bufferedMax > 30, `${outcome.bufferedMax} samples waited`);
  assert.equal(outcome.dropped, 0);
  assert.ok(outcome.resolves > 10_000);
});
