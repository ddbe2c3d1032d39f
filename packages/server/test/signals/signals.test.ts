import assert from "node:assert/strict";
import { test } from "node:test";
import { exposeChanges, recordChanges } from "../../src/ledger/ledger-store.ts";
import { readTrajectory, trimSignals } from "../../src/signals/signals-store.ts";
import type { Db } from "../../src/store/database.ts";
import { newChangeId, realWorld } from "../../src/world.ts";
import { until } from "../support/until.ts";
import { service, startSignals } from "./signals-world.ts";

const config = {
  services: { [service]: {}, website: {} },
  rules: {
    publishing: { service, signal: "publish" },
    browsing: { service: "website", signal: "visit" },
  },
};

async function exposeOne(db: Db, at: Date, expected: readonly string[] = []): Promise<string> {
  const change = {
    id: newChangeId(realWorld),
    at,
    layer: "code",
    kind: "commit",
    target: "api",
    agent: "backend",
    details: expected.length === 0 ? {} : { expected },
  } as const;
  await recordChanges(db, [change]);
  await exposeChanges(db, [change.id], service, at, null);
  return change.id;
}

test("a regression after an exposed change is said once, with its figures, and again while it lasts", async () => {
  await using world = await startSignals(config);
  world.feed(600, { ok: true });
  await exposeOne(world.db, new Date(world.clock));
  const exposed = world.clock;
  world.feed(30, { ok: false });
  const verdict = await world.said("regression");
  assert.equal(verdict.rule, "publishing");
  assert.equal(verdict.onset?.getTime(), exposed + 250);
  assert.equal(verdict.floor, 0.98);
  assert.equal(verdict.level, 0);
  assert.equal(verdict.customerFacing, true);
  assert.ok(verdict.evidence > 1_000 && verdict.failingKeys >= 17);
  assert.match(verdict.says, /content-api publish: regressed since .*0\.0 % against a floor of 98/);
  world.feed(13, { ok: false });
  const again = await world.said("regression");
  assert.ok(again.at > verdict.at);
});

test("without an exposed change the same fall is drift", async () => {
  await using world = await startSignals(config);
  world.feed(600, { ok: true });
  await exposeOne(world.db, new Date(world.clock - 15 * 86_400_000));
  world.feed(30, { ok: false });
  assert.equal((await world.said("drift")).service, service);
  assert.ok(world.verdicts.every(({ kind }) => kind !== "regression"));
});

test("inside an announced bound nothing is said, what announced it is shown, and beyond it it is said", async () => {
  const graded = { ...config, rules: { grading: { service, signal: "score" } } };
  await using world = await startSignals(graded);
  world.feed(600, { signal: "score", value: 0.95 });
  const announcedUntil = new Date(world.clock + 3_600_000).toISOString();
  const expected = [{ signal: "score", direction: "down", bound: 0.7, until: announcedUntil }];
  const change = await exposeOne(world.db, new Date(world.clock), [JSON.stringify(expected)]);
  world.feed(60, { signal: "score", value: 0.8 });
  const status = await until("what suppressed it", () => {
    const [rule] = world.signals.status(service).rules;
    return rule?.suppressedBy ? rule : null;
  });
  assert.equal(status.verdict, "hold");
  assert.ok(status.suppressedBy?.includes(change));
  world.feed(200, { signal: "score", value: 0.2 });
  assert.equal((await world.said("regression")).rule, "grading");
});

test("a restarted server goes on where its detectors were", async () => {
  await using world = await startSignals(config);
  world.feed(600, { ok: true });
  world.feed(10, { ok: false });
  await world.restart();
  const [before] = world.signals.status(service).rules;
  assert.equal(before?.floor, 0.98);
  assert.match(before?.floorFrom ?? "", /measured: mean 100.0 % of 500 samples/);
  world.feed(7, { ok: false });
  assert.equal((await world.said("drift")).rule, "publishing");
  const [recent] = world.signals.recentSamples(service);
  assert.equal(recent?.samples.length, 617);
});

test("a segment is judged by itself, and named, while the whole still holds", async () => {
  const segmented = {
    ...config,
    rules: { publishing: { service, signal: "publish", dimensions: ["language"] } },
  };
  await using world = await startSignals(segmented);
  const turn = (german: boolean) => {
    for (const language of ["en", "fr", "es", "it", "nl", "pl", "da", "sv", "fi"]) {
      world.feed(1, { ok: true, dimensions: { language } });
    }
    world.feed(1, { ok: german, dimensions: { language: "de" } });
  };
  for (let index = 0; index < 60; index++) turn(true);
  for (let index = 0; index < 40; index++) turn(false);
  const verdict = await world.said("drift");
  assert.equal(verdict.dimension, "language=de");
  assert.match(verdict.says, /language=de/);
});

test("a rule that has more segments than places counts what it leaves out, and one that falls silent gives way, judged ones never", async () => {
  await using world = await startSignals({
    services: { [service]: {} },
    rules: { publishing: { service, signal: "publish", dimensions: ["customer"] } },
  });
  const feed = (customer: string, n: number) =>
    world.feed(n, { ok: true, dimensions: { customer } });
  for (let index = 0; index < 31; index++) feed(`judged-${index}`, 40);
  feed("rare", 1);
  feed("acme", 30);
  const status = () => world.signals.status(service).rules[0] ?? assert.fail();
  assert.deepEqual(status().leftOut, { samples: 30, busiest: ["customer=acme"] });
  await world.restart();
  world.clock += 3_600_000;
  feed("acme", 30);
  // After a silence each begins anew, in the place that it has.
  for (let index = 0; index < 31; index++) feed(`judged-${index}`, 20);
  const { leftOut, segments } = status();
  assert.equal(leftOut.samples, 30, "what was counted is kept, and rare gave way");
  assert.equal(segments.length, 32);
});

test("three exits in a row or one violation alarm at once, and a good sample ends it", async () => {
  await using world = await startSignals(config);
  world.feed(2, { signal: "process", hard: "exit" });
  assert.equal(world.verdicts.length, 0);
  world.feed(1, { signal: "process", hard: "exit" });
  const verdict = await world.said("drift", "content-api.process.exit");
  assert.equal(verdict.hard, true);
  world.feed(1, { signal: "process", ok: true });
  await world.said("hold", "content-api.process.exit");
  world.feed(1, { signal: "policy", hard: "violation" });
  await world.said("drift", "content-api.policy.violation");
});

test("a signal that falls silent is insufficient, not well and not worse", async () => {
  await using world = await startSignals(config);
  world.feed(600, { ok: true });
  await world.said("hold");
  world.clock += 3_600_000;
  await world.said("insufficient");
  assert.match(world.signals.status(service).rules[0]?.says ?? "", /no sample since/);
});

test("a moment is contrasted with the signal's own past, and with services that share nothing", async () => {
  await using world = await startSignals(config);
  for (let index = 0; index < 60; index++) {
    world.feed(5, { ok: true });
    world.feed(5, { service: "website", signal: "visit", ok: true });
  }
  const long = new Date(world.clock - 60_000);
  const exposed = new Date(world.clock + 1);
  world.feed(20, { ok: false });
  world.feed(5, { service: "website", signal: "visit", ok: true });
  await world.said("drift");
  const contrast = async (of: string, rule: string, at: Date) => {
    const found = await world.signals.contrast(of, rule, at);
    assert.ok(found !== null);
    return found;
  };
  const guilty = await contrast(service, "publishing", exposed);
  assert.equal(guilty.evidence, 1e6);
  assert.deepEqual(guilty.before, { mean: 1, n: 300 });
  assert.deepEqual(guilty.after, { mean: 0, n: 20 });
  assert.deepEqual(guilty.unaffectedPeers, ["browsing"]);
  const older = await contrast(service, "publishing", long);
  assert.ok(older.evidence < guilty.evidence);
  const never = await contrast("website", "browsing", exposed);
  assert.ok(never.evidence < 2, "a signal that did not change gives none");
  assert.equal(await world.signals.contrast(service, "nothing", exposed), null);
  assert.equal(world.signals.stateOf("publishing", null), "bad");
  assert.equal(world.signals.stateOf("browsing", null), "well");
  assert.equal(world.signals.stateOf("nothing", null), "gone");
});

test("what cannot be written while PostgreSQL refuses is kept and written later, in order", async () => {
  await using world = await startSignals(config);
  await world.db`alter table signal_chunks rename to away`;
  world.feed(600, { ok: true });
  world.feed(30, { ok: false });
  await world.said("drift");
  await world.db`alter table away rename to signal_chunks`;
  await world.restart();
  const [row] = await world.db<{ n: number }[]>`
    select sum(n)::int as n from signal_chunks where signal = 'publish'`;
  assert.equal(row?.n, 630);
  const kinds = await world.db<{ kind: string }[]>`
    select kind from rule_verdicts where rule = 'publishing' order by id`;
  assert.deepEqual(
    kinds.map(({ kind }) => kind),
    ["hold", "drift"],
  );
  assert.equal(world.signals.status(null).counts.dropped, 0);
});

test("the record of a past regression, fine or a minute at a time, shows it again when it is replayed", async () => {
  await using world = await startSignals(config);
  world.feed(1_200, { ok: true });
  const onset = world.clock + 250;
  world.feed(240, { ok: false });
  world.feed(480, { ok: true });
  await world.restart();
  const since = new Date(onset - 3_600_000);
  const replayed = async (slackMs: number) => {
    const found = await world.signals.replay(since, AbortSignal.timeout(10_000));
    assert.equal(found.length, 1);
    const [only] = found;
    const off = Math.abs((only?.verdict.onset?.getTime() ?? 0) - onset);
    assert.ok(off <= slackMs, `dated ${off} ms off`);
    const contrast = only?.contrast(new Date(onset - slackMs));
    assert.ok((contrast?.evidence ?? 0) > 1_000, JSON.stringify(contrast));
  };
  await replayed(10_000);
  const [fine] = await world.db<{ n: number }[]>`select sum(n)::int as n from signal_buckets`;
  await trimSignals(world.db, new Date(world.clock + 2 * 86_400_000));
  const rows = await world.db<{ span_ms: number; n: number }[]>`
    select span_ms, n from signal_buckets`;
  assert.ok(rows.length < 10 && rows.every((row) => row.span_ms === 60_000));
  assert.equal(
    rows.reduce((sum, { n }) => sum + n, 0),
    fine?.n,
  );
  await replayed(60_000);
});

test("the points of many segments push none of the whole's out of the record", async () => {
  await using world = await startSignals(config);
  await world.db`
    insert into rule_trajectories (rule, dimension, at, kind, samples, evidence, threshold)
    select 'judged', case when line > 0 then 'customer=c' || line end, now(), 'hold', turn, 1, 20
    from generate_series(1, 1100) as turn, generate_series(0, 32) as line`;
  await trimSignals(world.db, new Date());
  const points = await readTrajectory(world.db, "judged");
  const lines = Map.groupBy(points, ({ dimension }) => dimension);
  assert.equal(lines.get(null)?.length, 1_000);
  assert.equal(lines.get("customer=c7")?.length, 200);
  assert.equal(lines.get(null)?.at(-1)?.samples, 1_100, "the newest, last");
});
