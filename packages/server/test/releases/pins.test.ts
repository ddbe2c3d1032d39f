import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { createSnapshots } from "../../src/releases/snapshot.ts";
import { killedWaiting, outcomesOf } from "../support/work.ts";
import {
  artifact,
  deploy,
  openFrozenIncident,
  production,
  publish,
  refused,
  startReleases,
} from "./world.ts";

test("a deployment is a pin under a new epoch, and a change in the ledger with who and why", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client } = server;
  const first = await deploy(client, "1.0.0", 100, "the first");
  assert.deepEqual([first.epoch, first.already], [1, false]);
  const second = await deploy(client, "2.0.0", 10, "a tenth of it");
  assert.deepEqual(second.shares, [
    { version: "1.0.0", share: 90 },
    { version: "2.0.0", share: 10 },
  ]);
  const again = await deploy(client, "2.0.0", 10);
  assert.deepEqual([again.epoch, again.already, again.because], [2, true, "a tenth of it"]);

  const { changes } = await client.changes({ layer: "versions", target: artifact });
  const deployed = changes.filter(({ kind }) => kind === "deploy");
  assert.deepEqual(
    deployed.map(({ from, to, agent, reason, details }) => [
      from,
      to,
      agent,
      reason,
      details.epoch,
    ]),
    [
      ["1.0.0", "1.0.0:90 2.0.0:10", "token:admin", "a tenth of it", 2],
      [null, "1.0.0", "token:admin", "the first", 1],
    ],
  );
  const { pins, epoch } = await client.pins(production);
  assert.equal(epoch, 2);
  assert.deepEqual(
    pins.map(({ artifact, prior }) => [artifact, prior]),
    [[artifact, [{ version: "1.0.0", share: 100 }]]],
  );
  assert.equal((await client.pin(production, artifact)).history.length, 2);
});

test("what is not explicit, not there, or does not add up moves nothing", async () => {
  await using server = await startReleases(["1.0.0"]);
  const { client } = server;
  await deploy(client, "1.0.0");
  for (const [version, says] of [
    ["latest", /`latest` is no version.*another release tomorrow/],
    ["^1.0.0", /is a range/],
    ["1.x", /is a range/],
    ["", /no version is named/],
  ] as const) {
    await assert.rejects(deploy(client, version), refused("bad_input", says));
  }
  await assert.rejects(deploy(client, "9.9.9"), refused("not_found", /customer-service:9\.9\.9/));
  await assert.rejects(
    client.deployRelease(production, artifact, {
      shares: [
        { version: "1.0.0", share: 60 },
        { version: "9.9.9", share: 60 },
      ],
    }),
    refused("bad_input", /add up to 120/),
  );
  await assert.rejects(
    client.deployRelease(production, "nothing", { version: "1.0.0" }),
    refused("not_found", /no artifact nothing/),
  );
  assert.equal((await client.pin(production, artifact)).epoch, 1);
});

test("of two that turn one dial at once, one wins, and the other hears who did", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0", "3.0.0"]);
  const { client } = server;
  const { epoch: expect } = await deploy(client, "1.0.0");
  const turn = (version: string) =>
    client.deployRelease(production, artifact, { version, percent: 50, expect });
  const { done, codes } = await outcomesOf([turn("2.0.0"), turn("3.0.0")]);
  assert.deepEqual([done, codes], [1, ["version_conflict"]]);
  const { epoch, shares } = await client.pin(production, artifact);
  assert.equal(epoch, 2);
  await assert.rejects(
    turn("2.0.0"),
    refused(
      "version_conflict",
      /token:admin pinned 1\.0\.0:50 [23]\.0\.0:50 at epoch 2.*look again/,
    ),
  );
  assert.equal(shares.length, 2);
});

test("many changes of many pins at once get an epoch each, one after the other", async () => {
  await using server = await startReleases();
  const { client } = server;
  const names = ["a", "b", "c"];
  for (const name of names) {
    await client.declareArtifact(name, { kind: "prompt", inFlight: "switch" });
    for (const version of ["1", "2", "3", "4"]) {
      await client.publishRelease(name, { version, content: `${name}${version}` });
    }
  }
  const moves = names.flatMap((name) =>
    ["1", "2", "3", "4"].map((version) => client.deployRelease(production, name, { version })),
  );
  const epochs = (await Promise.all(moves)).map(({ epoch }) => epoch);
  assert.deepEqual(
    [...new Set(epochs)].sort((one, other) => one - other),
    Array.from({ length: 12 }, (_, n) => n + 1),
  );
  const other = await client.deployRelease("staging", "a", { version: "1" });
  assert.equal(other.epoch, 1, "each environment counts its own");
});

test("a rollback goes to the prior good pin and bars what goes, until it is lifted", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0", "3.0.0"]);
  const { client } = server;
  await deploy(client, "1.0.0");
  const { change: bad } = await deploy(client, "2.0.0", 10);
  const { change: worse } = await deploy(client, "2.0.0");
  const back = await client.rollBackRelease(production, artifact, { because: "refunds fail" });
  assert.deepEqual([back.shares, back.did], [[{ version: "1.0.0", share: 100 }], "rollback"]);
  const { reverts, from, to } = await client.change(back.change);
  assert.deepEqual([[...reverts].sort(), from, to], [[bad, worse].sort(), "2.0.0", "1.0.0"]);

  const barred = refused("was_rolled_back", /2\.0\.0 was rolled back.*refunds fail.*releases lift/);
  await assert.rejects(deploy(client, "2.0.0"), barred);
  await assert.rejects(deploy(client, "2.0.0", 10), barred);
  await assert.rejects(
    client.deployRelease("staging", artifact, { version: "2.0.0" }),
    barred,
    "a release is the same everywhere",
  );
  const { content = null } = await client.release(artifact, "2.0.0");
  await client.publishRelease(artifact, { version: "2.0.1", content });
  await assert.rejects(
    deploy(client, "2.0.1"),
    refused("was_rolled_back", /2\.0\.1 has the content of customer-service:2\.0\.0/),
  );
  await client.deployRelease("staging", artifact, { version: "2.0.1", override: "not there" });
  await deploy(client, "3.0.0");
  await client.liftRelease(artifact, "2.0.0", "the surge is over");
  await deploy(client, "2.0.0");
  const { audits } = await client.audits({ outcome: "done" });
  assert.ok(
    audits.some(
      ({ action, target, because }) =>
        action === "release.lifted" && target === `${artifact}:2.0.0` && /surge/.test(because),
    ),
  );
});

test("what was rolled back in one environment gains nothing in another", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client } = server;
  for (const environment of [production, "staging"]) {
    await client.deployRelease(environment, artifact, { version: "1.0.0" });
    await client.deployRelease(environment, artifact, { version: "2.0.0", percent: 10 });
  }
  await client.rollBackRelease(production, artifact);
  const raise = (percent: number) =>
    client.deployRelease("staging", artifact, { version: "2.0.0", percent });
  await assert.rejects(raise(50), refused("was_rolled_back", /2\.0\.0 was rolled back/));
  const lowered = await raise(5);
  assert.equal(lowered.shares[1]?.share, 5, "it may get less");
});

test("a rollback without anything before it says so, and a second one goes further back", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0", "3.0.0"]);
  const { client } = server;
  await assert.rejects(
    client.rollBackRelease(production, artifact),
    refused("not_found", /not pinned in production/),
  );
  await deploy(client, "1.0.0");
  await assert.rejects(
    client.rollBackRelease(production, artifact),
    refused("state_forbids", /nothing to go back to from 1\.0\.0/),
  );
  await deploy(client, "2.0.0");
  await deploy(client, "3.0.0");
  const versions = [];
  for (let n = 0; n < 2; n++) {
    const { shares } = await client.rollBackRelease(production, artifact);
    versions.push(shares[0]?.version);
  }
  assert.deepEqual(versions, ["2.0.0", "1.0.0"]);
  await assert.rejects(
    client.rollBackRelease(production, artifact),
    refused("state_forbids", /nothing to go back to/),
  );
});

test("an override lets a barred release through, names its reason, and is an operator's", async () => {
  const deploys = ["production/**"];
  await using server = await startReleases(["1.0.0", "2.0.0"], {
    agents: { trainer: { deploys } },
  });
  const { client, clientAs } = server;
  await deploy(client, "1.0.0");
  await deploy(client, "2.0.0");
  await client.rollBackRelease(production, artifact);
  const trainer = await clientAs("agent", "trainer");
  const again = { version: "2.0.0", override: "it was the network" };
  await assert.rejects(
    trainer.deployRelease(production, artifact, again),
    refused("forbidden", /an operator lifts the bar/),
  );
  const { because } = await client.deployRelease(production, artifact, again);
  assert.match(because, /overrides: it was the network/);
  assert.equal((await client.release(artifact, "2.0.0")).barred, null);
});

test("without an in-flight policy nothing is deployed, and one is proposed by what its users do", async () => {
  await using server = await startReleases([], {
    agents: { payer: { uses: ["a", "b"] }, mailer: { uses: ["b", "c"] }, reader: { uses: ["d"] } },
  });
  const { client, clientAs } = server;
  for (const name of ["a", "b", "c", "d", "e"]) {
    await client.publishRelease(name, { version: "1", content: name, kind: "prompt" });
  }
  const acts = async (agent: string, nature: "irreversible" | "compensable" | "read-only") => {
    const own = await clientAs("agent", agent);
    const { record } = await own.openSession({});
    await own.beginEffect({ session: record.session_id, key: "k", nature });
  };
  await acts("payer", "irreversible");
  await acts("mailer", "compensable");
  await acts("reader", "read-only");
  for (const [name, says] of [
    ["a", /Proposed: finish-old \(payer.*irreversible/],
    ["b", /Proposed: finish-old/],
    ["c", /Proposed: cancel-retry/],
    ["d", /Proposed: switch \(reader/],
    ["e", /Proposed: switch \(nobody is known/],
  ] as const) {
    await assert.rejects(
      client.deployRelease(production, name, { version: "1" }),
      refused("policy_missing", says),
    );
  }
  await client.deployRelease(production, "a", { version: "1", inFlight: "finish-old" });
  assert.equal((await client.artifact("a")).inFlight, "finish-old");
  await client.publishRelease("a", { version: "2", content: "2" });
  await assert.rejects(
    client.deployRelease(production, "a", { version: "2", inFlight: "switch" }),
    refused("state_forbids", /has the in-flight policy finish-old already/),
  );
  assert.equal((await client.pin(production, "a")).epoch, 1);
});

test("where review is required, nobody deploys what only its author approved; going back is free", async () => {
  await using server = await startReleases(["1.0.0"]);
  const { client, clientAs } = server;
  await deploy(client, "1.0.0");
  await client.declareArtifact(artifact, { review: "required" });
  const trainer = await clientAs("agent", "trainer");
  await publish(trainer, "2.0.0", "3.0.0");
  const missing = refused("review_missing", /2\.0\.0 is by trainer, and nobody else approved it/);
  await assert.rejects(deploy(client, "2.0.0", 10), missing);
  await trainer.approveRelease(artifact, "2.0.0");
  await assert.rejects(deploy(client, "2.0.0"), missing);
  const reviewer = await clientAs("agent", "reviewer");
  await reviewer.approveRelease(artifact, "2.0.0");
  await deploy(client, "2.0.0");
  const back = await client.rollBackRelease(production, artifact);
  assert.deepEqual(back.shares, [{ version: "1.0.0", share: 100 }], "unreviewed, and yet");
  await reviewer.approveRelease(artifact, "3.0.0");
  await deploy(client, "3.0.0");
  await deploy(client, "1.0.0");
  await assert.rejects(
    client.deployRelease("staging", artifact, { version: "1.0.0" }),
    refused("review_missing", /1\.0\.0 is by token:admin/),
    "it never was live there",
  );
});

test("an agent moves the pins that lastgood.yaml gives it, and none during a freeze", async () => {
  const deploys = ["staging/**", "production/customer-*"];
  await using server = await startReleases(["1.0.0", "2.0.0"], {
    agents: { trainer: { deploys }, other: {} },
  });
  const { client, clientAs } = server;
  const trainer = await clientAs("agent", "trainer");
  await client.publishRelease("router", { version: "1", content: 1, kind: "model" });
  await client.declareArtifact("router", { inFlight: "switch" });
  await assert.rejects(
    trainer.deployRelease(production, "router", { version: "1" }),
    refused("not_yours", /production\/router.*agents\.trainer\.deploys/),
  );
  await assert.rejects(
    deploy(await clientAs("agent", "other"), "1.0.0"),
    refused("not_yours", /agents\.other\.deploys/),
  );
  const { by } = await deploy(trainer, "1.0.0");
  assert.equal(by, "trainer");
  await trainer.deployRelease("staging", "router", { version: "1" });
  await client.freeze("a migration");
  await assert.rejects(deploy(trainer, "2.0.0"), refused("frozen", /a migration/));
  await assert.rejects(
    trainer.rollBackRelease(production, artifact),
    refused("frozen", /a migration/),
  );
  await deploy(client, "2.0.0");
  await client.thaw();
  await trainer.rollBackRelease(production, artifact);
});

test("a pin reaches the services that use it, in the environment of this file and in no other", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0", "3.0.0"], {
    services: { support: { uses: [artifact] }, website: {} },
    agents: { answerer: { uses: [artifact] } },
  });
  const { client } = server;
  const { change: first } = await deploy(client, "1.0.0");
  const { change: elsewhere } = await client.deployRelease("staging", artifact, {
    version: "1.0.0",
  });
  const reached = async (change: string) =>
    (await client.change(change)).exposures.map(({ service }) => service).sort();
  assert.deepEqual(await reached(first), ["answerer", "support"]);
  assert.deepEqual(await reached(elsewhere), []);
  const { changes } = await client.changes({ reaching: "support", layer: "versions" });
  assert.ok(changes.some(({ id }) => id === first));

  const { db } = server.lastgood;
  const live = async () =>
    (
      await db<{ to: string }[]>`
        select c.to_ref as to from exposures e join changes c on c.id = e.change_id
        where e.service = 'support' and e.withdrawn_at is null order by c.at`
    ).map(({ to }) => to);
  await deploy(client, "2.0.0", 50);
  assert.deepEqual(await live(), ["1.0.0", "1.0.0:50 2.0.0:50"]);
  await deploy(client, "3.0.0");
  assert.deepEqual(await live(), ["3.0.0"]);
  await deploy(client, "1.0.0");
  assert.deepEqual(await live(), ["1.0.0", "1.0.0"], "what brought it first is live again as well");
});

test("a deployment whose server dies half-way moved nothing", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client, lastgood } = server;
  await deploy(client, "1.0.0");
  await killedWaiting(
    lastgood.db,
    (tx) => tx`select from environments where name = ${production} for update`,
    () => client.deployRelease(production, artifact, { version: "2.0.0" }),
  );
  const { shares, epoch, history } = await client.pin(production, artifact);
  assert.deepEqual([shares, epoch, history.length], [[{ version: "1.0.0", share: 100 }], 1, 1]);
  const { changes } = await client.changes({ layer: "versions", target: artifact });
  assert.equal(changes.filter(({ kind }) => kind === "deploy").length, 1);
  const again = await deploy(client, "2.0.0");
  assert.equal(again.epoch, 2);
});

test("a change made by another server reaches those who wait here", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client, lastgood } = server;
  await deploy(client, "1.0.0");
  const snapshots = createSnapshots({ db: lastgood.db, log: pino({ level: "silent" }) });
  try {
    assert.equal((await snapshots.current(production)).epoch, 1);
    const signal = AbortSignal.timeout(20_000);
    const waiting = snapshots.newerThan(production, 1, { ms: 20_000, signal });
    await deploy(client, "2.0.0");
    const { epoch, pins } = await waiting;
    assert.deepEqual([epoch, pins.get(artifact)?.releases[0]?.version], [2, "2.0.0"]);
  } finally {
    await snapshots.stop();
  }
});

test("a release that was rolled back may come again once its incident is closed", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client, lastgood } = server;
  await deploy(client, "1.0.0");
  await deploy(client, "2.0.0");
  await client.rollBackRelease(production, artifact);
  const incident = await openFrozenIncident(lastgood.db);
  await lastgood.db`update release_bars set incident = ${incident}`;
  await assert.rejects(
    deploy(client, "2.0.0"),
    refused("was_rolled_back", new RegExp(`rolled back in ${incident}`)),
  );
  await client.closeIncident(incident, "it was the network");
  await deploy(client, "2.0.0");
});
