import assert from "node:assert/strict";
import { test } from "node:test";
import { withServiceLease } from "../../src/layers/runtime/service-lease.ts";
import { realWorld } from "../../src/world.ts";
import { startDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";

test("a deploy that was held up for longer than its lease goes on, where nobody else deployed meanwhile", async () => {
  await using store = await startDatabase();
  const { db } = store;
  const turn = { waitMs: 0, signal: new AbortController().signal };
  const own = { db, world: realWorld };
  const isOurs = await withServiceLease(own, "content-api", turn, async (signal) => {
    await db`update leases set expires_at = now() - interval '1 hour'`;
    await until("the lease to be renewed", async () => {
      const [row] = await db`select from leases where expires_at > now()`;
      return row !== undefined;
    });
    await assert.rejects(
      withServiceLease(own, "content-api", turn, async () => {}),
      { code: "target_busy" },
    );
    return !signal.aborted;
  });
  assert.ok(isOurs);
  await withServiceLease(own, "content-api", turn, async () => {});
});

test("a deploy whose service went to another is told so, and does not take it again", async () => {
  await using store = await startDatabase();
  const { db } = store;
  const turn = { waitMs: 0, signal: new AbortController().signal };
  const own = { db, world: realWorld };
  await withServiceLease(own, "content-api", turn, async (signal) => {
    await db`update leases set holder = 'another', epoch = epoch + 1, expires_at = now()`;
    await until("it to be told", () => signal.aborted);
    assert.equal((signal.reason as { code?: string }).code, "fenced");
    await withServiceLease(own, "content-api", turn, async () => {});
  });
});
