import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { startDatabase } from "../support/database.ts";

test("a stop ends every loop, also where PostgreSQL is away and the last samples cannot be saved", async () => {
  await using store = await startDatabase();
  const worker = new Worker(join(import.meta.dirname, "stopping-signals.ts"), {
    workerData: { url: store.url },
  });
  const signal = AbortSignal.timeout(60_000);
  try {
    assert.deepEqual(await once(worker, "message", { signal }), ["runs"]);
    await store.goAway();
    worker.postMessage("stop");
    assert.deepEqual(await once(worker, "message", { signal }), ["not saved"]);
    // A loop that goes on would keep it for ever.
    await once(worker, "exit", { signal });
  } finally {
    await worker.terminate();
  }
});
