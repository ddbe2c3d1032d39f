import assert from "node:assert/strict";
import { test } from "node:test";
import { exposeChanges, recordChanges } from "../../src/ledger/ledger-store.ts";
import { newChangeId, realWorld } from "../../src/world.ts";
import { startServer } from "../support/server.ts";

const config = {
  repositories: { api: { url: "./api.git" }, site: { url: "./site.git" } },
  services: {
    "content-api": { repository: "api" },
    website: { repository: "site", dependsOn: ["content-api"] },
  },
};

test("changes are found by agent, layer, time and by the service that they could reach", async () => {
  await using server = await startServer(config);
  const { db } = server.lastgood;
  const common = { at: new Date(), layer: "code", kind: "commit", reason: "because" } as const;
  const inApi = { ...common, id: newChangeId(realWorld), target: "api", agent: "backend" };
  const inSite = {
    ...common,
    at: new Date(common.at.getTime() + 1),
    id: newChangeId(realWorld),
    target: "site",
    agent: "frontend",
  };
  await recordChanges(db, [inApi, inSite]);
  await exposeChanges(db, [inApi.id], "content-api", new Date(), null);

  const ids = async (query: Parameters<typeof server.client.changes>[0]) =>
    (await server.client.changes(query)).changes.map((change) => change.id);
  assert.deepEqual(await ids({ since: "2h" }), [inSite.id, inApi.id]);
  assert.deepEqual(await ids({ agent: "backend", layer: "code" }), [inApi.id]);
  assert.deepEqual(await ids({ reaching: "content-api" }), [inApi.id]);
  assert.deepEqual(await ids({ reaching: "website" }), [inSite.id, inApi.id]);
  assert.equal((await server.client.change(inApi.id)).exposures[0]?.service, "content-api");
});

test("a bad question is answered with where it is wrong and what to do", async () => {
  await using server = await startServer(config);
  await assert.rejects(server.client.changes({ since: "yesterday" }), {
    code: "bad_input",
    message: /2h/,
  });
  await assert.rejects(server.client.changes({ reaching: "nothing" }), { code: "not_found" });
});
