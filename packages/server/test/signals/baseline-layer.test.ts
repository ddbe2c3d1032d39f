import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServiceName } from "../../src/ids.ts";
import type { Undo } from "../../src/layers/layer.ts";
import { until } from "../support/until.ts";
import { type SignalsWorld, service, startSignals } from "./signals-world.ts";

const config = {
  services: { [service]: {}, silent: {} },
  rules: {
    latency: { service, signal: "reads_latency_ms", good: { atMost: 100 } },
    publishing: { service, signal: "publish" },
  },
};
const reads = "reads_latency_ms";
/** The runner bounds each test: a deadline for all of them together would be the machine's. */
const { signal } = new AbortController();

function undoOf(services: readonly string[], since: number): Undo {
  return {
    changes: [],
    agents: [],
    services: services.map((each) => each as ServiceName),
    since: new Date(since),
    incident: null,
    because: "it is slow",
  };
}

/** Twelve milliseconds, then over a second until it is a regression. Returns the onset. */
async function breakIt(world: SignalsWorld): Promise<number> {
  for (let index = 0; index < 300; index++) {
    world.feed(1, { signal: reads, value: 10 + (index % 5) });
    world.feed(1, { ok: true });
  }
  const onset = world.clock + 1;
  world.feed(40, { signal: reads, value: 1_200 });
  await world.said("drift", "latency");
  // The verdict is written behind its back: what the layer reads must be there.
  await world.restart();
  return onset;
}

async function settleStep(world: SignalsWorld, onset: number) {
  const [step] = (await world.signals.layer.plan(undoOf([service], onset), signal)).steps;
  assert.ok(step !== undefined);
  return step;
}

test("a plan waits for the services that have rules, and names those that nothing can tell of", async () => {
  await using world = await startSignals(config);
  const plan = await world.signals.layer.plan(undoOf([service, "silent"], world.clock), signal);
  assert.equal(plan.steps.length, 1);
  assert.equal(plan.steps[0]?.stage, "settle");
  assert.deepEqual(plan.steps[0]?.action.services, [service]);
  assert.match(plan.gaps.join("\n"), /silent has no customer-facing rule/);
  assert.match(plan.gaps.join("\n"), /latency has 0 measured values from before the onset/);
  const again = await world.signals.layer.plan(undoOf([service, "silent"], world.clock), signal);
  assert.deepEqual(again, plan, "the same world gives the same plan");
});

test("twenty fresh good samples at the old median are the baseline again", async () => {
  await using world = await startSignals(config);
  const onset = await breakIt(world);
  const step = await settleStep(world, onset);
  const verification = world.signals.layer.verify(step, signal);
  await new Promise(setImmediate);
  world.feed(25, { signal: reads, value: 13 });
  const verified = await verification;
  assert.ok(verified.ok === true, JSON.stringify(verified));
  assert.match(verified.observed.join("\n"), /latency: holds at 100.0 % over 25 fresh samples/);
  assert.match(verified.observed.join("\n"), /median of reads_latency_ms 13, 12 before the onset/);
});

test("still slow, within the rule but slower than before, or silent: each is a difference with figures", async () => {
  await using world = await startSignals(config);
  const onset = await breakIt(world);
  const step = await settleStep(world, onset);
  const differences = async (feed: () => void) => {
    const verification = world.signals.layer.verify(step, signal);
    await new Promise(setImmediate);
    feed();
    const found = await verification;
    assert.equal(found.ok, false, JSON.stringify(found));
    return found.ok ? "" : found.differences.join("\n");
  };
  const slow = await differences(() => world.feed(30, { signal: reads, value: 1_200 }));
  assert.match(slow, /latency: (still regressed|0\.0 % over the last 20 samples)/);
  const slower = await differences(() => world.feed(30, { signal: reads, value: 60 }));
  assert.match(slower, /median of reads_latency_ms 60, 12 before the onset/);
  const silent = await differences(() => world.feed(5, { signal: reads, value: 12 }));
  assert.match(silent, /5 of 20 fresh samples came in/);
});

test("no sample at all: another server may get them, and only after a while it is a difference", async () => {
  await using world = await startSignals(config);
  const onset = await breakIt(world);
  const step = await settleStep(world, onset);
  const first = await world.signals.layer.verify(step, signal);
  assert.ok(first.ok === "waiting", JSON.stringify(first));
  assert.match(first.waitsFor, /samples of latency.* none came to this server/);
  const last = await until("it to be said", async () => {
    const found = await world.signals.layer.verify(step, signal);
    return found.ok === "waiting" ? null : found;
  });
  assert.ok(!last.ok);
  assert.match(last.differences.join("\n"), /latency: 0 of 20 fresh samples came in/);
  const again = world.signals.layer.verify(step, signal);
  await new Promise(setImmediate);
  world.feed(25, { signal: reads, value: 13 });
  const verified = await again;
  assert.equal(verified.ok, true, JSON.stringify(verified));
});

test("waiting can be called off", async () => {
  await using world = await startSignals(config, { baselineDeadlineMs: 60_000 });
  const step = await settleStep(world, await breakIt(world));
  const stop = new AbortController();
  const verification = world.signals.layer.verify(step, stop.signal);
  stop.abort();
  await assert.rejects(verification, { name: "AbortError" });
});
