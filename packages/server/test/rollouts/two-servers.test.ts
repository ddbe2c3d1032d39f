import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Sample } from "@lastgood/sdk";
import { until } from "../support/until.ts";
import type { Replica } from "./replica.ts";
import { type Servers, startTwoServers } from "./two-servers.ts";
import { pinned, production, publishRouter, reaches } from "./world.ts";

const config = `
mode: auto
gate: {}
rollouts:
  router:
    { ramp: [50, 100], hold: 1h, reverse: [100], reverseHold: 0ms,
      guardrails: [{ signal: quality }] }
`;

let servers: Servers;
let rollout = "";
let sent = 0;
/** Time goes on with the samples, and never back. */
let clock = Date.now();
before(async () => {
  servers = await startTwoServers(config);
});
after(() => servers[Symbol.asyncDispose]());

/** Scores of both releases by turns, forty a second: each nth of v14 is wrong. */
function scores(n: number, wrong = 0): readonly Sample[] {
  return Array.from({ length: n }, (_, index) => {
    sent += 1;
    clock += 25;
    const version = index % 2 === 0 ? "v13" : "v14";
    const isWrong = wrong > 0 && version === "v14" && Math.floor(index / 2) % wrong === 0;
    return {
      ...{ service: "router", signal: "quality", value: isWrong ? 0 : 1, key: `e${sent}` },
      at: new Date(clock).toISOString(),
      release: `router:${version}`,
    };
  });
}

/** Twenty to one server, twenty to the other. */
async function sendByTurns(samples: readonly Sample[]): Promise<void> {
  for (let from = 0; from < samples.length; from += 20) {
    const { client } = servers.replicas[(from / 20) % 2 === 0 ? 0 : 1];
    const taken = await client.sendSamples(samples.slice(from, from + 20));
    assert.deepEqual([taken.unjudged, taken.unknownRelease], [0, 0]);
  }
}

/** How many of the candidate's and the control's samples a server says that were judged. */
async function counted({ client }: Replica): Promise<number> {
  const { judgement } = await client.judgement(production, "router");
  const [line] = judgement?.lines ?? [];
  return (line?.samples ?? 0) + (line?.controlSamples ?? 0);
}

/** Who judges, and who does not. */
async function shift(): Promise<{ judging: Replica; other: Replica }> {
  const { holder } = await until("one of them to hold the office", async () => {
    const [row] = await servers.db<{ holder: string }[]>`
      select holder from leases where name = 'release-judge' and expires_at > now()`;
    return row;
  });
  const [one, two] = servers.replicas;
  const isOne = holder.split(":")[1] === String(one.pid());
  return isOne ? { judging: one, other: two } : { judging: two, other: one };
}

test("of two servers one judges, by all samples, whichever server they come to; the other shows it", async () => {
  const { client } = servers.replicas[0];
  await publishRouter(client);
  const started = await servers.replicas[1].client.startRollout(production, "router", {
    ...{ version: "v14", because: "fewer tokens" },
  });
  rollout = started.id;
  await reaches(client, rollout, "canary", 50);
  for (const replica of servers.replicas) {
    await until("it to be watched, and shown", async () => {
      const { judgement } = await replica.client.judgement(production, "router");
      return judgement?.candidate === "v14";
    });
  }
  await sendByTurns(scores(80));
  for (const replica of servers.replicas) {
    await until("all samples to count", async () => (await counted(replica)) === 80);
  }
});

test("when the one that judges is killed the other goes on from what was stored: not from zero, and nothing twice", async () => {
  const { judging, other } = await shift();
  // Handed over, and judged in memory; killed before or after it is stored, it counts once.
  await other.client.sendSamples(scores(20));
  await until("the judge to have taken them", async () => (await counted(judging)) === 100);
  await judging.kill();
  await other.client.sendSamples(scores(20));
  await until("the other to judge", async () => (await shift()).judging === other);
  await until("nothing to be lost", async () => (await counted(other)) === 120);
  assert.equal((await other.client.rollout(rollout)).percent, 50);
  await judging.start();
});

test("when PostgreSQL goes away nothing that was taken in is lost, nothing is concluded, and judging goes on afterwards", async () => {
  await sendByTurns(scores(80));
  await servers.postgres.stop();
  await assert.rejects(servers.replicas[0].client.sendSamples(scores(20)));
  await servers.postgres.start();
  for (const replica of servers.replicas) {
    await until("nothing to be lost", async () => (await counted(replica)) === 200);
  }
  const { phase, percent } = await servers.replicas[0].client.rollout(rollout);
  assert.deepEqual([phase, percent], ["canary", 50]);
  assert.deepEqual((await servers.replicas[0].client.incidents()).incidents, []);
});

test("a candidate that is worse is one regression, one incident and one rollback", async () => {
  await sendByTurns(scores(240, 2));
  const [{ client }] = servers.replicas;
  await reaches(client, rollout, "rolled-back");
  assert.equal(await pinned(client), "v13:100");
  const { incidents } = await client.incidents();
  assert.equal(incidents.length, 1);
  const { changes } = await client.changes({ layer: "versions", target: "router" });
  const moves = changes.filter(({ kind }) => kind !== "publish").map(({ to }) => to);
  assert.deepEqual(moves, ["v13", "v13:50 v14:50", "v13"]);
  const told = await until("it to be on record", async () => {
    const { verdicts } = await client.judgement(production, "router");
    const regressions = verdicts.filter(({ verdict }) => verdict === "regression");
    return regressions.length > 0 && regressions;
  });
  assert.equal(told.length, 1);
});
