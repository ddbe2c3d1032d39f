import assert from "node:assert/strict";
import { test } from "node:test";
import { type Client, createClient, type ReverseDrill } from "@lastgood/sdk";
import type { TestServer } from "../support/server.ts";
import { until } from "../support/until.ts";
import { startKillable } from "./replica.ts";
import {
  type HandJudge,
  passHold,
  pinned,
  production,
  publishRouter,
  reaches,
  start,
  startRouter,
} from "./world.ts";

/** Starts what its content names, unless that is `broken`. */
const starts = ["sh", "-c", 'echo "$ARTIFACT:$VERSION"; ! grep -q broken "$RELEASE_FILE"'];
const probe = { start: starts, health: ["true"], smoke: [["sh", "-c", 'test -s "$RELEASE_FILE"']] };

async function drilled(
  { client }: Pick<TestServer, "client">,
  holdMs = 100,
): Promise<ReverseDrill> {
  const { rollout } = await client.startReverseDrill(production, "router", { holdMs });
  return await ended(client, rollout);
}

async function ended(client: Client, rollout: string): Promise<ReverseDrill> {
  return await until("the drill to end", async () => {
    const drill = await client.reverseDrill(rollout);
    return drill.ended ? drill : null;
  });
}

/** v14 is live; what it goes back to is v13. */
async function goLive({
  client,
  judge,
}: Pick<TestServer, "client"> & { readonly judge: HandJudge }): Promise<string> {
  const { id } = await start(client);
  await reaches(client, id, "canary", 50);
  judge.say("well");
  await reaches(client, id, "live");
  return id;
}

/** Somebody who follows the pin. */
async function followed(server: TestServer, id = "one") {
  const fleet = createClient({ url: server.lastgood.url, token: await server.tokenAs("viewer") });
  return await fleet.releases({
    environment: production,
    artifacts: ["router"],
    patienceMs: 60_000,
    id,
  });
}

const signals = ({ proofs }: ReverseDrill) => proofs[3] ?? assert.fail("nothing of signals");

test("a drill moves shares of the live fleet there and back, and passes only with its proofs", async () => {
  await using server = await startRouter({ probe, ramp: [50, 100] });
  const { client } = server;
  const id = await goLive(server);

  const alone = await drilled(server);
  assert.equal(alone.ok, false);
  assert.deepEqual(
    alone.proofs.map(({ holds }) => holds),
    [true, false, false, true],
    JSON.stringify(alone.proofs),
  );
  assert.match(alone.proofs[2]?.seen ?? "", /nobody says that they follow the pin/);

  await using first = await followed(server, "one");
  await using second = await followed(server, "two");
  const seen = new Set<string>();
  const listen = first.onChange(() => {
    seen.add([first.resolve("router", "user-1").version, first.epoch].join(" at "));
  });
  const drill = await drilled(server);
  listen();
  assert.equal(drill.ok, true, JSON.stringify(drill.proofs));
  assert.match(
    drill.proofs[1]?.seen ?? "",
    /v14:90 v13:10 at epoch \d+, v14 at epoch \d+, acknowledged by 2/,
  );
  assert.equal(seen.size, 2, "the consumer saw both moves");
  assert.equal(await pinned(client), "v14:100");
  assert.deepEqual((await client.release("router", "v13")).barred, null);
  assert.equal((await reaches(client, id, "live")).percent, 100);
  assert.equal(second.resolve("router", "user-1").version, "v14");

  const agent = await server.clientAs("agent", "answerer");
  await agent.pollPins(production, "frozen", { epoch: 1, artifacts: ["router"] });
  const lame = await drilled(server);
  assert.equal(lame.ok, false);
  assert.match(lame.proofs[2]?.seen ?? "", /not by answerer\/frozen/);
});

const settings = { probe, ramp: [50, 100], automatic: "watch" };
/** Longer than any test: `passHold` ends it. */
const holdMs = 600_000;

test("a drill fails under drift: what suffers on both sides did not hold", async () => {
  await using server = await startRouter(settings);
  await goLive(server);
  await using _consumer = await followed(server);
  server.judge.say("drift", { controlIsWell: false });
  const drill = await drilled(server, 300);
  assert.equal(drill.ok, false);
  assert.equal(signals(drill).holds, false, JSON.stringify(drill.proofs));
  assert.match(signals(drill).seen, /^drift/);
});

for (const kind of ["regression", "drift"] as const) {
  test(`a ${kind} in mid-drill is held against it, though all was well again when it turned round`, async () => {
    await using server = await startRouter(settings);
    const { client, judge } = server;
    await goLive(server);
    await using _consumer = await followed(server);
    // It turns round at once when anything is worse.
    const { rollout } = await client.startReverseDrill(production, "router", { holdMs });
    await reaches(client, rollout, "canary", 10);
    judge.say(kind);
    await until("it to be written down", async () => {
      const { events } = await client.rollout(rollout);
      return events.some(({ event }) => event === "drill.worsened");
    });
    judge.say("well");
    const drill = await ended(client, rollout);
    assert.equal(drill.ok, false);
    assert.equal(signals(drill).holds, false);
    assert.match(signals(drill).seen, new RegExp(kind));
  });
}

test("a drill of which too little was seen proves nothing of signals, and says so", async () => {
  await using server = await startRouter(settings);
  await goLive(server);
  await using _consumer = await followed(server);
  server.judge.say("insufficient", { says: "3 samples of v13, of 20 that it takes" });
  const drill = await drilled(server);
  assert.equal(drill.ok, false);
  assert.match(
    signals(drill).seen,
    /too little was seen .*3 samples of v13, of 20 that it takes.*--hold.*--percent/,
  );
});

/** What the house itself says of a service that uses the router: three that fail in a row are one too many. */
const judged = {
  services: { answers: { uses: ["router"] } },
  rules: { answering: { service: "answers", signal: "answer", detector: "hard", inARow: 1 } },
};

async function answers(client: Client, ok: boolean): Promise<void> {
  const at = new Date().toISOString();
  await client.sendSamples([{ service: "answers", signal: "answer", ok, at }]);
  await until(`the rule to say that it is ${ok}`, async () => {
    const { verdict } = (await client.rule("answering")).rule;
    return ok ? verdict === "hold" : verdict === "regression" || verdict === "drift";
  });
}

test("a rule that holds proves nothing of a drill in which it heard no sample", async () => {
  await using server = await startRouter({ ...settings, guardrails: [] }, judged);
  const { client } = server;
  await client.deployRelease(production, "router", { version: "v14" });
  await using _consumer = await followed(server);
  await answers(client, true);
  const silent = await drilled(server);
  assert.equal(signals(silent).holds, false);
  assert.match(signals(silent).seen, /answering heard no sample meanwhile/);

  const { rollout } = await client.startReverseDrill(production, "router", { holdMs });
  await reaches(client, rollout, "canary", 10);
  await answers(client, true);
  await until("it to be followed", async () => {
    const { consumers } = await client.pin(production, "router");
    return consumers.acknowledged === 1 && consumers.stragglers === 0;
  });
  await passHold(server.lastgood.db, rollout);
  const drill = await ended(client, rollout);
  assert.equal(drill.ok, true, JSON.stringify(drill.proofs));
  assert.match(signals(drill).seen, /answering holds/);
});

test("a rule that went bad in mid-drill fails it, though it recovered and the server was killed since", async () => {
  await using world = await startKillable(`
mode: watch
gate: {}
services: { answers: { uses: [router] } }
rules: { answering: { service: answers, signal: answer, detector: hard, inARow: 1 } }
rollouts: { router: { probe: { start: ["true"], health: ["true"] } } }
`);
  const { server, client, db } = world;
  await server.start();
  await publishRouter(client);
  await client.deployRelease(production, "router", { version: "v14" });
  await answers(client, true);
  const { rollout } = await client.startReverseDrill(production, "router", { holdMs });
  await reaches(client, rollout, "canary", 10);
  await answers(client, false);
  await until("it to be written down", async () => {
    const { events } = await client.rollout(rollout);
    return events.some(({ event }) => event === "drill.worsened");
  });
  await server.kill();
  await server.start();
  await answers(client, true);
  await passHold(db, rollout);
  const drill = await ended(client, rollout);
  assert.equal(drill.ok, false);
  assert.equal(signals(drill).holds, false);
  assert.match(signals(drill).seen, /answering says (drift|regression) \(at \d{4}-.*\)/);
});

test("that the release before is well holds only where something asked it: that it starts is not enough", async () => {
  const says = async (probe: object) => {
    await using server = await startRouter({ probe, guardrails: [] });
    await server.client.deployRelease(production, "router", { version: "v14" });
    const { proofs } = await drilled(server);
    return proofs[0] ?? assert.fail("nothing of the release before");
  };
  const [nothing, started, healthy, smoked] = await Promise.all([
    says({}),
    says({ start: ["true"] }),
    says({ start: ["true"], health: ["true"] }),
    // What no process runs, such as a prompt, is asked by a smoke check alone.
    says({ smoke: [["sh", "-c", 'grep -q v13 "$RELEASE_FILE"']] }),
  ]);
  assert.deepEqual(
    [nothing, started, healthy, smoked].map(({ holds }) => holds),
    [false, false, true, true],
  );
  assert.match(
    nothing.seen,
    /only its digest was compared: set rollouts\.router\.probe\.start, and .*health or .*smoke/,
  );
  assert.match(
    started.seen,
    /it starts; whether it is well was not asked: set rollouts\.router\.probe\.health or .*smoke/,
  );
  assert.match(healthy.seen, /starts in \d+ ms, health in \d+ ms/);
  assert.match(smoked.seen, /smoke in \d+ ms/);
});
