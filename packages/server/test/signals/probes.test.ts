import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { loadChunks, loadStates } from "../../src/signals/signals-store.ts";
import { newSustain, observeSustain, sustained } from "../../src/signals/sustain.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { until } from "../support/until.ts";
import { startSlowService } from "./slow-service.ts";

function configFor(url: string, probes: Record<string, unknown>) {
  return { services: { "content-api": { url, probes } } };
}

/** As many are evidence enough against the lowest floor that there is, that of twenty good samples. */
const badEnough = 22;
/** Where one of the twenty was bad, as where the machine was held up, the floor is lower: so many more for each. */
const moreForEach = 6;
/** For so long damage must last, by default. */
const sustainMs = 2_000;

/** Long, for a service that answers in 12 ms on a machine that is held up now and then. */
const slo = 1_500;

/**
 * After how many bad samples the rule's regression was decided, and after how many it must have been: evidence is enough,
 * and the last two seconds or more are filled evenly, which a machine that is held up may take long for. What comes while
 * the ledger is asked about it counts for neither.
 */
async function decisionOf({ lastgood }: TestServer, signal: string) {
  const { alarm, keys, baseline } = await until("the decision to be saved", async () => {
    const saved = (await loadStates(lastgood.db)).find(({ rule }) => rule === "content-api.reads");
    return saved?.state.whole.alarm ? saved.state.whole : null;
  });
  const { onset, at: decidedAt } = alarm ?? assert.fail();
  const chunks = await loadChunks(lastgood.db, "services");
  const sustain = newSustain();
  let before = 0;
  let latest = 0;
  let bad = 0;
  for (const { at, ok } of chunks.flatMap((each) => (each.signal === signal ? each.samples : []))) {
    latest = Math.max(latest, at);
    observeSustain(sustain, ok === true ? 1 : 0, latest, sustainMs);
    if (ok === true) continue;
    if (at < onset) before += 1;
    else bad += 1;
    if (bad < badEnough + moreForEach * before) continue;
    if (sustained(sustain, baseline.floor ?? 0, sustainMs) === "below") break;
  }
  const took = keys.failures.filter(({ at }) => at >= onset && at <= decidedAt).length;
  return { took, atMost: bad };
}

// By itself: what holds up this process is a slow answer, too.
test("a service that goes from 12 ms to over a second is found as soon as its bad samples are evidence enough and last, dated after the cause, and ends when it is mended", async () => {
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
  const { took, atMost } = await decisionOf(server, regressed.signal);
  assert.ok(took >= 17 && took <= atMost, `decided after ${took} bad samples, not ${atMost}`);
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
