import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { createSnapshots } from "../../src/releases/snapshot.ts";
import { openDatabase } from "../../src/store/database.ts";

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
