/** The SDK follows the pins of a real server. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createClient, type Fault, type Lastgood, type Releases } from "@lastgood/sdk";
import { fileStorage } from "@lastgood/sdk/file";
import type { Db } from "../../src/store/database.ts";
import { type RestartableServer, startRestartable } from "../support/restartable.ts";
import type { TestServer } from "../support/server.ts";
import { until } from "../support/until.ts";
import { artifact, deploy, production, publish, refused, startReleases } from "./world.ts";

async function followerOf(server: TestServer, agent = "answerer"): Promise<Lastgood> {
  return createClient({ url: server.lastgood.url, token: await server.tokenAs("agent", agent) });
}

async function at(releases: Releases, epoch: number): Promise<void> {
  await until(`epoch ${epoch}`, () => releases.epoch === epoch);
}

/** While `act` runs, whatever asks the network fails. */
function withoutNetwork<T>(act: () => T): T {
  const original = globalThis.fetch;
  globalThis.fetch = () => assert.fail("the network was asked");
  try {
    return act();
  } finally {
    globalThis.fetch = original;
  }
}

test("a consumer resolves what is pinned without asking anybody, and hears of a change at once", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client } = server;
  await deploy(client, "1.0.0");
  const lastgood = await followerOf(server);
  await using releases = await lastgood.releases({ artifacts: [artifact], id: "worker-1" });
  const moved: (readonly string[])[] = [];
  releases.onChange((artifacts) => moved.push(artifacts));

  const one = withoutNetwork(() => releases.resolve(artifact));
  assert.deepEqual([one.version, one.epoch, one.kind], ["1.0.0", 1, "spec"]);
  assert.deepEqual(one.content, { version: "1.0.0", refundLimit: 500 });
  assert.equal(releases.stale, false);
  assert.throws(() => releases.resolve("router"), /router is not pinned in production/);

  await deploy(client, "2.0.0", 50);
  await at(releases, 2);
  assert.deepEqual(moved, [[artifact]]);
  assert.throws(() => releases.resolve(artifact), /split between 2 releases.*with a key/);
  const { shares } = await client.pin(production, artifact);
  withoutNetwork(() => {
    const versions = new Set<string>();
    for (let n = 0; n < 100; n++) {
      const { version } = releases.resolve(artifact, `user-${n}`);
      versions.add(version);
      assert.equal(releases.resolve(artifact, `user-${n}`).version, version);
    }
    assert.deepEqual([...versions].sort(), shares.map(({ version }) => version).sort());
  });
});

test("what was worked out by a release is dropped when its pin moves, and by no other", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client } = server;
  await deploy(client, "1.0.0");
  await client.publishRelease("router", { version: "14", reference: "router-v14", kind: "model" });
  await client.deployRelease(production, "router", { version: "14", inFlight: "switch" });
  await using releases = await (await followerOf(server)).releases();
  const answers = releases.cacheFor<string>(artifact);
  const routes = releases.cacheFor<string>("router");
  const [before, route] = [releases.resolve(artifact), releases.resolve("router")];
  assert.equal(route.reference, "router-v14");
  answers.set(before, "question", "old answer");
  routes.set(route, "ticket", "billing");
  assert.equal(answers.get(before, "question"), "old answer");

  await deploy(client, "2.0.0");
  await at(releases, 3);
  assert.deepEqual([answers.size, routes.size], [0, 1]);
  answers.set(before, "question", "an old answer that came late");
  assert.equal(answers.size, 0);
  const after = releases.resolve(artifact);
  assert.equal(answers.get(after, "question"), undefined);
  assert.equal(routes.get(releases.resolve("router"), "ticket"), "billing");
});

test("a content that is too large to push is there before the pin is followed", async () => {
  await using server = await startReleases(["1.0.0"]);
  const { client } = server;
  await deploy(client, "1.0.0");
  await using releases = await (await followerOf(server)).releases({ artifacts: [artifact] });
  const content = { text: "x".repeat(600_000) };
  await client.publishRelease(artifact, { version: "2.0.0", content });
  await deploy(client, "2.0.0");
  await at(releases, 2);
  assert.deepEqual(releases.resolve(artifact).content, content);
});

test("consumers acknowledge, and those that do not are listed until they leave or are forgotten", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client } = server;
  await deploy(client, "1.0.0");
  const lastgood = await followerOf(server);
  const releases = await lastgood.releases({ artifacts: [artifact], id: "good" });
  await lastgood.pollPins(production, "frozen", { epoch: 1, artifacts: [artifact] });
  await lastgood.pollPins(production, "elsewhere", { epoch: 1, artifacts: ["router"] });
  const counted = async (acknowledged: number, stragglers: number) =>
    await until(`${acknowledged} that follow and ${stragglers} that do not`, async () => {
      const { consumers } = await client.pin(production, artifact);
      return consumers.acknowledged === acknowledged && consumers.stragglers === stragglers;
    });
  await counted(2, 0);
  await deploy(client, "2.0.0");
  await counted(1, 1);
  const { stragglers } = await client.pin(production, artifact);
  assert.deepEqual(
    stragglers.map(({ id, who, epoch, live }) => [id, who, epoch, live]),
    [["frozen", "answerer", 1, true]],
  );
  await lastgood.leavePins(production, "frozen");
  await releases.close();
  await counted(0, 0);
  const { consumers } = await client.pinConsumers(production);
  assert.deepEqual(
    consumers.map(({ id }) => id),
    ["elsewhere"],
  );
});

test("one agent cannot speak for another's consumer", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client } = server;
  await deploy(client, "1.0.0");
  const [one, other] = [await followerOf(server, "one"), await followerOf(server, "other")];
  await one.pollPins(production, "worker", { epoch: 0 });
  await other.pollPins(production, "worker", { epoch: 1 });
  await until("both to be written", async () => {
    return (await client.pinConsumers(production)).consumers.length === 2;
  });
  const { stragglers } = await client.pin(production, artifact);
  assert.deepEqual(
    stragglers.map(({ who }) => who),
    ["one"],
  );
});

test("a write by what was resolved under a pin that moved is refused, unless it may finish", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client } = server;
  await client.publishRelease("finisher", { version: "1", content: 1, kind: "prompt" });
  await client.publishRelease("finisher", { version: "2", content: 2 });
  await deploy(client, "1.0.0");
  await client.deployRelease(production, "finisher", { version: "1", inFlight: "finish-old" });
  await using releases = await (await followerOf(server)).releases();
  const switching = releases.clientFor(releases.resolve(artifact));
  const finishing = releases.clientFor(releases.resolve("finisher"));
  await switching.putDocument("answers", "1", { body: "by 1.0.0" });

  await client.deployRelease(production, "finisher", { version: "2" });
  await switching.putDocument("answers", "1", { body: "another pin moved, not this one" });
  await finishing.putDocument("answers", "2", { body: "what was begun ends" });

  await deploy(client, "2.0.0");
  await assert.rejects(
    switching.putDocument("answers", "1", { body: "by 1.0.0, too late" }),
    refused(
      "fenced",
      /production\/customer-service resolved to at epoch 1.*since epoch 4 it is 2\.0\.0/,
    ),
  );
  assert.equal((await switching.getDocument("answers", "1")).version, 2, "reading harms nobody");
  await at(releases, 4);
  const again = releases.clientFor(releases.resolve(artifact));
  await again.putDocument("answers", "1", { body: "by 2.0.0" });
});

test("a write may name the environment's epoch alone, and nothing that is no epoch", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client, lastgood } = server;
  const { epoch } = await deploy(client, "1.0.0");
  const token = await server.tokenAs("agent", "answerer");
  const put = (claim: string) =>
    createClient({ url: lastgood.url, token, epoch: claim }).putDocument("a", "1", { body: 1 });
  await put(`production=${epoch}`);
  await assert.rejects(put("production=7"), refused("fenced", /it is at epoch 1/));
  await assert.rejects(put("nowhere=1"), refused("not_found", /nowhere/));
  await assert.rejects(put(`production/router=${epoch}`), refused("fenced", /it is not pinned/));
  for (const claim of ["production", "=1", "production=-1", "production=1.5", "a b=1"]) {
    await assert.rejects(put(claim), refused("bad_input", /Lastgood-Epoch/), claim);
  }
});

interface Away extends AsyncDisposable {
  readonly server: RestartableServer;
  readonly path: string;
  readonly lastgood: Lastgood;
  readonly troubles: Fault[];
  follow(artifacts?: readonly string[]): Promise<Releases>;
}

/** A consumer with a file, and a server that can be stopped. */
async function startAway(): Promise<Away> {
  const server = await startRestartable();
  const folder = await mkdtemp(join(tmpdir(), "lastgood-following-"));
  const path = join(folder, "state", "pins.json");
  const { client } = server;
  await client.declareArtifact(artifact, { kind: "spec", inFlight: "switch" });
  await publish(client, "1.0.0", "2.0.0");
  await deploy(client, "1.0.0");
  const lastgood = createClient({ url: server.url, token: await server.tokenFor("answerer") });
  const troubles: Fault[] = [];
  return {
    ...{ server, path, lastgood, troubles },
    follow: (artifacts = [artifact]) =>
      lastgood.releases({
        ...{ artifacts, storage: fileStorage(path), patienceMs: 60_000 },
        onTrouble: (fault) => troubles.push(fault),
      }),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

test("with the server away a consumer goes on, says that it is stale, and follows again afterwards", async () => {
  await using world = await startAway();
  const { server, troubles } = world;
  await using releases = await world.follow();
  await server.stop();
  await until("it to notice", () => releases.stale);
  assert.equal(releases.resolve(artifact).version, "1.0.0");
  assert.ok(troubles.some(({ code }) => code === "server_unreachable"));
  await server.start();
  await until("it to hear the server again", () => !releases.stale);
  const { epoch } = await deploy(server.client, "2.0.0");
  await at(releases, epoch);
  assert.equal(releases.resolve(artifact).version, "2.0.0");
});

test("a consumer starts from its file while the server is away, and catches up when it is back", async () => {
  await using world = await startAway();
  const { server, path } = world;
  const first = await world.follow();
  await first.close();
  const kept = JSON.parse(await readFile(path, "utf8")) as { readonly epoch: number };
  assert.equal(kept.epoch, 1);
  const { epoch } = await deploy(server.client, "2.0.0");
  await server.stop();

  const began = performance.now();
  await using releases = await world.follow();
  assert.ok(performance.now() - began < 30_000, "it did not wait for the server");
  assert.equal(releases.stale, true);
  const { version, content } = releases.resolve(artifact);
  assert.deepEqual([version, content], ["1.0.0", { version: "1.0.0", refundLimit: 500 }]);
  await server.start();
  await at(releases, epoch);
  assert.equal(releases.stale, false);
  assert.equal(releases.resolve(artifact).version, "2.0.0");
});

test("started so from the file of fewer artifacts it follows all of them before it says so", async () => {
  await using world = await startAway();
  const { server } = world;
  const { client } = server;
  await client.publishRelease("other", { version: "1", kind: "spec", content: "x".repeat(20_000) });
  await client.deployRelease(production, "other", { version: "1", inFlight: "switch" });
  const { epoch } = await deploy(client, "2.0.0");
  const first = await world.follow();
  assert.equal(first.epoch, epoch, "its file is of after the other was pinned");
  await first.close();
  await server.stop();

  await using releases = await world.follow([artifact, "other"]);
  const before = releases.resolve(artifact);
  assert.equal(before.version, "2.0.0");
  await server.start();
  await until("the server to be heard of", () => !releases.stale);
  assert.equal(releases.resolve("other").version, "1");
  assert.equal(releases.resolve("other").content, "x".repeat(20_000));
  await until("it to be counted", async () => {
    const { consumers } = await client.pin(production, "other");
    return consumers.acknowledged === 1 && consumers.stragglers === 0;
  });
});

test("without a file nobody starts without the server; a broken one is left aside, and said", async () => {
  await using world = await startAway();
  const { server, lastgood, path, troubles } = world;
  const first = await world.follow();
  await first.close();
  await writeFile(path, '{"form":1,"environ');
  await using second = await world.follow();
  assert.equal(second.stale, false);
  assert.ok(troubles.some(({ message }) => /kept of production cannot be read/.test(message)));
  await server.stop();
  await assert.rejects(
    lastgood.releases({ patienceMs: 200 }),
    refused("server_unreachable", /start/),
  );
});

test("a consumer of a database that was put back to an earlier time begins anew", async () => {
  await using server = await startReleases(["1.0.0"]);
  await deploy(server.client, "1.0.0");
  const lastgood = await followerOf(server);
  const began = performance.now();
  const news = await lastgood.pollPins(production, "worker", { epoch: 12, waitMs: 20_000 });
  assert.deepEqual([news.full, news.epoch, news.pins.length], [true, 1, 1]);
  assert.ok(performance.now() - began < 20_000, "and did not wait");
});

test("so does one that was away until the database, put back, had moved beyond its epoch", async () => {
  await using world = await startAway();
  const { server } = world;
  const { client, store } = server;
  await client.publishRelease("other", { version: "1", kind: "spec", content: 1 });
  await deploy(client, "2.0.0");
  await using releases = await world.follow();
  const cache = releases.cacheFor<string>(artifact);
  const before = releases.resolve(artifact);
  cache.set(before, "question", "by 2.0.0");
  const { line } = await world.lastgood.pollPins(production, "frozen", { epoch: 0 });
  assert.deepEqual([before.version, before.epoch], ["2.0.0", 2]);

  await server.stop();
  await until("it to notice", () => releases.stale);
  await withAnotherLine(store.db);
  await server.start();
  await at(releases, 3);
  assert.equal(releases.resolve(artifact).version, "1.0.0");
  assert.equal(cache.size, 0);
  for (const epoch of [1, 2, 3]) {
    const poll = { epoch, line, waitMs: 20_000 };
    const { full, pins } = await world.lastgood.pollPins(production, "frozen", poll);
    assert.deepEqual([full, pins.length], [true, 2], `epoch ${epoch} of another line`);
  }
  await until("it to be no follower", async () => {
    const { stragglers } = await client.pin(production, artifact);
    return stragglers.some(({ id, epoch }) => id === "frozen" && epoch === 0);
  });
  const known = await world.lastgood.pollPins(production, "worker", { epoch: 0 });
  const next = { epoch: known.epoch, line: known.line };
  assert.equal((await world.lastgood.pollPins(production, "worker", next)).full, false);
  await deploy(client, "2.0.0");
  const news = await world.lastgood.pollPins(production, "worker", next);
  assert.deepEqual([news.full, news.pins.length], [false, 1], "of the same line: what is new");
});

/** As if it had been put back to epoch 1, and the pin of another artifact had moved twice since. */
async function withAnotherLine(db: Db): Promise<void> {
  await db.begin(async (tx) => {
    // Nobody changes a pin that was made; a database that is put back is another one.
    await tx`set local session_replication_role = replica`;
    await tx`update pins set artifact = 'other', change_id = gen_random_uuid() where epoch = 2`;
    await tx`update pin_shares set artifact = 'other', version = '1' where epoch = 2`;
    await tx`
      insert into pins (environment, epoch, artifact, did, by, because, at, change_id, gained)
      select environment, 3, artifact, did, by, because, at, gen_random_uuid(), gained
      from pins where epoch = 2`;
    await tx`
      insert into pin_shares (environment, epoch, place, artifact, version, share)
      select environment, 3, place, artifact, version, share from pin_shares where epoch = 2`;
    await tx`update environments set epoch = 3`;
  });
}

test("an epoch that there never was is none: who claims it follows nothing, and writes nothing", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client } = server;
  await deploy(client, "1.0.0");
  const lastgood = await followerOf(server);
  await lastgood.pollPins(production, "liar", { epoch: 999_999, artifacts: [artifact] });
  await deploy(client, "2.0.0");
  await until("it to be counted", async () => {
    const { consumers } = await client.pin(production, artifact);
    return consumers.acknowledged === 0 && consumers.stragglers === 1;
  });
  const { url } = server.lastgood;
  const token = await server.tokenAs("agent", "answerer");
  const put = (epoch: string) =>
    createClient({ url, token, epoch }).putDocument("a", "1", { body: 1 });
  await put(`${production}/${artifact}=2`);
  await assert.rejects(
    put(`${production}/${artifact}=999999`),
    refused("fenced", /production is at epoch 2/),
  );
});

test("an environment that nobody knows is not waited in; that of this file is, before its first pin", async () => {
  await using server = await startReleases(["1.0.0"]);
  const { client } = server;
  const lastgood = await followerOf(server);
  await assert.rejects(
    lastgood.releases({ environment: "prodution" }),
    refused("not_found", /Nothing was ever pinned in an environment prodution/),
  );
  await using releases = await lastgood.releases();
  assert.equal(releases.epoch, 0);
  await deploy(client, "1.0.0");
  await at(releases, 1);
  assert.equal(releases.resolve(artifact).version, "1.0.0");
});

test("two hundred consumers follow a change within seconds, and the frozen ones are named", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client } = server;
  await deploy(client, "1.0.0");
  const lastgood = await followerOf(server);
  const consumers = await Promise.all(
    Array.from({ length: 200 }, (_, n) => lastgood.releases({ id: `worker-${n}` })),
  );
  for (const id of ["frozen-1", "frozen-2"]) {
    await lastgood.pollPins(production, id, { epoch: 1 });
  }
  const following = async (count: number) =>
    (await client.pin(production, artifact)).consumers.acknowledged === count;
  await until("all to follow", () => following(202));
  const began = performance.now();
  const { epoch } = await deploy(client, "2.0.0");
  await until("all but the frozen to acknowledge", () => following(200));
  const tookMs = performance.now() - began;
  assert.ok(tookMs < 20_000, `${tookMs} ms, less than anybody's patience`);
  for (const each of consumers) {
    assert.equal(each.epoch, epoch);
    assert.equal(each.resolve(artifact).version, "2.0.0");
  }
  const { stragglers } = await client.pin(production, artifact);
  assert.deepEqual(stragglers.map(({ id }) => id).sort(), ["frozen-1", "frozen-2"]);
  await Promise.all(consumers.map((each) => each.close()));
});
