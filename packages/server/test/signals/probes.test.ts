import assert from "node:assert/strict";
import { test } from "node:test";
import { startServer } from "../support/server.ts";
import { startSlowService } from "./slow-service.ts";
import { until } from "./until.ts";

function configFor(url: string, probe: Record<string, unknown>) {
  return { services: { "content-api": { url, probes: { reads: { path: "/reads", ...probe } } } } };
}

test("a service that goes from 12 ms to over a second is a regression within 5 s, dated after it", async () => {
  await using service = await startSlowService();
  service.delayMs = 12;
  await using server = await startServer(
    configFor(service.url, { every: "250ms", timeout: "2s", slo: "150ms" }),
  );
  const rule = async () => (await server.client.rule("content-api.reads")).rule;
  await until("a floor", async () => (await rule()).floor !== null);
  assert.equal((await rule()).verdict === "regression", false);

  const injected = Date.now();
  service.delayMs = 1_200;
  const regressed = await until("a regression", async () => {
    const now = await rule();
    return now.verdict === "drift" ? now : null;
  });
  const tookMs = Date.now() - injected;
  assert.ok(tookMs <= 5_000, `detected after ${tookMs} ms`);
  assert.ok(Date.parse(regressed.onset ?? "") >= injected, "the onset is not before the cause");
  assert.ok(Date.parse(regressed.onset ?? "") <= injected + 1_000, "and not long after it");
  assert.equal(service.seen.atOnceMax, 1, "a hanging service is not piled upon");
});
