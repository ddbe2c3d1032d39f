/** Effects on a real server: written down before they are dispatched, and found again by whoever comes after. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client, EffectBegun } from "@lastgood/sdk";
import { pino } from "pino";
import type { Actor } from "../../src/http/actor.ts";
import type { AgentName } from "../../src/ids.ts";
import { createEffectDesk } from "../../src/layers/effects/effect-desk.ts";
import { createEffects } from "../../src/layers/effects/effects.ts";
import type { Db } from "../../src/store/database.ts";
import { realWorld } from "../../src/world.ts";
import { killedWaiting, outcomesOf, startWork, type Work } from "../support/work.ts";

const mail = { key: "mail the report", task: "T-1", kind: "mail", request: { to: "ann" } };

async function startWriter(world: Work) {
  const session = await world.open("writer-1");
  return { session, writer: await world.as("writer-1") };
}

async function confirmed(writer: Client, session: string, result: { id: number }) {
  const { effect } = await writer.beginEffect({ session, ...mail });
  return await writer.confirmEffect(effect.id, { session, result });
}

test("an effect is written down as it is dispatched, and its result when it is confirmed", async () => {
  await using world = await startWork();
  const { session, writer } = await startWriter(world);
  const { go, effect } = await writer.beginEffect({ session, ...mail });
  assert.equal(go, "run");
  assert.match(effect.id, /^eff_[0-9a-f]{24}$/);
  assert.deepEqual(
    [effect.state, effect.attempts, effect.nature, effect.agent, effect.task, effect.request],
    ["dispatched", 1, "irreversible", "writer-1", "T-1", { to: "ann" }],
  );
  assert.equal(effect.dispatchedAt, effect.intendedAt);
  const done = await writer.confirmEffect(effect.id, { session, result: { id: 7 } });
  assert.deepEqual([done.state, done.result, done.settledBy], ["confirmed", { id: 7 }, "writer-1"]);
  const again = await writer.confirmEffect(effect.id, { session, result: { id: 7 } });
  assert.deepEqual(again, done);
  await assert.rejects(writer.confirmEffect(effect.id, { session, result: { id: 8 } }), {
    code: "state_forbids",
    message: new RegExp(effect.id),
  });
  const { changes } = await world.client.changes({ layer: "effects" });
  assert.deepEqual(
    changes.map(({ kind, target, agent, task, to, session }) => [
      ...[kind, target, agent, task, to, session],
    ]),
    [["mail", "writer-1", "writer-1", "T-1", effect.id, session]],
  );
  const [row] = await world.db`select resumed_at from sessions where id = ${session}`;
  assert.notEqual(row?.resumed_at, null, "the session is back at work");
});

test("the same key of the same task after a restart is the same effect, and is not done again", async () => {
  await using world = await startWork();
  const { session, writer } = await startWriter(world);
  const done = await confirmed(writer, session, { id: 7 });
  await world.crash(session);
  const next = await world.open("writer-1");
  const before = new Date(Date.now() - 60_000);
  const begun = await writer.beginEffect({ session: next, ...mail });
  assert.deepEqual(
    [begun.go, begun.effect.id, begun.effect.result, begun.effect.replayed],
    ["replay", done.id, { id: 7 }, 1],
  );
  const others = await Promise.all([
    writer.beginEffect({ session: next, ...mail, task: "T-2" }),
    writer.beginEffect({ session: next, ...mail, key: "mail the other report" }),
    writer.beginEffect({ session: next, key: mail.key }),
    (await world.as("writer-2")).beginEffect({ session: await world.open("writer-2"), ...mail }),
  ]);
  assert.deepEqual(
    others.map(({ go }) => go),
    ["run", "run", "run", "run"],
  );
  assert.equal(new Set(others.map(({ effect }) => effect.id).concat(done.id)).size, 5);
  const effects = createEffects({ ...world, world: realWorld, log: pino({ level: "silent" }) });
  assert.equal((await effects.counts(before, "writer-1")).replayed, 1);
  await effects.stop();
});

test("a key and its task cannot be shifted into another's", async () => {
  await using world = await startWork();
  const { session, writer } = await startWriter(world);
  const keys: readonly { key: string; task?: string }[] = [
    { task: "a", key: "bc" },
    { task: "ab", key: "c" },
    { key: "abc" },
    { task: "a:", key: "bc" },
    { task: "-", key: "abc" },
    { key: "1:a2:bc" },
  ];
  const begun = await Promise.all(keys.map((key) => writer.beginEffect({ session, ...key })));
  assert.equal(new Set(begun.map(({ effect }) => effect.id)).size, keys.length);
});

test("in a forked session the same key is another effect", async () => {
  await using world = await startWork();
  const { session, writer } = await startWriter(world);
  const done = await confirmed(writer, session, { id: 7 });
  const forked = await world.open("writer-1", "fork");
  const anew = await writer.beginEffect({ session: forked, ...mail });
  assert.equal(anew.go, "run");
  assert.notEqual(anew.effect.id, done.id);
  await writer.confirmEffect(anew.effect.id, { session: forked, result: { id: 8 } });
  const after = await world.open("writer-1");
  const replayed = await writer.beginEffect({ session: after, ...mail });
  assert.deepEqual([replayed.go, replayed.effect.result], ["replay", { id: 8 }]);
});

test("of twenty that begin one key at once one runs it", async () => {
  await using world = await startWork();
  const { session, writer } = await startWriter(world);
  const begins = Array.from({ length: 20 }, () => writer.beginEffect({ session, ...mail }));
  const { done, codes } = await outcomesOf(begins);
  assert.deepEqual([done, [...new Set(codes)]], [1, ["target_busy"]]);
  const settled = await Promise.allSettled(begins);
  const [begun] = settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  assert.equal(begun?.go, "run");
  assert.equal((await world.client.effect(begun?.effect.id ?? "")).attempts, 1);
});

test("of twenty that try a failed one again at once one runs it", async () => {
  await using world = await startWork();
  const { session, writer } = await startWriter(world);
  const { effect } = await writer.beginEffect({ session, ...mail });
  await writer.failEffect(effect.id, { session, error: "refused" });
  const { done, codes } = await outcomesOf(
    Array.from({ length: 20 }, () => writer.beginEffect({ session, ...mail })),
  );
  assert.deepEqual([done, [...new Set(codes)]], [1, ["target_busy"]]);
  assert.equal((await world.client.effect(effect.id)).attempts, 2);
});

test("a begin whose answer was lost is answered the same when it is repeated under its attempt", async () => {
  await using world = await startWork();
  const { session, writer } = await startWriter(world);
  const asked = { session, ...mail, attempt: "3c1f" };
  const answers: EffectBegun[] = [];
  for (let n = 0; n < 3; n++) answers.push(await writer.beginEffect(asked));
  assert.deepEqual(
    answers.map(({ go, effect }) => [go, effect.attempts]),
    [1, 2, 3].map(() => ["run", 1]),
  );
  await assert.rejects(writer.beginEffect({ ...asked, attempt: "9e20" }), { code: "target_busy" });
});

test("the usual path is one statement to begin and one to confirm", async () => {
  await using world = await startWork();
  const session = await world.open("writer-1");
  const counted = countStatements(world.db);
  const desk = createEffectDesk({ db: counted.db, world: realWorld });
  const actor: Actor = { role: "agent", token: "t", name: "n", agent: "writer-1" as AgentName };
  const { effect } = await desk.begin(
    actor,
    { task: "T-1", key: "k" },
    {
      ...{ session, attempt: null, dispatch: true, kind: "mail" },
      ...{ nature: "irreversible", request: null },
    },
  );
  assert.equal(counted.statements(), 1);
  await desk.confirm(actor, effect.id, session, { id: 7 });
  assert.equal(counted.statements(), 2);
});

/** The database, and how many statements or transactions were begun on it. */
function countStatements(db: Db) {
  let statements = 0;
  return {
    statements: () => statements,
    db: new Proxy(db, {
      apply(target, self, args) {
        statements += 1;
        return Reflect.apply(target, self, args) as unknown;
      },
      get(target, name) {
        if (name === "begin") statements += 1;
        return Reflect.get(target, name) as unknown;
      },
    }),
  };
}

test("what a session had dispatched is unknown when it ends, and is looked up and not repeated", async () => {
  await using world = await startWork();
  const { session, writer } = await startWriter(world);
  const { effect } = await writer.beginEffect({ session, ...mail });
  const later = await writer.beginEffect({ session, key: "later", dispatch: false });
  assert.deepEqual([later.go, later.effect.state, later.effect.attempts], ["wait", "intended", 0]);
  await world.crash(session);
  const known = await world.client.effects({ agent: "writer-1", state: "unknown" });
  assert.deepEqual(
    known.effects.map(({ id, error }) => [id, error]),
    [[effect.id, `the session ${session} ended before it said how it went`]],
  );
  const next = await world.open("writer-1");
  const asked = await writer.beginEffect({ session: next, ...mail });
  assert.equal(asked.go, "look-up");
  await assert.rejects(writer.dispatchEffect(effect.id, next), { code: "effect_unknown" });
  await assert.rejects(writer.confirmEffect(effect.id, { session: next }), {
    code: "effect_unknown",
    message: new RegExp(`lastgood effects settle ${effect.id}`),
  });
  const sent = await writer.dispatchEffect(later.effect.id, next);
  assert.deepEqual([sent.state, sent.session, sent.attempts], ["dispatched", next, 1]);

  const because = "there is no such mail";
  await assert.rejects(writer.settleEffect(effect.id, { happened: false, because }), {
    code: "bad_input",
    message: /session/,
  });
  const found = { happened: false, because, session: next };
  const settled = await writer.settleEffect(effect.id, found);
  assert.deepEqual([settled.state, settled.settledBecause], ["failed", because]);
  assert.deepEqual(await writer.settleEffect(effect.id, found), settled);
  const again = await writer.beginEffect({ session: next, ...mail });
  assert.deepEqual([again.go, again.effect.attempts], ["run", 2]);
});

test("what a person finds to have happened is replayed, and is a change of the ledger", async () => {
  await using world = await startWork();
  const { session, writer } = await startWriter(world);
  const { effect } = await writer.beginEffect({ session, ...mail });
  await assert.rejects(
    world.client.settleEffect(effect.id, { happened: true, because: "I saw it" }),
    { code: "state_forbids", message: /dispatched.*its session must end first/ },
  );
  await writer.doubtEffect(effect.id, { session, error: "timed out after 30 s" });
  const found = { happened: true, result: { id: 7 }, because: "it is in the outbox" };
  const settled = await world.client.settleEffect(effect.id, found);
  assert.deepEqual([settled.state, settled.settledBy], ["confirmed", "token:admin"]);
  const begun = await writer.beginEffect({ session, ...mail });
  assert.deepEqual([begun.go, begun.effect.result], ["replay", { id: 7 }]);
  const { changes } = await world.client.changes({ layer: "effects" });
  assert.deepEqual(
    changes.map(({ to, reason, details }) => [to, reason, details.settledBy]),
    [[effect.id, "it is in the outbox", "token:admin"]],
  );
});

test("a session that doubts an effect may still say how it went when it learns it", async () => {
  await using world = await startWork();
  const { session, writer } = await startWriter(world);
  const { effect } = await writer.beginEffect({ session, ...mail });
  await writer.doubtEffect(effect.id, { session, error: "timed out" });
  const done = await writer.confirmEffect(effect.id, { session, result: 7 });
  assert.deepEqual([done.state, done.result, done.error], ["confirmed", 7, null]);
});

test("a session that is over decides nothing, but what it says is kept as evidence", async () => {
  await using world = await startWork();
  const { session: zombie, writer } = await startWriter(world);
  const { effect } = await writer.beginEffect({ session: zombie, ...mail });
  const session = await world.open("writer-1");
  await assert.rejects(writer.beginEffect({ session: zombie, key: "other" }), { code: "fenced" });
  const fenced = { code: "fenced", message: /is kept beside it/ } as const;
  await assert.rejects(writer.confirmEffect(effect.id, { session: zombie, result: 7 }), fenced);
  const heard = await world.client.effect(effect.id);
  assert.deepEqual(
    [heard.state, heard.result, heard.late?.state, heard.late?.result, heard.late?.session],
    ["unknown", null, "confirmed", 7, zombie],
  );
  await assert.rejects(writer.confirmEffect(effect.id, { session: zombie, result: 7 }), fenced);
  await assert.rejects(writer.failEffect(effect.id, { session: zombie, error: "no" }), {
    code: "fenced",
  });
  assert.deepEqual(await world.client.effect(effect.id), heard);
  const looked = await writer.beginEffect({ session, ...mail });
  assert.deepEqual([looked.go, looked.effect.late?.result], ["look-up", 7]);
  assert.deepEqual((await world.client.changes({ layer: "effects" })).changes, []);
});

test("what was done by two sessions, since the first one said so too late, is counted", async () => {
  await using world = await startWork();
  const { session: zombie, writer } = await startWriter(world);
  const { effect } = await writer.beginEffect({ session: zombie, ...mail });
  const session = await world.open("writer-1");
  const because = "nothing is there";
  await writer.settleEffect(effect.id, { happened: false, because, session });
  await assert.rejects(writer.confirmEffect(effect.id, { session: zombie, result: 7 }));
  assert.equal((await world.client.effect(effect.id)).state, "unknown", "it is in doubt again");
  await writer.settleEffect(effect.id, { happened: false, because, session });
  const again = await writer.beginEffect({ session, ...mail });
  assert.equal(again.go, "run");
  await writer.confirmEffect(effect.id, { session, result: 8 });
  const effects = createEffects({ ...world, world: realWorld, log: pino({ level: "silent" }) });
  const since = new Date(Date.now() - 60_000);
  assert.equal((await effects.counts(since, "writer-1")).doneTwice, 1);
  assert.equal((await effects.counts(since, "writer-2")).doneTwice, 0);
  await effects.stop();
});

test("an effect is its own agent's and no other's", async () => {
  await using world = await startWork();
  const { session, writer } = await startWriter(world);
  const { effect } = await writer.beginEffect({ session, ...mail });
  const other = await world.as("writer-2");
  const theirs = await world.open("writer-2");
  for (const call of [
    () => other.beginEffect({ session, ...mail }),
    () => other.confirmEffect(effect.id, { session }),
    () => other.confirmEffect(effect.id, { session: theirs }),
    () => other.failEffect(effect.id, { session: theirs, error: "x" }),
    () => other.doubtEffect(effect.id, { session: theirs, error: "x" }),
    () => other.dispatchEffect(effect.id, theirs),
    () => other.settleEffect(effect.id, { happened: true, because: "x", session: theirs }),
  ]) {
    await assert.rejects(call(), { code: "not_yours" });
  }
  const { effect: before } = await world.client.beginEffect({ session, key: "by an operator" });
  assert.equal(before.agent, "writer-1");
  assert.equal((await world.client.effect(effect.id)).state, "dispatched");
});

test("what is unknown and may be repeated is run again, and is no doubt of the agent's", async () => {
  await using world = await startWork();
  const { session, writer } = await startWriter(world);
  const look = { key: "read the inbox", nature: "read-only" } as const;
  await writer.beginEffect({ session, ...look });
  await writer.beginEffect({ session, ...mail });
  await world.crash(session);
  const effects = createEffects({ ...world, world: realWorld, log: pino({ level: "silent" }) });
  const unknown = await effects.unknownOf("writer-1", 1);
  assert.deepEqual([unknown.effects.map(({ key }) => key), unknown.more], [[mail.key], false]);
  await effects.stop();
  const next = await world.open("writer-1");
  const { go, effect } = await writer.beginEffect({ session: next, ...look });
  assert.deepEqual([go, effect.attempts], ["run", 2]);
});

test("a confirmation that dies half-way has changed nothing, and is one change when it is repeated", async () => {
  await using world = await startWork();
  const { session, writer } = await startWriter(world);
  const { effect } = await writer.beginEffect({ session, ...mail });
  await killedWaiting(
    world.db,
    (tx) => tx`select from sessions where id = ${session} for no key update`,
    () => writer.confirmEffect(effect.id, { session, result: 7 }),
  );
  assert.deepEqual(await world.client.effect(effect.id), effect);
  assert.deepEqual((await world.client.changes({ layer: "effects" })).changes, []);
  for (let n = 0; n < 2; n++) await writer.confirmEffect(effect.id, { session, result: 7 });
  assert.equal((await world.client.changes({ layer: "effects" })).changes.length, 1);
});

test("a session that does not end after all leaves its effects as they are", async () => {
  await using world = await startWork();
  const { session, writer } = await startWriter(world);
  const { effect } = await writer.beginEffect({ session, ...mail });
  const effects = createEffects({ ...world, world: realWorld, log: pino({ level: "silent" }) });
  await assert.rejects(
    world.db.begin(async (tx) => {
      await effects.sessionEnded(tx, { id: session });
      throw new Error("the server died here");
    }),
    /died here/,
  );
  await effects.stop();
  assert.equal((await world.client.effect(effect.id)).state, "dispatched");
});

test("what was confirmed is known for 90 days at least, and as long as its task is open", async () => {
  await using world = await startWork();
  const { session, writer } = await startWriter(world);
  await world.client.assignTask({ id: "T-open", title: "Goes on", agent: "writer-1" });
  const done = async (key: string, task: string, days: number) => {
    const { effect } = await writer.beginEffect({ session, key, task });
    await writer.confirmEffect(effect.id, { session });
    const at = new Date(Date.now() - days * 86_400_000);
    await world.db`
      update effects set settled_at = ${at}, intended_at = ${at}, dispatched_at = ${at}
      where id = ${effect.id}`;
    return effect.id;
  };
  const young = await done("a", "T-1", 89);
  const old = await done("b", "T-1", 91);
  const open = await done("c", "T-open", 91);
  const trim = async () => {
    const effects = createEffects({ ...world, world: realWorld, log: pino({ level: "silent" }) });
    await effects.stop();
  };
  // Its first turn is over when it has stopped.
  await trim();
  const left = (await world.client.effects({ agent: "writer-1" })).effects.map(({ id }) => id);
  assert.deepEqual(new Set(left), new Set([young, open]), `not ${old}`);
});

test("what is too large is refused with its size, and nothing is written", async () => {
  await using world = await startWork();
  const { session, writer } = await startWriter(world);
  const large = "x".repeat(16_384);
  await assert.rejects(writer.beginEffect({ session, ...mail, request: large }), {
    code: "too_large",
    message: /request has 16386 bytes/,
  });
  assert.deepEqual((await world.client.effects()).effects, []);
  const { effect } = await writer.beginEffect({ session, ...mail, request: large.slice(2) });
  await assert.rejects(writer.confirmEffect(effect.id, { session, result: "x".repeat(65_536) }), {
    code: "too_large",
    message: /result has 65538 bytes/,
  });
  assert.equal((await world.client.effect(effect.id)).state, "dispatched");
});
