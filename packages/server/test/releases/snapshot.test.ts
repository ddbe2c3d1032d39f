import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { createSnapshots } from "../../src/releases/snapshot.ts";
import { openDatabase } from "../../src/store/database.ts";
import { startServer } from "../support/server.ts";
import { until } from "../support/until.ts";

test("who begins to wait in the very moment when something new is read hears of it at once", async () => {
  // Nothing reaches it, so it connects to nothing.
  const nowhere = openDatabase("postgres://127.0.0.1:9/nowhere");
  const silent: number[] = [];
  for (let turns = 0; turns < 20; turns++) {
    let rows = Promise.resolve([{ epoch: 1, line: "one", artifact: null }]);
    // Only what reads a snapshot: nothing is found by looking.
    const db = new Proxy(nowhere, {
      apply: async (_, __, [[text = ""]]: [TemplateStringsArray]) =>
        text.includes("l.change_id") ? await rows : [],
    });
    const snapshots = createSnapshots({ db, log: pino({ level: "silent" }) });
    await snapshots.current("production");
    const next = Promise.withResolvers<{ epoch: number; line: string; artifact: null }[]>();
    rows = next.promise;
    const moved = snapshots.moved("production");
    await new Promise(setImmediate);
    next.resolve([{ epoch: 2, line: "two", artifact: null }]);
    for (let turn = 0; turn < turns; turn++) await null;
    const signal = AbortSignal.timeout(20_000);
    const waiting = snapshots.newerThan("production", 1, { ms: 20_000, signal });
    await moved;
    await new Promise(setImmediate);
    // Whoever waits still is answered by this, with what there is.
    let isOver = false;
    void waiting.then(() => {
      isOver = true;
    });
    await null;
    await null;
    if (!isOver) silent.push(turns);
    await snapshots.stop();
    assert.equal((await waiting).epoch, 2);
  }
  assert.deepEqual(silent, []);
});

test("whoever follows an environment hears of its first pin too, made by another server", async () => {
  await using elsewhere = await startServer();
  const { client } = elsewhere;
  const db = openDatabase(elsewhere.databaseUrl, { max: 2 });
  const snapshots = createSnapshots({ db, log: pino({ level: "silent" }) });
  const heard: string[] = [];
  snapshots.onChange(({ environment, epoch }) => void heard.push(`${environment} ${epoch}`));
  try {
    assert.equal((await snapshots.current("production")).epoch, 0);
    snapshots.follow("production");
    await client.declareArtifact("router", { kind: "model", inFlight: "switch" });
    await client.publishRelease("router", { version: "v13", content: {} });
    await client.deployRelease("staging", "router", { version: "v13" });
    const { epoch } = await client.deployRelease("production", "router", { version: "v13" });
    await until("it to be heard of", () => heard.length > 0);
    assert.deepEqual(heard, [`production ${epoch}`], "nobody follows the other");
  } finally {
    await snapshots.stop();
    await db.end();
  }
});
