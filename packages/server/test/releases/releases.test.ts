import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { applyRetention } from "../../src/releases/release-loop.ts";
import { backup } from "../../src/store/backup.ts";
import { migrate, readMigrations } from "../../src/store/migrate.ts";
import { checkBackup, restore } from "../../src/store/restore.ts";
import { realWorld } from "../../src/world.ts";
import { startDatabase } from "../support/database.ts";
import {
  artifact,
  contentOf,
  deploy,
  production,
  publish,
  refused,
  startReleases,
} from "./world.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

test("publishing the same again is the same release; other content under the version is refused", async () => {
  await using server = await startReleases();
  const { client, clientAs } = server;
  const trainer = await clientAs("agent", "trainer");
  const first = await trainer.publishRelease(artifact, {
    version: "2.0.3",
    content: { b: [1, 2.5], a: "ü" },
    notes: "the exception path",
    scores: { accuracy: 0.98 },
  });
  assert.equal(first.already, false);
  assert.equal(first.author, "trainer");
  assert.equal(first.digest, sha256('{"content":{"a":"ü","b":[1,2.5]}}'));
  assert.deepEqual(
    first.scores.map(({ name, value, by }) => [name, value, by]),
    [["accuracy", 0.98, "trainer"]],
  );

  // Keys in another order, and a number written otherwise, are the same content.
  const again = await client.publishRelease(artifact, {
    version: "2.0.3",
    content: { a: "ü", b: [1.0, 2.5] },
    notes: "told differently",
  });
  assert.equal(again.already, true);
  assert.deepEqual([again.author, again.notes], ["trainer", "the exception path"]);

  for (const other of [{ content: { a: "u", b: [1, 2.5] } }, { reference: '{"a":"ü"}' }]) {
    await assert.rejects(
      client.publishRelease(artifact, { version: "2.0.3", ...other }),
      refused(
        "release_exists",
        /customer-service:2\.0\.3 was published by trainer.*another version/,
      ),
    );
  }
  const found = await client.release(artifact, "2.0.3");
  assert.deepEqual(found.content, { a: "ü", b: [1, 2.5] });
});

test("of many that publish one version with other contents at once, one is the release", async () => {
  await using server = await startReleases();
  const { client } = server;
  const outcomes = await Promise.allSettled(
    Array.from({ length: 10 }, (_, n) =>
      client.publishRelease(artifact, { version: "3.0.0", content: n % 5 }),
    ),
  );
  const done = outcomes.filter((each) => each.status === "fulfilled");
  assert.equal(done.length, 2, "the two of one content");
  assert.equal(done.filter(({ value }) => value.already).length, 1);
});

test("the database itself refuses to change or remove a release, a pin or a content", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { db } = server.lastgood;
  await deploy(server.client, "1.0.0");
  const refusedBy = async (statement: string, says: RegExp) => {
    await assert.rejects(db.unsafe(statement), (error: Error & { code?: string }) => {
      assert.equal(error.code, "23001", error.message);
      assert.match(error.message, says, statement);
      return true;
    });
  };
  const never = /never changed/;
  await refusedBy("update releases set notes = 'better' where version = '1.0.0'", never);
  await refusedBy("update releases set digest = repeat('0', 64)", never);
  await refusedBy("delete from releases where version = '2.0.0'", never);
  await refusedBy("truncate releases cascade", never);
  await refusedBy("update pins set because = 'somebody else did it'", never);
  await refusedBy("delete from pins", never);
  await refusedBy("update pin_shares set share = 1", never);
  await refusedBy("delete from pin_shares", never);
  await refusedBy("truncate pin_shares", never);
  await refusedBy("update release_contents set body = '{}'", never);
  await refusedBy("truncate release_contents", never);
  await refusedBy("delete from release_contents", /release which is not retired/);
  const retiring = (version: string) =>
    `insert into retired_releases values ('${artifact}', '${version}', now(), 'x', 'x')`;
  await refusedBy(retiring("1.0.0"), /pinned or was live/);
  await db.unsafe(retiring("2.0.0"));
  await assert.rejects(
    deploy(server.client, "2.0.0"),
    refused("state_forbids", /2\.0\.0 was retired.*publish the same content again/),
  );
  await refusedBy(
    `insert into pin_shares values ('production', 1, 9, '${artifact}', '2.0.0', 1)`,
    /is retired/,
  );
  assert.deepEqual((await server.client.release(artifact, "1.0.0")).content, contentOf("1.0.0"));
});

test("retention never lets go of what is pinned, was live, or is where a rollback goes", async () => {
  const versions = Array.from({ length: 12 }, (_, n) => `1.${n}.0`);
  await using server = await startReleases(versions);
  const { client } = server;
  const { db } = server.lastgood;
  await deploy(client, "1.0.0");
  await deploy(client, "1.1.0", 10);
  await deploy(client, "1.2.0");
  await client.rollBackRelease(production, artifact);
  await client.deployRelease("staging", artifact, { version: "1.3.0" });
  // Shared with one that stays: the content stays with it.
  await client.publishRelease(artifact, { version: "1.4.0-again", content: contentOf("1.4.0") });
  await client.declareArtifact(artifact, { keep: { last: 3, days: 0 } });
  const later = { ...realWorld, now: () => new Date(Date.now() + 86_400_000) };
  const retired = await applyRetention({ db, world: later }, AbortSignal.timeout(30_000));

  const { releases } = await client.releasesOf(artifact);
  const gone = releases.filter(({ retiredAt }) => retiredAt !== null).map(({ version }) => version);
  assert.deepEqual(gone.sort(), ["1.4.0", "1.5.0", "1.6.0", "1.7.0", "1.8.0", "1.9.0"]);
  assert.equal(retired, gone.length);
  for (const { version, retiredAt } of releases) {
    const { content } = await client.release(artifact, version);
    assert.equal(content === undefined, retiredAt !== null, version);
  }
  assert.equal(releases.length, 13, "that they were there stays known");
  assert.equal(await applyRetention({ db, world: later }, AbortSignal.timeout(30_000)), 0);

  const { prior } = await client.pin(production, artifact);
  assert.deepEqual(prior, [{ version: "1.0.0", share: 100 }]);
  for (const version of ["1.0.0", "1.2.0", "1.3.0"]) {
    await client.deployRelease("elsewhere", artifact, { version, override: "a test" });
  }

  // A version never comes to mean something else, not even after its content went.
  await assert.rejects(
    client.publishRelease(artifact, { version: "1.5.0", content: "another" }),
    refused("release_exists", /other content/),
  );
  const back = await client.publishRelease(artifact, {
    version: "1.5.0",
    content: contentOf("1.5.0"),
  });
  assert.deepEqual([back.already, back.retiredAt], [true, null]);
  await client.deployRelease("elsewhere", artifact, { version: "1.5.0" });
});

test("a release that was pinned is not retired by hand either; one that never was, is", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0", "3.0.0"]);
  const { client } = server;
  await deploy(client, "1.0.0");
  await deploy(client, "2.0.0");
  for (const version of ["1.0.0", "2.0.0"]) {
    await assert.rejects(
      client.retireRelease(artifact, version, "tidying up"),
      refused("state_forbids", new RegExp(`${version} is pinned, was live.*never retired`)),
    );
  }
  const retired = await client.retireRelease(artifact, "3.0.0", "it holds a secret");
  assert.ok(retired.retiredAt !== null);
  const { db } = server.lastgood;
  assert.equal((await db`select from release_contents`).length, 2);
});

test("a release and its retirement meet at once, and either it is pinned or it is retired", async () => {
  await using server = await startReleases(["1.0.0"]);
  const { client } = server;
  for (let n = 0; n < 10; n++) {
    const version = `2.${n}.0`;
    await publish(client, version);
    const [pinned, retired] = await Promise.allSettled([
      deploy(client, version),
      client.retireRelease(artifact, version, "a race"),
    ]);
    const outcomes = [pinned.status, retired.status];
    assert.deepEqual([...outcomes].sort(), ["fulfilled", "rejected"], version);
    const { content } = await client.release(artifact, version);
    assert.equal(content !== undefined, pinned.status === "fulfilled", version);
  }
});

test("scores and approvals are added beside a release, and the last score of a name counts", async () => {
  await using server = await startReleases(["1.0.0"]);
  const { clientAs } = server;
  const judge = await clientAs("agent", "judge");
  await judge.scoreRelease(artifact, "1.0.0", { name: "accuracy", value: 0.9 });
  await judge.scoreRelease(artifact, "1.0.0", { name: "tone", value: 1, note: "calm" });
  const scored = await judge.scoreRelease(artifact, "1.0.0", { name: "accuracy", value: 0.95 });
  assert.deepEqual(
    scored.scores.map(({ name, value, note }) => [name, value, note]),
    [
      ["accuracy", 0.95, ""],
      ["tone", 1, "calm"],
    ],
  );
  await judge.approveRelease(artifact, "1.0.0", "read it");
  const approved = await judge.approveRelease(artifact, "1.0.0", "read it twice");
  assert.deepEqual(
    approved.approvals.map(({ by, note }) => [by, note]),
    [["judge", "read it"]],
  );
});

test("an artifact keeps its kind, and its settings are an operator's", async () => {
  await using server = await startReleases();
  const { client, clientAs } = server;
  const agent = await clientAs("agent", "trainer");
  await assert.rejects(
    agent.declareArtifact(artifact, { review: "none" }),
    refused("forbidden", /operator/),
  );
  await assert.rejects(
    agent.publishRelease("router", { version: "14", reference: "router-v14" }),
    refused("bad_input", /no artifact router yet.*kind/),
  );
  await agent.publishRelease("router", { version: "14", reference: "router-v14", kind: "model" });
  await assert.rejects(
    agent.publishRelease("router", { version: "15", reference: "x", kind: "image" }),
    refused("state_forbids", /router is a model and stays one/),
  );
  const declared = await client.declareArtifact("router", { review: "required" });
  assert.deepEqual(
    [declared.inFlight, declared.review, declared.kind],
    [null, "required", "model"],
  );
  const { artifacts } = await client.artifacts();
  assert.deepEqual(
    artifacts.map(({ name }) => name),
    [artifact, "router"],
  );
});

test("a backup brings releases and pins back, as immutable as they were", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  await deploy(server.client, "1.0.0");
  const folder = await mkdtemp(join(tmpdir(), "lastgood-releases-backup-"));
  await using other = await startDatabase({ migrated: false });
  try {
    const path = join(folder, "backup");
    await backup({ db: server.lastgood.db, folder: path, version: "0.0.0", now: new Date() });
    const migrations = await readMigrations();
    const manifest = await checkBackup(path, migrations);
    await restore({ db: other.db, manifest, folder: path, migrations, verifiers: [] });
    await migrate(other.db, migrations);
    for (const statement of ["delete from releases", "update pins set epoch = 9"]) {
      await assert.rejects(other.db.unsafe(statement), /never changed/, statement);
    }
    const [row] = await other.db<{ body: string }[]>`
      select c.body from pin_shares s join releases r using (artifact, version)
      join release_contents c using (digest)`;
    assert.deepEqual(JSON.parse(row?.body ?? ""), contentOf("1.0.0"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
