/** What may become of an effect: neither repeated while it may have happened, nor lost. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { effectActs } from "@lastgood/sdk";
import fc from "fast-check";
import { Fault } from "../../src/fault.ts";
import {
  abandon,
  begin,
  confirm,
  dispatch,
  dispatchersMax,
  doubt,
  type Effect,
  fail,
  hearLate,
  settle,
  whatToDo,
} from "../../src/layers/effects/effect.ts";

const born = new Date("2026-09-21T08:00:00Z");
const fresh: Effect = {
  ...{ id: "eff_0", agent: "writer", fork: "", task: "T-1", key: "send", kind: "mail" },
  ...{ nature: "irreversible", request: null, session: "s0", attempt: null, attempts: 0 },
  ...{ phase: { state: "intended" }, dispatchers: [], replayed: 0, replayedAt: null },
  ...{ intendedAt: born, dispatchedAt: null, late: null },
};
const asked = { kind: "mail", nature: "irreversible", request: null } as const;
const inTime = { at: born, by: "writer", because: null };

/** The world as nobody sees it whole: how often it happened, and who would know. */
interface World {
  readonly effect: Effect;
  /** The living session; it has a number, and whoever ends has the next one after it. */
  readonly living: number;
  /** How often the act really happened. */
  readonly happened: number;
  /** What sessions that are over did, and have not said. */
  readonly untold: ReadonlyMap<string, boolean>;
}

type Move =
  | {
      readonly kind: "begin";
      readonly sent: boolean;
      readonly said: boolean;
      readonly took: boolean;
    }
  | { readonly kind: "die" }
  | { readonly kind: "zombie" }
  | { readonly kind: "intend" }
  | { readonly kind: "look" };

const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("begin" as const),
      sent: fc.boolean(),
      said: fc.boolean(),
      took: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: "die" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "zombie" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "intend" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "look" as const }) },
);

const name = (session: number) => `s${session}`;

/**
 * An agent that keeps to the answers and dies at any moment, before or after the act took and before it said
 * so. A look-up tells the truth; what the dead did they say late, or never.
 */
function step(world: World, what: Move, seen: Set<string>): World {
  const { effect, living, happened } = world;
  const session = name(living);
  switch (what.kind) {
    case "die": {
      const under = effect.phase.state === "dispatched" && effect.session === session;
      if (under) seen.add("died under way");
      return { ...world, effect: abandon(effect), living: living + 1 };
    }
    case "zombie": {
      const [first] = world.untold;
      if (first === undefined || first[0] === session) return world;
      const [zombie, did] = first;
      const word = did
        ? ({ state: "confirmed", result: "sent", error: null } as const)
        : ({ state: "failed", result: null, error: "refused" } as const);
      const untold = new Map([...world.untold].slice(1));
      seen.add(`late ${word.state}`);
      return { ...world, untold, effect: hearLate(effect, { ...word, session: zombie, at: born }) };
    }
    case "intend": {
      if (whatToDo(effect, { session, attempt: null, dispatch: false }) !== "wait") return world;
      const next = begin(effect, { ...asked, session, attempt: null, dispatch: false }, born);
      return { ...world, effect: next.effect };
    }
    case "look": {
      if (effect.phase.state !== "unknown") return world;
      const found = { happened: happened > 0, result: "sent" };
      const settled = { at: born, by: "writer", because: "looked it up" };
      seen.add(found.happened ? "found" : "not found");
      return { ...world, effect: settle(effect, found, settled) };
    }
    case "begin":
      return act(world, what, seen);
  }
}

function act(world: World, what: Extract<Move, { kind: "begin" }>, seen: Set<string>): World {
  const { effect, living, happened } = world;
  const session = name(living);
  const how = { ...asked, session, attempt: null, dispatch: true };
  if (whatToDo(effect, how) === "busy") return world;
  const { go, effect: begun } = begin(effect, how, born);
  seen.add(go);
  if (go !== "run") return { ...world, effect: begun };
  // E2. Whatever the world does with it, it is never run while it may have happened already.
  assert.equal(happened, 0, `run again although it happened: ${JSON.stringify(effect)}`);
  if (!what.sent) return { ...world, effect: begun };
  const did = what.took ? 1 : 0;
  if (!what.said) {
    const untold = new Map(world.untold).set(session, did > 0);
    return { ...world, effect: begun, happened: did, untold };
  }
  const ended = what.took
    ? confirm(begun, session, "sent", inTime)
    : fail(begun, session, "refused", inTime);
  return { ...world, effect: ended, happened: did };
}

test("an effect is never run while it may have happened, and never forgotten once it did", () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.array(move, { minLength: 5, maxLength: 60 }), (moves) => {
      let world: World = { effect: fresh, living: 0, happened: 0, untold: new Map() };
      for (const each of moves) {
        const was = structuredClone(world.effect);
        const next = step(world, each, seen);
        assert.deepEqual(world.effect, was, "what was is never altered");
        world = next;
        const { phase } = world.effect;
        if (phase.state === "confirmed") assert.equal(world.happened, 1);
        if (phase.state === "failed") assert.equal(world.happened, 0);
        if (world.happened === 1) {
          assert.ok(["confirmed", "dispatched", "unknown"].includes(phase.state), phase.state);
        }
      }
    }),
    { numRuns: 2_000 },
  );
  for (const each of ["run", "replay", "look-up", "died under way", "late confirmed", "found"]) {
    assert.ok(seen.has(each), `no run came to: ${each}`);
  }
});

const states: readonly Effect["phase"][] = [
  { state: "intended" },
  { state: "dispatched" },
  { state: "confirmed", result: 1, settled: inTime },
  { state: "failed", error: "refused", settled: inTime },
  { state: "unknown", error: "who knows" },
];

test("an act is allowed in the states of the table and in no other, and what is refused changes nothing", () => {
  const found = { happened: true, result: null };
  const arrows: Readonly<Record<keyof typeof effectActs, (effect: Effect) => Effect>> = {
    dispatch: (effect) => dispatch(effect, { session: "s0", attempt: null }, born),
    confirm: (effect) => confirm(effect, "s0", 2, inTime),
    fail: (effect) => fail(effect, "s0", "other", inTime),
    doubt: (effect) => doubt(effect, "s0", "timed out"),
    settle: (effect) => settle(effect, found, { ...inTime, because: "seen" }),
  };
  for (const [name, arrow] of Object.entries(arrows)) {
    for (const phase of states) {
      const effect: Effect = { ...fresh, phase, dispatchers: ["s0"] };
      const allowed: readonly string[] = effectActs[name as keyof typeof effectActs];
      const what = `${name} of an effect that is ${phase.state}`;
      if (allowed.includes(phase.state)) assert.notEqual(arrow(effect), effect, what);
      else {
        const was = structuredClone(effect);
        try {
          assert.equal(arrow(effect), effect, what);
        } catch (error) {
          assert.ok(error instanceof Fault, `${what}: ${String(error)}`);
          assert.match(error.message, /eff_0/);
        }
        assert.deepEqual(effect, was);
      }
    }
  }
});

test("what to do follows from the state, and from who has it under way", () => {
  const of = (state: Effect["phase"], session = "s0", nature: Effect["nature"] = "irreversible") =>
    whatToDo(
      { phase: state, session, nature, attempt: "try-1" },
      { session: "s0", attempt: null, dispatch: true },
    );
  const [intended, dispatched, confirmed, failed, unknown] = states;
  assert.ok(intended && dispatched && confirmed && failed && unknown);
  assert.deepEqual(
    [intended, failed, confirmed, unknown].map((each) => of(each)),
    ["run", "run", "replay", "look-up"],
  );
  assert.equal(of(dispatched), "busy");
  assert.equal(of(dispatched, "s-before"), "look-up");
  assert.equal(of(dispatched, "s-before", "read-only"), "run");
  assert.equal(of(unknown, "s0", "read-only"), "run");
  const again = { session: "s0", attempt: "try-1", dispatch: true };
  const effect = { ...fresh, phase: dispatched, attempt: "try-1" };
  assert.equal(whatToDo(effect, again), "run", "its answer was lost");
  assert.equal(begin(effect, { ...asked, ...again }, born).effect, effect);
  const later = { session: "s0", attempt: null, dispatch: false };
  assert.equal(whatToDo({ ...fresh, phase: failed }, later), "wait");
});

test("only the word of a session that dispatched it is kept when it comes late", () => {
  const late = { state: "confirmed", session: "s0", result: 7, error: null, at: born } as const;
  const unknown: Effect = { ...fresh, phase: { state: "unknown", error: "" }, dispatchers: ["s0"] };
  assert.equal(hearLate(unknown, { ...late, session: "stranger" }), unknown);
  const heard = hearLate(unknown, late);
  assert.deepEqual([heard.late, heard.phase], [late, unknown.phase]);
  assert.equal(hearLate(heard, late), heard, "it was said before");
  const denied = { ...late, state: "failed", error: "no" } as const;
  assert.equal(hearLate(heard, denied), heard, "what happened is not taken back");
  const saidInTime = {
    ...unknown,
    phase: { state: "confirmed", result: 7, settled: inTime },
  } as const;
  assert.equal(hearLate(saidInTime, late), saidInTime, "it said so while it lived");
});

test("a late word that it happened makes unknown what failed, or was to be done again", () => {
  const late = { state: "confirmed", session: "s0", result: 7, error: null, at: born } as const;
  for (const phase of states) {
    const effect: Effect = { ...fresh, session: "s1", phase, dispatchers: ["s0", "s1"] };
    const heard = hearLate(effect, late);
    const expected = ["failed", "intended"].includes(phase.state) ? "unknown" : phase.state;
    assert.equal(heard.phase.state, expected);
    assert.deepEqual(heard.late, late);
  }
  const again: Effect = { ...fresh, session: "s1", phase: { state: "dispatched" }, late };
  assert.equal(fail(again, "s1", "refused", inTime).phase.state, "unknown");
});

test("the sessions that dispatched it are bounded", () => {
  let effect = fresh;
  for (let n = 0; n < dispatchersMax + 5; n++) {
    effect = dispatch(effect, { session: name(n), attempt: null }, born);
    effect = fail(effect, name(n), "refused", inTime);
  }
  assert.equal(effect.dispatchers.length, dispatchersMax);
  assert.equal(effect.dispatchers.at(-1), name(dispatchersMax + 4));
  assert.equal(effect.attempts, dispatchersMax + 5);
});
