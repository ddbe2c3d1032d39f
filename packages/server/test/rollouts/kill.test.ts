import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client, Sample } from "@lastgood/sdk";
import type { startDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";
import { startKillable } from "./replica.ts";
import { passHold, pinned, production, publishRouter, reaches, start } from "./world.ts";

const ramping = `
mode: auto
gate: {}
rollouts:
  router: { ramp: [1, 10, 50, 100], hold: 1h, reverse: [10, 60, 100], reverseHold: 1h }
`;

const judging = `
mode: auto
gate: {}
rollouts:
  router:
    { ramp: [50, 100], hold: 1h, reverse: [100], reverseHold: 0ms,
      guardrails: [{ signal: quality }] }
`;

test("killed with -9 in mid-ramp, forward and back, it goes on where it was, and no dial is half moved", async () => {
  await using world = await startKillable(ramping);
  const { server, client, db } = world;
  await server.start();
  await publishRouter(client);
  const { id } = await start(client);
  await reaches(client, id, "canary", 1);
  await passHold(db, id);
  await reaches(client, id, "canary", 10);
  await server.kill();
  assert.deepEqual(await standing(db, id), { phase: "canary", agrees: true });
  await passHold(db, id);
  await server.start();
  await reaches(client, id, "canary", 50);
  await passHold(db, id);
  await reaches(client, id, "live");
  assert.equal(await pinned(client), "v14:100");

  await client.backRollout(id, { because: "wrong language" });
  await reaches(client, id, "rolling-back", 90);
  await server.kill();
  assert.deepEqual(await standing(db, id), { phase: "rolling-back", agrees: true });
  await passHold(db, id);
  await server.start();
  await reaches(client, id, "rolling-back", 40);
  await passHold(db, id);
  const back = await reaches(client, id, "rolled-back");
  assert.equal(back.says, "back on v13: wrong language");
  assert.equal(await pinned(client), "v13:100");
  const { changes } = await client.changes({ layer: "versions", target: "router" });
  assert.deepEqual(
    changes.filter(({ kind }) => kind !== "publish").map(({ to }) => to),
    [
      "v13",
      "v14:40 v13:60",
      "v14:90 v13:10",
      "v14",
      "v13:50 v14:50",
      "v13:90 v14:10",
      "v13:99 v14:1",
      "v13",
    ],
    "each step once",
  );
});

test("killed with -9 in mid-trial, its judge goes on from what it has seen, and convicts what is worse", async () => {
  await using world = await startKillable(judging);
  const { server, client, db } = world;
  await server.start();
  await publishRouter(client);
  const { id } = await start(client);
  await reaches(client, id, "canary", 50);
  const scores = scoresByTurns(Date.now());
  await client.sendSamples(scores(60, "well"));
  await until("all to count", async () => (await counted(client)) === 60);
  const since = new Date();
  await until("what it has seen to be stored", async () => {
    const [row] = await db`select from release_trials where updated_at > ${since}`;
    return row !== undefined;
  });
  await server.kill();
  await server.start();
  await until("it to go on", async () => (await counted(client)) === 60);
  assert.equal((await client.rollout(id)).phase, "canary");
  await client.sendSamples(scores(120, "worse"));
  await reaches(client, id, "rolled-back");
  assert.equal(await pinned(client), "v13:100");
});

/** Of both releases by turns, forty a second; where v14 is worse, every second one of it is wrong. */
function scoresByTurns(from: number) {
  let sent = 0;
  return (count: number, candidate: "well" | "worse"): readonly Sample[] =>
    Array.from({ length: count }, () => {
      sent += 1;
      const version = sent % 2 === 0 ? "v13" : "v14";
      return {
        ...{ service: "router", signal: "quality", key: `e${sent}`, release: `router:${version}` },
        ...{
          value: candidate === "worse" && sent % 4 === 1 ? 0 : 1,
          at: new Date(from + sent * 25).toISOString(),
        },
      };
    });
}

async function counted(client: Client): Promise<number> {
  const { judgement } = await client.judgement(production, "router");
  const [line] = judgement?.lines ?? [];
  return (line?.samples ?? 0) + (line?.controlSamples ?? 0);
}

/** What the database says while no server runs: the phase, and whether rollout and pin are of one mind. */
async function standing(db: Awaited<ReturnType<typeof startDatabase>>["db"], id: string) {
  const [row] = await db<{ phase: string; agrees: boolean }[]>`
    select r.phase, (r.state -> 'stand' ->> 'epoch')::bigint = p.epoch
      and (case when r.phase = 'canary' then (r.state ->> 'percent')::int
                else 100 - (r.state ->> 'percent')::int end) = s.share as agrees
    from rollouts r
    join lateral (select * from pins where environment = r.environment and artifact = r.artifact
                  order by epoch desc limit 1) p on true
    join pin_shares s on s.environment = p.environment and s.epoch = p.epoch
      and s.version = r.candidate
    where r.id = ${id}`;
  return row;
}
