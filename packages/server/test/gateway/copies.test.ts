/**
 * A release that serves everybody and gets worse, judged by copies of its requests: the real gateway, the real judge,
 * and a model endpoint on loopback. Nothing serves beside it that it could be compared with.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startServer } from "../support/server.ts";
import { until } from "../support/until.ts";
import { type ModelAnswer, startFakeModel } from "./fake-model.ts";
import { ask, openaiFor, publishModel } from "./world.ts";

const production = "production";
const [prior, live] = ["small-13", "small-14"] as const;
const atOnce = 20;
const tools = [{ type: "function" as const, function: { name: "refund", parameters: {} } }];

/** How a model answers a ticket; each belongs to billing. */
type Answers = (model: string, ticket: number) => ModelAnswer;
const right: Answers = () => ({ text: "billing" });
const third = (ticket: number) => ({ text: ticket % 3 === 0 ? "sales" : "billing" });
const onlyLiveIsWrong: Answers = (model, ticket) => (model === live ? third(ticket) : right("", 0));
const bothAreWrong: Answers = (_model, ticket) => third(ticket);

/** `router:14` serves everybody, without a holdback, and `router:13` did before it. */
async function startWorld() {
  let answers = right;
  const model = await startFakeModel(({ body }) =>
    answers(body.model, Number(body.messages.at(-1)?.content)),
  );
  const guardrails = [{ signal: "quality", objective: 0.9, sustain: "200ms" }];
  const server = await startServer(
    {
      mode: "auto",
      agents: { triager: {} },
      gateway: { port: 0, endpoints: { local: { url: `${model.url}/v1`, api: "openai" } } },
      rollouts: {
        router: {
          ...{ ramp: [50, 100], hold: "0ms", holdback: 0, bake: "1h", guardrails },
          ...{ reverse: [100], reverseHold: "0ms" },
        },
      },
    },
    {
      gate: {
        judge: async () => ({ kind: "promote", because: "it is open", scores: [], failed: [] }),
      },
    },
  );
  const { client } = server;
  await publishModel(client, "router", "13", { model: prior });
  await publishModel(client, "router", "14", { model: live });
  await client.deployRelease(production, "router", { version: "13", inFlight: "finish-old" });
  const openai = await openaiFor({ ...server, gateway: server.lastgood.gatewayUrl ?? "" });
  let tickets = 0;

  /** One ticket, as any agent asks it: its execution. */
  async function send(): Promise<string> {
    tickets += 1;
    const { response } = await openai.chat.completions
      .create({ model: "router", messages: ask(String(tickets)), tools, stream: false })
      .withResponse();
    return response.headers.get("x-lastgood-execution") ?? "";
  }

  /** Twenty tickets at once, and what turned out of them, as soon as they are in the books. */
  async function round(): Promise<readonly string[]> {
    const sent = await Promise.all(Array.from({ length: atOnce }, send));
    let untold = sent.map((execution) => ({ execution, expected: "billing" }));
    await until("the outcomes to be taken", async () => {
      const { refused } = await client.tellOutcomes(untold);
      untold = refused.flatMap(({ index }) => untold[index] ?? []);
      return untold.length === 0;
    });
    return sent;
  }

  const { id } = await client.startRollout(production, "router", { version: "14" });
  await until("14 to serve everybody", async () => {
    await round();
    const { phase, says, waits } = await client.rollout(id);
    if (phase !== "live") throw new Error(JSON.stringify({ phase, says, waits }));
    return true;
  }).catch(async (error: unknown) => {
    await server[Symbol.asyncDispose]();
    await model[Symbol.asyncDispose]();
    throw error;
  });
  return {
    ...{ model, server, client, round, rollout: id },
    answer(next: Answers) {
      answers = next;
    },
    mirror: async () => (await client.mirrors(production)).mirrors[0],
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await model[Symbol.asyncDispose]();
    },
  };
}

test("a release at 100 % that gets worse is convicted by copies without tools that nobody waits for, and goes back", async () => {
  await using world = await startWorld();
  const { client, model, round } = world;
  assert.equal(await world.mirror(), undefined, "nothing is copied while all is well");
  assert.equal(model.requests.filter(({ body }) => body.model === prior).length > 0, true);
  const before = model.requests.length;

  let go = () => {};
  const held = new Promise<void>((resolve) => {
    go = resolve;
  });
  world.answer((name, ticket) => ({
    ...onlyLiveIsWrong(name, ticket),
    ...(name === prior ? { holds: held } : {}),
  }));
  const mirror = await until("the judge to ask 13", async () => {
    await round();
    return await world.mirror();
  });
  assert.deepEqual([mirror.version, mirror.by], ["13", "signals"]);

  // C2. Every copy is held by its model: live requests are answered, and beyond sixteen none is copied.
  const waited = await round();
  const copies = () => model.requests.slice(before).filter(({ body }) => body.model === prior);
  await until("sixteen copies to be asked", () => copies().length >= 16);
  const none = await client.executions({ artifact: "router", version: "13", state: "finished" });
  assert.ok(none.executions.every(({ door }) => door !== "mirror"));
  assert.notEqual((await client.judgement(production, "router")).judgement?.verdict, "regression");
  assert.equal(copies().length, 16);
  go();

  // What turned out before the copies were answered judges them as well.
  const judged = await until("the copies to be judged", async () => {
    const { executions } = await client.executions({ artifact: "router", version: "13" });
    const scored = executions.filter(({ door, score }) => door === "mirror" && score !== null);
    return scored.length >= 16 && scored;
  });
  assert.ok(judged.every(({ score }) => score === 1));

  // Those that found no place are copied when it is known how they turned out.
  await until("each of the last twenty to be copied", async () => {
    const { executions } = await client.executions({ artifact: "router", version: "13" });
    const copied = new Set(executions.map(({ mirrorOf }) => mirrorOf));
    return waited.every((id) => copied.has(id));
  });

  const back = await until("14 to go back", async () => {
    await round();
    const now = await client.rollout(world.rollout);
    return now.phase === "rolled-back" && now;
  });
  const frozen = back.events.find(({ event }) => event === "rollout.frozen") ?? assert.fail();
  const { verdict } = frozen.details as { verdict: Readonly<Record<string, unknown>> };
  assert.deepEqual(
    [verdict.kind, verdict.signal, verdict.method, verdict.control],
    ["regression", "quality", "paired", "13"],
  );
  const { shares } = await client.pin(production, "router");
  assert.deepEqual(
    shares.map(({ version, share }) => [version, share]),
    [["13", 100]],
  );
  await until("the copies to end", async () => (await world.mirror()) === undefined);

  // C1. Live requests brought their tools, no copy did.
  const ofCopies = new Set(copies().slice(0, 16));
  assert.ok([...ofCopies].every(({ body }) => body.tools === undefined));
  assert.ok(
    model.requests.filter(({ body }) => body.model === live).every(({ body }) => body.tools),
  );
});

test("one that falls as its copies do is not to blame: nothing moves", async () => {
  await using world = await startWorld();
  world.answer(bothAreWrong);
  const drift = await until("the judge to tell them apart", async () => {
    await world.round();
    const { judgement } = await world.client.judgement(production, "router");
    return judgement !== null && ["drift", "regression"].includes(judgement.verdict) && judgement;
  });
  assert.deepEqual([drift.verdict, drift.controlIsWell], ["drift", false], drift.says);
  assert.equal((await world.client.rollout(world.rollout)).phase, "live");
});
