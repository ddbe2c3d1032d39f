import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Verdict } from "../../src/signals/verdict.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { until } from "../support/until.ts";
import { startSlowService } from "./slow-service.ts";

function configFor(url: string, probes: Record<string, unknown>) {
  return { services: { "content-api": { url, probes } } };
}

/** 22 are evidence enough against the lowest floor that there is; where a machine is held up, more come in two seconds. */
const badEnough = 80;

/** Long, for a service that answers in 12 ms on a machine that is held up now and then. */
const slo = 1_500;
/** The record has a point of every so many samples. */
const pointEvery = 20;

/** A verdict as it was recorded when it was told: samples go on coming while the ledger is asked. */
async function verdictOf({ lastgood }: TestServer, rule: string, kind: Verdict["kind"]) {
  return await until("the verdict to be recorded", async () => {
    const rows = await lastgood.db<{ verdict: Pick<Verdict, "failingKeys"> }[]>`
      select verdict from rule_verdicts where rule = ${rule} and kind = ${kind} order by id limit 1`;
    return rows[0]?.verdict;
  });
}

// By itself: what holds up this process is a slow answer, too.
test("a service that goes from 12 ms to over a second is found after 17 bad samples, dated after the cause, and ends when it is mended", async () => {
  await using service = await startSlowService();
  service.delayMs = 12;
  await using server = await startServer(
    configFor(service.url, {
      reads: { path: "/reads", every: "100ms", slo: `${slo}ms`, timeout: "30s" },
    }),
  );
  const rule = async () => (await server.client.rule("content-api.reads")).rule;
  await until("a floor", async () => (await rule()).floor !== null);

  const { cameAt } = service.seen;
  const quick = cameAt.length;
  service.delayMs = 3_500;
  const regressed = await until("a regression", async () => {
    const now = await rule();
    return now.verdict === "drift" ? now : null;
  });
  // Counted in samples: how long they take is the machine's business, and how many come before it is told.
  const { failingKeys: bad } = await verdictOf(server, "content-api.reads", "drift");
  assert.ok(bad >= 17, `detected after ${bad} bad samples`);
  const point = await until("the record of it", async () => {
    const { trajectory } = await server.client.rule("content-api.reads");
    return trajectory.find(({ verdict }) => verdict === "regression");
  });
  const judged = point.samples - quick;
  assert.ok(judged <= badEnough + pointEvery, `detected after ${judged} samples`);
  const onset = Date.parse(regressed.onset ?? "");
  // The request that met the slow service first began after the last that did not had come.
  const [last = 0, first = 0] = cameAt.slice(quick - 1);
  assert.ok(onset >= last, `the onset is ${last - onset} ms before the cause`);
  assert.ok(onset <= first + slo + 1_000, "and not long after it");
  assert.equal(service.seen.atOnceMax, 1, "a hanging service is not piled upon");
  assert.ok((await server.client.signals()).counts.probesSkipped > 0);

  service.delayMs = 12;
  await until("the end of it", async () => (await rule()).verdict === "hold");
});

// Each waits for real time to pass, on a server and a service of its own.
describe("probes", { concurrency: true }, () => {
  test("a health probe alarms after three failures in a row, and looks closer to see them", async () => {
    await using service = await startSlowService();
    await using server = await startServer(
      configFor(service.url, { health: { path: "/health", every: "10s", timeout: "1m" } }),
    );
    const rule = async () => (await server.client.rule("content-api.health")).rule;
    await until("the first sample", async () => (await rule()).samples > 0);
    assert.equal((await rule()).verdict, "hold");
    const { cameAt } = service.seen;
    const well = cameAt.length;
    service.status = 500;
    // Three failures are all that there is to see.
    service.asked = () => {
      if (cameAt.length >= well + 3) service.delayMs = Number.POSITIVE_INFINITY;
    };
    const found = await until("three failures", async () => {
      const now = await rule();
      return now.verdict === "drift" ? now : null;
    });
    assert.equal(found.samples, well + 3, "three failures were enough");
    assert.equal(found.detector, "hard");
    const [first = 0, , third = 0] = cameAt.slice(well);
    assert.ok(third - first < 10_000, "two more pauses would be twenty seconds");
  });

  test("a service that hangs gives bad samples at the probe's pace once its timeout has passed", async () => {
    await using service = await startSlowService();
    await using server = await startServer(
      configFor(service.url, { health: { path: "/health", every: "100ms", timeout: "4s" } }),
    );
    const rule = async () => (await server.client.rule("content-api.health")).rule;
    await until("a good sample", async () => (await rule()).verdict === "hold");
    const hung = Date.now();
    service.delayMs = Number.POSITIVE_INFINITY;
    await until("three bad samples", async () => (await rule()).verdict === "drift");
    const tookMs = Date.now() - hung;
    assert.ok(tookMs < 3 * 4_000, `found after ${tookMs} ms, before three timeouts have passed`);
    assert.equal(service.seen.atOnceMax, 1);
  });

  test("a service that was never seen well is not a regression", async () => {
    await using service = await startSlowService();
    service.status = 503;
    await using server = await startServer(
      configFor(service.url, { health: { path: "/health", every: "50ms" } }),
    );
    const rule = async () => (await server.client.rule("content-api.health")).rule;
    const seen = await until("ten samples", async () => {
      const now = await rule();
      return now.samples >= 10 ? now : null;
    });
    assert.equal(seen.verdict, "insufficient");
  });

  test("a probe reads numbers from the answer, and a connection of its own each time", async () => {
    await using service = await startSlowService();
    service.body = JSON.stringify({ revision: "b8e4d12", queue: { depth: 7 }, name: "x" });
    const probe = {
      path: "/health",
      every: "50ms",
      read: { queue_depth: "/queue/depth", missing: "/nothing", not_a_number: "/name" },
      revision: "/revision",
    };
    const config = {
      ...configFor(service.url, { health: probe }),
      rules: {
        queue: { service: "content-api", signal: "queue_depth", good: { atMost: 10 } },
        missing: { service: "content-api", signal: "missing", good: { atMost: 10 } },
        text: { service: "content-api", signal: "not_a_number", good: { atMost: 10 } },
      },
    };
    await using server = await startServer(config);
    const rule = async (name: string) => (await server.client.rule(name)).rule;
    const queue = await until("samples of the queue", async () => {
      const now = await rule("queue");
      return now.samples >= 5 ? now : null;
    });
    assert.equal(queue.verdict, "insufficient");
    assert.equal((await rule("missing")).samples, 0);
    assert.equal((await rule("text")).samples, 0);
    assert.ok(service.seen.requests >= 5);
  });
});
