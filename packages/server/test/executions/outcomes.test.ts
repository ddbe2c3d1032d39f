/** Outcomes that are told many at once: on a real server. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Client, JsonValue, OutcomesTold } from "@lastgood/sdk";
import { createOutcomeDesk } from "../../src/executions/outcome-desk.ts";
import type { ReleaseSample } from "../../src/executions/release-sample.ts";
import type { Actor } from "../../src/http/actor.ts";
import type { Db } from "../../src/store/database.ts";
import { realWorld } from "../../src/world.ts";
import { production, refused } from "../releases/world.ts";
import { startServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let client: Client;
let db: Db;
before(async () => {
  server = await startServer({ agents: { router: {} } });
  client = server.client;
  db = server.lastgood.db;
});
after(async () => await server[Symbol.asyncDispose]());

let named = 0;

/** Of an artifact of its own so many executions that answered `billing`, by their ids. */
async function answered(count: number, output: JsonValue = "billing") {
  const artifact = `spec-${++named}`;
  await client.declareArtifact(artifact, { kind: "spec", inFlight: "switch" });
  for (const version of ["1", "2"]) {
    await client.publishRelease(artifact, { version, content: { version } });
  }
  await client.deployRelease(production, artifact, { version: "1" });
  const ids: string[] = [];
  for (let n = 0; n < count; n++) {
    const { execution } = await client.beginExecution({ artifact, key: `ticket-${n}` });
    await client.endExecution(execution.id, { state: "finished", output });
    ids.push(execution.id);
  }
  return { artifact, ids };
}

/** As a program sends it that has no library: the whole body is text. */
async function post(body: string): Promise<Response> {
  return await fetch(`${server.lastgood.url}/v1/outcomes`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${await server.tokenAs("operator")}`,
      "content-type": "application/json",
    },
    body,
  });
}

const actor: Actor = { role: "operator", token: "t", name: "ada" };
const none = `exe_${"0".repeat(32)}`;
const counts = ({ taken, corrected, known, refused: no }: OutcomesTold) => [
  ...[taken, corrected, known, no.length],
];

test("many outcomes are told at once, and feed quality as each alone would", async () => {
  const { ids } = await answered(6);
  const told = ids.map((execution, n) => ({
    execution,
    ...(n < 3 ? { expected: n === 0 ? "sales" : " billing\n" } : { score: 0.5, note: "so so" }),
  }));
  // The one of them is told alone: it must make no difference.
  const { execution: alone = "", ...outcome } = told[5] ?? assert.fail();
  await client.tellOutcome(alone, outcome as { score: number });
  const many = told.slice(0, 5) as Parameters<Client["tellOutcomes"]>[0];
  assert.deepEqual(counts(await client.tellOutcomes(many)), [5, 0, 0, 0]);
  const kept = await Promise.all(ids.map(async (id) => await client.execution(id)));
  assert.deepEqual(
    kept.map(({ score, outcomes }) => [score, outcomes.length, outcomes[0]?.expected]),
    [
      [0, 1, "sales"],
      ...[1, 2].map(() => [1, 1, " billing\n"]),
      ...[3, 4, 5].map(() => [0.5, 1, null]),
    ],
  );
  const [one, other] = [kept[4]?.outcomes[0], kept[5]?.outcomes[0]];
  assert.deepEqual({ ...one, at: "" }, { ...other, at: "" });
});

test("the first of each is a sample of its release, and of its copies', told alone or with others", async () => {
  const { artifact, ids } = await answered(4);
  const [a = "", b = "", c = "", d = ""] = ids;
  await db`update executions set mirror_of = ${a}, version = '2' where id = ${c}`;
  await db`update executions set mirror_of = ${b}, version = '2' where id = ${d}`;
  const samples: ReleaseSample[] = [];
  const desk = createOutcomeDesk({
    ...{ db, world: realWorld, observe: (told) => void samples.push(...told) },
    turnedOut: () => {},
  });
  const seen = () =>
    samples.splice(0).map(({ release, signal, value, key }) => [release, signal, value, key]);
  const told = { score: null, expected: "billing", note: "" } as const;
  await desk.tell(actor, [{ execution: a, ...told }]);
  const alone = seen();
  assert.deepEqual(alone, [
    [`${artifact}:1`, "quality", 1, "ticket-0"],
    [`${artifact}:2`, "quality", 1, "ticket-0"],
  ]);
  await desk.tell(actor, [
    { execution: a, ...told, expected: "sales" },
    { execution: b, ...told },
    { execution: none, ...told },
    { execution: b, ...told, expected: "sales" },
  ]);
  assert.deepEqual(seen(), [
    [`${artifact}:1`, "quality", 1, "ticket-1"],
    [`${artifact}:2`, "quality", 1, "ticket-1"],
  ]);
  assert.deepEqual(
    await Promise.all(ids.map(async (id) => (await client.execution(id)).score)),
    [0, 0, 0, 0],
    "what was told last is the record's, of copies too",
  );
});

test("copies that come after what turned out are judged by it, each once, and as of their request's work", async () => {
  const { artifact, ids } = await answered(3);
  const [a = "", b = "", c = ""] = ids;
  await client.tellOutcomes([
    { execution: a, expected: "sales" },
    { execution: a, score: 0.5, note: "looked at again" },
    { execution: b, score: 1 },
  ]);
  await db`update executions set mirror_of = ${a}, version = '2' where id = ${c}`;
  const samples: ReleaseSample[] = [];
  const desk = createOutcomeDesk({
    ...{ db, world: realWorld, observe: (told) => void samples.push(...told) },
    turnedOut: () => {},
  });
  await Promise.all([desk.judgeCopies([a, b, none]), desk.judgeCopies([a])]);
  assert.deepEqual(
    samples.map(({ release, value, key }) => [release, value, key]),
    [[`${artifact}:2`, 0, "ticket-0"]],
  );
  const { score, outcomes } = await client.execution(c);
  assert.deepEqual([score, outcomes.map(({ expected }) => expected)], [0, ["sales"]]);
});

test("the same once more is known, something else corrects the record, also within one batch", async () => {
  const { ids } = await answered(2);
  const [a = "", b = ""] = ids;
  const batch = [
    { execution: a, expected: "billing" },
    { execution: a, expected: "billing" },
    { execution: b, score: 0 },
    { execution: b, score: 1, note: "looked at again" },
  ];
  assert.deepEqual(counts(await client.tellOutcomes(batch)), [2, 1, 1, 0]);
  // A lost answer is asked for again: what stands last is known, what came before it would correct it.
  assert.deepEqual(counts(await client.tellOutcomes(batch.slice(0, 2))), [0, 0, 2, 0]);
  assert.deepEqual(counts(await client.tellOutcomes(batch.slice(3))), [0, 0, 1, 0]);
  assert.equal((await client.tellOutcome(a, { expected: "billing" })).score, 1);
  const { score, outcomes } = await client.execution(b);
  assert.deepEqual(
    [score, ...outcomes.map((each) => [each.score, each.note])],
    [1, [1, "looked at again"], [0, ""]],
  );
  assert.equal((await client.execution(a)).outcomes.length, 1);
});

test("each is refused by itself, with its code, its place and what to do, and no other is lost", async () => {
  const { ids } = await answered(2);
  const { ids: silent } = await answered(1, null);
  await db`update executions set output_digest = null where id = ${silent[0] ?? ""}`;
  const { ids: last } = await answered(1);
  const response = await post(`{"outcomes": [
    {"execution": "${ids[0]}", "score": 1},
    {"execution": "${ids[1]}", "score": null},
    {"execution": "${ids[1]}", "score": 1.5},
    {"execution": "${ids[1]}"},
    {"execution": "${none}", "score": 1},
    {"execution": "7", "score": 1},
    {"execution": "${silent[0]}", "expected": "billing"},
    {"execution": "${ids[1]}", "expected": "a\\u0000b"},
    {"execution": "${ids[1]}", "expected": "${"x".repeat(70_000)}"},
    {"execution": "${ids[1]}", "score": 1, "verdict": "good"},
    {"execution": "${ids[1]}", "score": 1, "note": ${"[".repeat(3)}${"]".repeat(3)}},
    null, "good",
    {"execution": "${last[0]}", "score": 0}
  ]}`);
  const text = await response.text();
  assert.equal(response.status, 200, text);
  const told = JSON.parse(text) as OutcomesTold;
  assert.deepEqual(counts(told), [2, 0, 0, 12]);
  assert.deepEqual(
    told.refused.map(({ index, code, path }) => [index, code, path]),
    [
      [1, "bad_input", "outcomes[1].score"],
      [2, "bad_input", "outcomes[2].score"],
      [3, "bad_input", "outcomes[3]"],
      [4, "not_found", "outcomes[4].execution"],
      [5, "bad_input", "outcomes[5].execution"],
      [6, "state_forbids", "outcomes[6].score"],
      [7, "bad_input", "outcomes[7].expected"],
      [8, "too_large", "outcomes[8].expected"],
      [9, "bad_input", "outcomes[9]"],
      [10, "bad_input", "outcomes[10].note"],
      [11, "bad_input", "outcomes[11]"],
      [12, "bad_input", "outcomes[12]"],
    ],
  );
  const says = (index: number) => told.refused.find((each) => each.index === index)?.detail ?? "";
  assert.match(says(3), /`score` from 0 to 1, or the right answer/);
  assert.match(says(4), new RegExp(`no execution ${none}: see`));
  assert.match(says(6), /no output.*give a score with it/);
  assert.match(says(7), /NUL character: remove it/);
  assert.match(says(8), /65536 are kept: put it into a document/);
  assert.match(says(9), /verdict/);
  assert.equal((await client.execution(ids[1] ?? "")).score, null);
  assert.equal((await client.execution(last[0] ?? "")).score, 0);
});

test("a score that no number holds is refused with its place, and written nowhere", async () => {
  const { ids } = await answered(1);
  const response = await post(`{"outcomes": [
    {"execution": "${none}", "score": 1},
    {"execution": "${ids[0]}", "score": 1e400}
  ]}`);
  assert.match(await response.text(), /outcomes[/[]1\]?[/.]score/);
  const notJson = await post(`{"outcomes": [{"execution": "${ids[0]}", "score": NaN}]}`);
  assert.equal(notJson.status, 400);
  const nan = await client.tellOutcomes([{ execution: ids[0] ?? "", score: Number.NaN }]);
  assert.deepEqual(
    nan.refused.map(({ code, path }) => [code, path]),
    [["bad_input", "outcomes[0].score"]],
  );
  assert.equal((await client.execution(ids[0] ?? "")).score, null);
});

test("more than a thousand at once, and none at all, are refused as a whole", async () => {
  const { ids } = await answered(1);
  const told = { execution: ids[0] ?? "", score: 1 };
  await assert.rejects(client.tellOutcomes([]), refused("bad_input", /outcomes/));
  await assert.rejects(
    client.tellOutcomes(Array.from({ length: 1_001 }, () => told)),
    refused("bad_input", /outcomes.*1000/),
  );
  assert.equal((await client.execution(told.execution)).score, null);
  const { length } = JSON.stringify(told);
  const tooLarge = `{"outcomes": [${`${JSON.stringify({ ...told, note: " ".repeat(9_000_000 - length) })}`}]}`;
  assert.equal((await post(tooLarge)).status, 413);
});

test("an outcome of what went on under another execution is that one's", async () => {
  const { artifact } = await answered(0);
  const { execution } = await client.beginExecution({ artifact, key: "goes on" });
  await client.deployRelease(production, artifact, { version: "2" });
  const { execution: next } = await client.stepExecution(execution.id);
  const told = [execution.id, next.id].map((id) => ({ execution: id, score: 1 }));
  assert.deepEqual(counts(await client.tellOutcomes(told)), [1, 0, 1, 0]);
  assert.equal((await client.execution(execution.id)).score, null);
  assert.equal((await client.execution(next.id)).outcomes.length, 1);
});

test("two batches of the same thousand, in other orders, are each told whole, and all of it once", async () => {
  const { artifact } = await answered(0);
  await db`
    insert into executions (id, environment, artifact, key, target, version, epoch, state, door, begun_at, ended_at, expires_at, expire_ms)
    select 'exe_' || md5(n::text), 'production', ${artifact}, n, n, '1', 1, 'finished', 'http',
      now(), now(), now(), 1 from generate_series(1, 1000) n`;
  const rows = await db<{ id: string }[]>`
    select id from executions where artifact = ${artifact} order by random()`;
  const told = rows.map(({ id }, n) => ({ execution: id, score: (n % 2) as 0 | 1 }));
  const both = await Promise.all([
    client.tellOutcomes(told),
    client.tellOutcomes(told.toReversed()),
  ]);
  const taken = both.reduce((sum, each) => sum + each.taken, 0);
  const known = both.reduce((sum, each) => sum + each.known, 0);
  assert.deepEqual([taken, known], [1_000, 1_000]);
  const [written] = await db<{ n: number }[]>`
    select count(*)::int as n from execution_outcomes o join executions e on e.id = o.execution
    where e.artifact = ${artifact}`;
  assert.equal(written?.n, 1_000);
});
