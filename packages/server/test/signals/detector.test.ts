import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type DetectorSettings,
  type DetectorState,
  judgementOf,
  measureAnew,
  newDetector,
  type Observation,
  observe,
} from "../../src/signals/detector.ts";
import { chance, seed } from "./chance.ts";
import { settings } from "./simulations.ts";

const everyMs = 250;
const begin = 1_800_000_000_000;

interface Play {
  readonly state: DetectorState;
  at: number;
  readonly settings: DetectorSettings;
}

function startPlay(given: Partial<DetectorSettings> = {}): Play {
  return { state: newDetector(), at: begin, settings: { ...settings, ...given } };
}

/** Feeds `n` samples, one every `every` ms; returns the kinds that were said. */
function feed(
  play: Play,
  n: number,
  x: number | (() => number),
  { key = null, every = everyMs }: { key?: string | null; every?: number } = {},
): readonly string[] {
  return Array.from({ length: n }, () => {
    play.at += every;
    const score = typeof x === "number" ? x : x();
    return observe(play.state, play.settings, { at: play.at, x: score, key }, 1);
  });
}

test("a service that fails for good is a regression after 17 bad samples, dated at the first", () => {
  const play = startPlay();
  feed(play, 600, 1);
  const firstBad = play.at + everyMs;
  const kinds = feed(play, 20, 0);
  assert.equal(kinds.indexOf("regression"), 16);
  const judgement = judgementOf(play.state, play.settings, 1);
  assert.equal(judgement.onset, firstBad);
  assert.equal(judgement.floor, 0.98);
  assert.equal(judgement.level, 0);
});

test("one spike, however deep or dense, never triggers", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 25, max: 700 }),
      fc.oneof(
        fc.record({ n: fc.integer({ min: 1, max: 16 }), every: fc.constant(everyMs) }),
        fc.record({ n: fc.integer({ min: 1, max: 3_000 }), every: fc.constant(0.35) }),
      ),
      fc.integer({ min: 1, max: 100 }),
      (warm, spike, after) => {
        const play = startPlay();
        feed(play, warm, 1);
        const kinds = [...feed(play, spike.n, 0, { every: spike.every }), ...feed(play, after, 1)];
        assert.ok(!kinds.includes("regression"), JSON.stringify({ warm, spike, after }));
      },
    ),
    { numRuns: 70, seed },
  );
});

test("missing data never triggers: silence of any length between failures is not more failure", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          silenceMs: fc.integer({ min: 10_000, max: 86_400_000 }),
          failures: fc.integer({ min: 1, max: 3 }),
        }),
        { minLength: 1, maxLength: 4 },
      ),
      (parts) => {
        const play = startPlay();
        feed(play, 600, 1);
        for (const { silenceMs, failures } of parts) {
          play.at += silenceMs;
          assert.ok(!feed(play, failures, 0).includes("regression"));
        }
      },
    ),
    { seed },
  );
});

test("too few samples are insufficient, and twenty good ones hold", () => {
  const play = startPlay();
  const kinds = feed(play, 21, 1);
  assert.deepEqual(new Set(kinds.slice(0, 19)), new Set(["insufficient"]));
  assert.equal(kinds.at(-1), "hold");
  const strict = startPlay({ minSamples: 100, objective: 0.9 });
  feed(strict, 60, 1);
  assert.ok(!feed(strict, 30, 0).includes("regression"), "90 samples are fewer than 100");
  assert.ok(feed(strict, 20, 0).includes("regression"));
});

test("one user's retries are one failure, and two users are bad luck", () => {
  const retried = startPlay();
  feed(retried, 600, 1);
  assert.ok(!feed(retried, 500, 0, { key: "user-1" }).includes("regression"));
  const keyed = startPlay();
  feed(keyed, 600, 1);
  let user = 0;
  const kinds = Array.from({ length: 30 }, () => {
    user += 1;
    return feed(keyed, 1, 0, { key: `user-${user}` })[0];
  });
  assert.ok(kinds.includes("regression"));
});

test("a small but lasting fall is found, and dated near its beginning", () => {
  const random = chance(seed);
  const play = startPlay();
  feed(play, 2_000, () => (random() < 0.97 ? 1 : 0));
  const fell = play.at;
  const kinds = feed(play, 600, () => (random() < 0.8 ? 1 : 0));
  const samples = kinds.indexOf("regression");
  assert.ok(samples > 0 && samples < 300, `found after ${samples}, seed ${seed}`);
  const onset = judgementOf(play.state, play.settings, 1).onset ?? 0;
  assert.ok(Math.abs(onset - fell) < 80 * everyMs, `dated ${(onset - fell) / everyMs} samples off`);
});

test("a regression ends when as many good samples came as it took to find it, and is found again", () => {
  const play = startPlay();
  feed(play, 600, 1);
  assert.equal(feed(play, 60, 0).at(-1), "regression");
  const kinds = feed(play, 40, 1);
  const ended = kinds.indexOf("hold");
  assert.ok(ended >= 18 && ended <= 22, `ended after ${ended + 1} good samples`);
  assert.equal(kinds.at(-1), "hold");
  assert.equal(feed(play, 30, 0).at(-1), "regression");
});

test("a confirmed regression never lowers the floor that it is measured against", () => {
  const play = startPlay();
  feed(play, 45, 1);
  const before = play.state.baseline.floor;
  feed(play, 400, 0);
  assert.equal(play.state.baseline.floor, before);
  feed(play, 600, 1);
  assert.ok(play.state.baseline.fixed);
  assert.ok((play.state.baseline.floor ?? 0) > 0.97);
});

test("fixWithin gives time to mend: nothing is said before it has passed", () => {
  const play = startPlay({ fixWithinMs: 10_000 });
  feed(play, 600, 1);
  const kinds = feed(play, 100, 0);
  const said = kinds.indexOf("regression");
  assert.ok(said >= 16 + 10_000 / everyMs, `said after ${said}`);
  const mended = startPlay({ fixWithinMs: 10_000 });
  feed(mended, 600, 1);
  feed(mended, 30, 0);
  assert.notEqual(judgementOf(mended.state, mended.settings, 1).graceUntil, null);
  assert.ok(!feed(mended, 100, 1).includes("regression"));
});

test("the user's objective is the floor, and an operator can have it measured anew", () => {
  const play = startPlay({ objective: 0.9 });
  assert.equal(judgementOf(play.state, play.settings, 1).floor, 0.9);
  const measured = startPlay();
  const random = chance(seed);
  feed(measured, 600, () => (random() < 0.7 ? 1 : 0));
  const before = measured.state.baseline.floor ?? 1;
  measureAnew(measured.state);
  assert.equal(judgementOf(measured.state, measured.settings, 1).floor, null);
  feed(measured, 600, 1);
  assert.ok((measured.state.baseline.floor ?? 0) > before);
});

test("more detectors on one budget ask for more evidence each", () => {
  const play = startPlay();
  feed(play, 100, 1);
  const alone = judgementOf(play.state, play.settings, 1).logThreshold;
  const shared = judgementOf(play.state, play.settings, 4).logThreshold;
  assert.ok(Math.abs(shared - alone - Math.log(4)) < 1e-9);
});

test("the same samples give the same state, also across a restart in the middle", () => {
  const observation = fc.record({
    step: fc.integer({ min: 0, max: 5_000 }),
    x: fc.constantFrom(0, 0.4, 1),
    key: fc.constantFrom(null, "a", "b", "c"),
  });
  fc.assert(
    fc.property(
      fc.array(observation, { minLength: 1, maxLength: 300 }),
      fc.nat(300),
      (steps, cut) => {
        let at = begin;
        const observations: readonly Observation[] = steps.map(({ step, x, key }) => {
          at += step;
          return { at, x, key };
        });
        const straight = newDetector();
        const straightKinds = observations.map((each) => observe(straight, settings, each, 1));
        let restarted = newDetector();
        const kinds = observations.map((each, index) => {
          if (index === cut) restarted = JSON.parse(JSON.stringify(restarted)) as DetectorState;
          return observe(restarted, settings, each, 1);
        });
        assert.deepEqual(kinds, straightKinds);
        assert.deepEqual(
          JSON.parse(JSON.stringify(restarted)),
          JSON.parse(JSON.stringify(straight)),
        );
      },
    ),
    { numRuns: 60, seed },
  );
});

test("the state stays bounded whatever comes in", () => {
  const play = startPlay();
  const random = chance(seed);
  for (let index = 0; index < 30_000; index++) {
    play.at += random() * 300;
    const key = `user-${Math.floor(random() * 100_000)}`;
    const x = random() < 0.5 ? 1 : 0;
    observe(play.state, play.settings, { at: play.at, x, key }, 1);
  }
  assert.ok(JSON.stringify(play.state).length < 60_000);
});
