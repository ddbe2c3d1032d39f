import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client, Sample } from "@lastgood/sdk";
import { startServer } from "../support/server.ts";
import { until } from "../support/until.ts";
import { chance, seed } from "./chance.ts";

const config = {
  mode: "watch",
  rollouts: {
    router: {
      ...{ ramp: [50, 100], hold: "1h", automatic: "watch" },
      guardrails: [{ signal: "quality", dimensions: ["language"] }],
    },
  },
};

/** `router`, whose v13 serves everybody and v14 is on its way. */
async function startRouter() {
  const gate = {
    judge: async () => ({ kind: "promote", because: "as told", scores: [], failed: [] }) as const,
  };
  const server = await startServer(config, { gate });
  const { client } = server;
  await client.declareArtifact("router", { kind: "model", inFlight: "switch" });
  for (const version of ["v13", "v14"]) {
    await client.publishRelease("router", { version, content: { model: version } });
  }
  await client.deployRelease("production", "router", { version: "v13", because: "the first" });
  return server;
}

const random = chance(seed);
let executions = 0;

/** Scores of these versions by turns, five a second until now: `good` is the chance of a right answer. */
function scores(n: number, good: Readonly<Record<string, number>>, more: Partial<Sample> = {}) {
  const versions = Object.entries(good);
  return Array.from({ length: n }, (_, index): Sample => {
    const [version, p] = versions[index % versions.length] ?? ["v13", 1];
    executions += 1;
    return {
      ...{ service: "router", signal: "quality", value: random() < p ? 1 : 0 },
      at: new Date(Date.now() - (n - index) * 200).toISOString(),
      ...{ release: `router:${version}`, key: `e${executions}`, ...more },
    };
  });
}

function judged(client: Client, kind: string) {
  return until(`the judgement ${kind}`, async () => {
    const { judgement } = await client.judgement("production", "router");
    return judgement?.verdict === kind ? judgement : null;
  });
}

test("labelled samples judge a rollout's candidate against what serves beside it, and all of it is shown", async () => {
  await using server = await startRouter();
  const { client } = server;
  const agent = await server.clientAs("agent", "helpdesk");
  await agent.sendSamples(scores(600, { v13: 0.95 }));
  await client.startRollout("production", "router", { version: "v14", because: "fewer tokens" });
  const waiting = await judged(client, "insufficient");
  assert.equal(waiting.candidate, "v14");
  assert.equal(waiting.control, "v13");
  const [line] = waiting.lines;
  assert.match(
    line?.floorFrom ?? "",
    /^measured: mean .* of the last 600 samples of v13, less its margin/,
  );

  const taken = await agent.sendSamples(scores(400, { v13: 0.95, v14: 0.7 }));
  assert.deepEqual(
    [taken.accepted, taken.unjudged, taken.unknownRelease],
    [400, 0, 0],
    "judged by the rollout alone",
  );
  const worse = await judged(client, "regression");
  assert.match(worse.says, /^quality of router:v14 is worse since /, `seed ${seed}`);
  assert.ok(worse.failing.length >= 3);

  const details = await until("the record", async () => {
    const found = await client.judgement("production", "router");
    const isWhole = [found.verdicts, found.trajectory].every((each) =>
      each.some(({ verdict }) => verdict === "regression"),
    );
    return isWhole ? found : null;
  });
  assert.deepEqual(
    details.floors.map(({ version, signal, dimension }) => [version, signal, dimension]),
    [["v14", "quality", null]],
  );
  assert.ok(
    details.trajectory.some(({ evidence, verdict }) => verdict === "regression" && evidence >= 100),
  );
  const { judgements } = await client.judgements();
  assert.deepEqual(
    judgements.map(({ artifact, verdict }) => [artifact, verdict]),
    [["router", "regression"]],
  );
});

test("a label that nobody knows is told, counted, kept out of judging, and never guessed", async () => {
  await using server = await startRouter();
  const { client } = server;
  await client.startRollout("production", "router", { version: "v14", because: "fewer tokens" });
  await judged(client, "insufficient");
  const unknown = scores(30, { v15: 0 });
  const taken = await client.sendSamples([
    ...unknown,
    ...scores(2, { v14: 0 }, { environment: "produktion" }),
    ...scores(40, { v13: 1, v14: 1 }),
  ]);
  assert.equal(taken.accepted, 72);
  assert.equal(taken.unknownRelease, 32);
  assert.deepEqual(taken.unknownReleases, ["router:v15 in production", "router:v14 in produktion"]);
  const { judgement } = await client.judgement("production", "router");
  assert.equal(judgement?.verdict, "well");
  assert.equal(judgement.lines[0]?.samples, 20);
  const { counts } = await client.signals();
  assert.equal(counts.unknownRelease, 32);
  await client.publishRelease("router", { version: "v15", content: { model: "v15" } });
  const later = await client.sendSamples(unknown.slice(0, 1));
  assert.deepEqual(
    [later.unknownRelease, later.unjudged],
    [0, 1],
    "it is known now, and not watched",
  );
});
