import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import type { NewChange } from "../../src/ledger/change.ts";
import { exposeChanges, recordChanges } from "../../src/ledger/ledger-store.ts";
import { newChangeId, realWorld } from "../../src/world.ts";
import { startServer, type TestServer } from "../support/server.ts";

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

test("what could reach a service takes in the documents it reads, and the agents it depends on", async () => {
  await using server = await startServer({
    agents: {
      librarian: { roles: ["archive"] },
      stranger: {},
    },
    services: {
      website: { dependsOn: ["policies-api", "librarian"] },
      "policies-api": { reads: ["policies/*", "rules/{eu,us}-*"] },
    },
    messages: { consumers: { "library-desk": { agent: "librarian" } } },
  });
  const { client } = server;
  const put = (collection: string, id: string) =>
    client.putDocument(collection, id, { body: { text: id } });
  await put("policies", "refunds");
  await put("policies-of-old", "refunds");
  await put("rules", "eu-returns");
  await put("rules", "cn-returns");
  await put("notes", "of-nobody");
  const { db } = server.lastgood;
  const altered = async (layer: "messages" | "effects" | "fleet", target: string) => {
    const id = newChangeId(realWorld);
    const change = { id, at: new Date(), layer, kind: "altered", target, agent: "token:ann" };
    await recordChanges(db, [change]);
  };
  await altered("fleet", "librarian");
  await altered("effects", "librarian");
  await altered("messages", "librarian-durable-v1");
  await altered("messages", "archive-shared-v1");
  await altered("messages", "library-desk");
  await altered("messages", "stranger-durable-v1");
  await altered("fleet", "stranger");

  const targets = async (query: Parameters<typeof client.changes>[0]) =>
    (await client.changes(query)).changes.map(({ layer, target }) => `${layer} ${target}`).sort();
  const documents = ["state policies/refunds", "state rules/eu-returns"];
  assert.deepEqual(await targets({ reaching: "policies-api" }), documents);
  assert.deepEqual(await targets({ reaching: "website" }), [
    "effects librarian",
    "fleet librarian",
    "messages archive-shared-v1",
    "messages librarian-durable-v1",
    "messages library-desk",
    ...documents,
  ]);
  assert.deepEqual(await targets({ reaching: "website", layer: "state" }), documents);
  const one = await client.changes({ reaching: "policies-api", limit: 1 });
  assert.deepEqual([one.changes.length, one.more], [1, true]);
  const said = await commandLine(server, "changes", "--reaching", "policies-api", "--since", "2h");
  assert.match(said, /state\/put\s+policies\/refunds\s/);
  assert.doesNotMatch(said, /of-old|cn-returns|notes/);
});

test("documents that fit are found behind any number of others that begin alike", async () => {
  await using server = await startServer({ services: { website: { reads: ["*/wanted"] } } });
  const { db } = server.lastgood;
  const at = Date.now() - 10_000;
  const changes = Array.from({ length: 1_201 }, (_, index) => ({
    ...{ id: newChangeId(realWorld), at: new Date(at - index), layer: "state", kind: "put" },
    ...{ target: index === 1_200 ? "a/wanted" : `a/${index}`, agent: "backend" },
  })) satisfies NewChange[];
  await recordChanges(db, changes);
  const found = await server.client.changes({ reaching: "website" });
  assert.deepEqual(
    found.changes.map(({ target }) => target),
    ["a/wanted"],
  );
  assert.equal(found.more, false);
});

test("a bad question is answered with where it is wrong and what to do", async () => {
  await using server = await startServer(config);
  await assert.rejects(server.client.changes({ since: "yesterday" }), {
    code: "bad_input",
    message: /2h/,
  });
  await assert.rejects(server.client.changes({ reaching: "nothing" }), { code: "not_found" });
});

async function commandLine(server: TestServer, ...args: readonly string[]): Promise<string> {
  const bin = join(import.meta.dirname, "../../bin/lastgood.js");
  const env = {
    ...process.env,
    LASTGOOD_URL: server.lastgood.url,
    LASTGOOD_TOKEN: await server.tokenAs("viewer"),
  };
  const command = ["--conditions=development", bin, ...args];
  return (await promisify(execFile)(process.execPath, command, { env })).stdout;
}
