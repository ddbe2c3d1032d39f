import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { on, once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import type { RecoveryId } from "../../src/ids.ts";
import type { Db } from "../../src/store/database.ts";
import { startDatabase } from "../support/database.ts";
import { createFakeWorld, readFakeWorld, undoOf } from "./fake-layers.ts";
import { startFakeRoom } from "./fake-room.ts";

const everyStep = [0, 1, 2, 3, 4, 5, 6].flatMap((index) => [
  `${index}:running`,
  `${index}:applied`,
  `${index}:verified`,
]);

test("killed after every word of the journal, a recovery ends the same, with nothing done twice", {
  timeout: 600_000,
}, async (t) => {
  await using store = await startDatabase({ max: 4 });
  const { db, url } = store;
  for (const point of ["captured", ...everyStep])
    await t.test(`killed at ${point}`, async () => {
      await db`drop table if exists fake_world`;
      await createFakeWorld(db);
      const id = await planned(db);

      const doomed = fork(join(import.meta.dirname, "killed-room.ts"), [url, point]);
      await reached(doomed, point);
      doomed.kill("SIGKILL");
      await once(doomed, "exit");
      // Only so that this test need not wait for the lease to run out by itself.
      await db`update leases set expires_at = now()`;

      await finished(db, id);
      assert.deepEqual(
        await readFakeWorld(db),
        {
          code: "good-after-bad (1)",
          fleet: "free (2)",
          messages: "flowing (2)",
          runtime: "good-after-bad (1)",
        },
        `killed at ${point}`,
      );
    });
});

/** A recovery that was let go while no server ran. */
async function planned(db: Db): Promise<RecoveryId> {
  const room = await startFakeRoom(db);
  const { id } = await room.plan(undoOf(), "test");
  await room.loop.stop();
  await db`update recoveries set state = 'running', started_at = now() where id = ${id}`;
  return id;
}

/** The next server takes up what it finds. */
async function finished(db: Db, id: RecoveryId): Promise<void> {
  const ended = Promise.withResolvers<void>();
  const room = await startFakeRoom(db, {
    reached: async (_, at) => {
      if (at === "ended") ended.resolve();
    },
  });
  await ended.promise;
  assert.equal((await room.find(id))?.state, "verified");
  await room.loop.stop();
}

/** Resolves when the process says that it passed this point of the journal. */
async function reached(child: ReturnType<typeof fork>, point: string): Promise<void> {
  const signal = AbortSignal.timeout(120_000);
  for await (const [message] of on(child, "message", { signal })) {
    if ((message as { point: string }).point === point) return;
  }
}
