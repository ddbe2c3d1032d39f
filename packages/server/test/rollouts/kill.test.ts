import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createToken } from "../../src/http/tokens.ts";
import { realWorld } from "../../src/world.ts";
import { startDatabase } from "../support/database.ts";
import { makeReplica } from "./replica.ts";
import { pinned, production, reaches, start } from "./world.ts";

const config = `
mode: auto
gate: {}
rollouts:
  router: { ramp: [1, 10, 50, 100], hold: 300ms, reverse: [10, 60, 100], reverseHold: 300ms }
`;

/** Over one database, with a token of its own. */
async function startKillable() {
  const folder = await mkdtemp(join(tmpdir(), "lastgood-killed-"));
  const store = await startDatabase();
  const file = join(folder, "lastgood.yaml");
  await writeFile(file, config);
  const token = await createToken(store.db, realWorld, {
    ...{ role: "admin", name: "admin", agent: null, expiresAt: null },
  });
  const server = await makeReplica(join(folder, "home"), file, store.url, () => token);
  return {
    ...{ server, client: server.client, db: store.db },
    async [Symbol.asyncDispose]() {
      await server.kill("SIGTERM");
      await store[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

test("killed with -9 in mid-ramp, forward and back, it goes on where it was, and no dial is half moved", async () => {
  await using world = await startKillable();
  const { server, client, db } = world;
  await server.start();
  await client.declareArtifact("router", { kind: "model", inFlight: "switch" });
  for (const version of ["v13", "v14"]) {
    await client.publishRelease("router", { version, content: { model: version } });
  }
  await client.deployRelease(production, "router", { version: "v13" });
  const { id } = await start(client);
  await reaches(client, id, "canary", 10);
  await server.kill();
  assert.deepEqual(await standing(db, id), { phase: "canary", agrees: true });
  await server.start();
  await reaches(client, id, "live");
  assert.equal(await pinned(client), "v14:100");

  await client.backRollout(id, { because: "wrong language" });
  await reaches(client, id, "rolling-back", 90);
  await server.kill();
  assert.deepEqual(await standing(db, id), { phase: "rolling-back", agrees: true });
  await server.start();
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
