import assert from "node:assert/strict";
import { test } from "node:test";
import type { Effect, Session, Task } from "@lastgood/sdk";
import { jobOf, textOf } from "./kills/job.ts";
import { judge } from "./kills/judge.ts";
import type { Life } from "./kills/life.ts";
import type { Line, Said } from "./kills/said.ts";
import type { WorldAtEnd } from "./kills/world-at-end.ts";

/** A job with one effect; whether it can be looked up is each test's own. */
const job = { ...jobOf(1, "a1", 0), effects: [{ kind: "first", hasLookup: false }] };
const name = `${job.id} first`;
const commit = "c".repeat(40);
const began = Date.parse("2026-11-26T10:00:00.000Z");
const killed = began + 1_000;
const iso = (ms: number) => new Date(ms).toISOString();

/** What a worker says of the whole job, in order. */
const whole: readonly Said[] = [
  { say: "session", id: "s1", recovery: "fresh" },
  { say: "message", id: "m1", deliveries: 1 },
  { say: "resumed", job: job.id, words: 0 },
  { say: "wrote", job: job.id, words: job.words.length },
  { say: "committed", job: job.id, commit },
  { say: "answered", n: 1, call: "checkpoints", of: "s1", status: 200 },
  { say: "acting", of: job.id, kind: "first" },
  { say: "sending", effect: "eff_1", of: job.id, kind: "first" },
  { say: "sent", effect: "eff_1", of: job.id, kind: "first" },
  { say: "asked", n: 2, call: "confirm", of: "eff_1" },
  { say: "answered", n: 2, call: "confirm", of: "eff_1", status: 200 },
  { say: "acted", of: job.id, kind: "first" },
  { say: "done", of: job.id },
];

function life(said: readonly Said[], over: Partial<Life> = {}): Life {
  const lines = said.map((each, index): Line => ({ at: began + index, ...each }));
  return {
    ...{ agent: "a1", pid: 1, leaseMs: 1_000, startedAt: began, lines },
    killedAt: () => killed,
    isOver: () => true,
    brokeWith: () => null,
    session: () => "s1",
    hasSaid: async () => {},
    kill: async () => true,
    stop: async () => {},
    ...over,
  };
}

function session(record: Partial<Session["record"]>, state: Session["state"] = "ended"): Session {
  const own = { session_id: "s1", ended_at: iso(killed + 900), exit_reason: "crashed" } as const;
  // The judge reads no more of it.
  return { record: { ...own, ...record }, state, detail: "it was not heard" } as Session;
}

const completed = { id: job.id, state: "completed", claim: null } as Task;

function world(over: Partial<WorldAtEnd> = {}): WorldAtEnd {
  return {
    ...{ given: [job.id], jobs: [job], waiting: [], deadLetters: [], unknown: [], errors: [] },
    tasks: new Map([[job.id, completed]]),
    sessions: new Map([["s1", session({})]]),
    ...{ wanted: [name], outside: new Map([[name, ["eff_1"]]]), looked: new Set() },
    listedAt: killed + 10_000,
    history: new Map([["a1", [{ id: commit, subject: `write it down [task:${job.id}]` }]]]),
    recorded: new Set([commit]),
    files: new Map([[job.id, textOf(job)]]),
    ...{ pages: 0, released: 0 },
    ...over,
  };
}

function seen(lives: readonly Life[], end: WorldAtEnd): readonly string[] {
  return judge(lives, end).flatMap(({ what, violations }) => (violations.length > 0 ? [what] : []));
}

test("a worker that was killed, and whose work is done once, is no violation", () => {
  assert.deepEqual(seen([life(whole)], world()), []);
});

test("crashes are to be noticed, and none is to be invented", () => {
  const alive = new Map([["s1", session({ exit_reason: null, ended_at: null }, "live")]]);
  assert.deepEqual(seen([life(whole)], world({ sessions: alive })), [
    "crashes not noticed",
    "claims left",
  ]);
  const fencedAt = (ms: number) =>
    world({ sessions: new Map([["s1", session({ exit_reason: "fenced", ended_at: iso(ms) })]]) });
  assert.deepEqual(seen([life(whole)], fencedAt(killed + 5)), ["crashes not noticed"]);
  assert.deepEqual(seen([life(whole)], fencedAt(killed - 5)), []);
  const asking = life([...whole, { say: "asked", n: 3, call: "ack", of: "s1" }]);
  assert.deepEqual(seen([asking], fencedAt(killed + 5)), [], "its last request came after it");
  assert.deepEqual(seen([asking], fencedAt(killed + 5_000)), ["crashes not noticed"]);
  assert.deepEqual(seen([life(whole, { killedAt: () => null })], world()), ["crashes invented"]);
  const nobodys = new Map([
    ["s1", session({})],
    ["s2", session({ session_id: "s2" })],
  ]);
  assert.deepEqual(seen([life(whole)], world({ sessions: nobodys })), ["crashes invented"]);
});

test("messages are to be handled, and each once", () => {
  const pending = new Map([[job.id, { ...completed, state: "pending" } as Task]]);
  assert.deepEqual(seen([life(whole)], world({ tasks: pending })), ["messages lost"]);
  assert.deepEqual(seen([life(whole)], world({ waiting: ["m2"] })), ["messages lost"]);
  assert.deepEqual(seen([life(whole)], world({ deadLetters: ["m2"] })), ["messages lost"]);
  const again = new Map([[name, ["eff_1", "eff_2"]]]);
  assert.deepEqual(seen([life(whole)], world({ outside: again })), [
    "messages handled twice, by effect",
  ]);
});

test("effects are to be there once", () => {
  const twice = new Map([[name, ["eff_1", "eff_1"]]]);
  assert.deepEqual(seen([life(whole)], world({ outside: twice })), ["effects repeated"]);
  assert.deepEqual(seen([life(whole)], world({ outside: new Map() })), ["effects lost"]);
});

test("unknown are exactly the effects that were cut and cannot be looked up", () => {
  const what = "unknown effects not listed, or listed without need";
  const sent = whole.findIndex(({ say }) => say === "sent");
  const cut = [life(whole.slice(0, sent)), life(whole.filter(({ say }) => say !== "acted"))];
  const listed = world({ unknown: [{ task: job.id, key: "first" } as Effect] });
  assert.deepEqual(seen([life(whole)], listed), [what]);
  // Cut, and done again before anybody had looked.
  assert.deepEqual(seen(cut, world()), [what]);
  assert.deepEqual(seen(cut.slice(0, 1), listed), []);
  assert.deepEqual(seen(cut.slice(0, 1), world({ looked: new Set([name]) })), []);
  assert.deepEqual(seen(cut.slice(0, 1), { ...listed, looked: new Set([name]) }), [what]);
  // Cut while it asked to confirm: both may be.
  const asked = whole.slice(
    0,
    whole.findIndex(({ say }) => say === "answered" || say === "done"),
  );
  const unclear = [...asked, ...whole.slice(6, 10)];
  assert.deepEqual(seen([life(unclear)], listed), []);
  assert.deepEqual(seen([life(unclear)], world()), []);
});

test("no commit is to be lost, made twice, or forgotten once it was reported", () => {
  const what = "commits lost, or made twice";
  const made = { id: commit, subject: `write it down [task:${job.id}]` };
  const histories = [[], [made, { ...made, id: "d".repeat(40) }]];
  for (const history of histories) {
    const end = world({ history: new Map([["a1", history]]) });
    assert.deepEqual(seen([life(whole)], end), [what]);
  }
  assert.deepEqual(seen([life(whole)], world({ recorded: new Set() })), [what]);
});

test("no word is to be lost or written again", () => {
  const what = "uncommitted words lost";
  const behind: Said[] = [...whole, { say: "resumed", job: job.id, words: 6 }];
  assert.deepEqual(seen([life(behind)], world()), [what]);
  const doubled = new Map([[job.id, `${textOf(job)}${textOf(job)}`]]);
  assert.deepEqual(seen([life(whole)], world({ files: doubled })), [what]);
  const says: Said = { say: "briefed", tookMs: 1, task: job.id, words: 6, onDisk: 12 };
  assert.deepEqual(seen([life([...whole, says])], world()), [
    "briefs that were wrong about what is there",
  ]);
});

test("nothing is to be left, unsaid or broken", () => {
  const held = { ...completed, claim: { agent: "a1", session: "s1", since: iso(began) } };
  const claimed = world({ tasks: new Map([[job.id, held]]) });
  assert.deepEqual(seen([life(whole)], claimed), ["claims left"]);
  assert.deepEqual(seen([life(whole)], world({ released: 1 })), ["storms not told once"]);
  assert.deepEqual(seen([life(whole)], world({ errors: ["a bug"] })), [
    "errors in the server's log",
  ]);
  assert.deepEqual(seen([life(whole, { brokeWith: () => "oh" })], world()), [
    "workers that broke by themselves",
  ]);
});
