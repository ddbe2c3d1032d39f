import assert from "node:assert/strict";
import { test } from "node:test";
import { createEvidenceWriter } from "../../src/signals/evidence-writer.ts";
import { loadChunks } from "../../src/signals/signals-store.ts";
import { startDatabase } from "../support/database.ts";

const blank = { ok: true, value: null, key: null, dimensions: null, hard: null } as const;

test("while PostgreSQL is away the newest are kept, the oldest dropped, and every drop counted", async () => {
  await using store = await startDatabase();
  const writer = createEvidenceWriter(store.db);
  await store.db`alter table signal_chunks rename to away`;
  const signals = 60;
  const each = 1_000;
  for (let signal = 0; signal < signals; signal++) {
    for (let index = 0; index < each; index++) {
      const at = 1_800_000_000_000 + signal * 10_000 + index;
      writer.sample({ service: "api", signal: `signal-${signal}`, at, ...blank });
    }
    if (signal === 20) await assert.rejects(writer.flush([], new Date()), /signal_chunks/);
  }
  await assert.rejects(writer.flush([], new Date()), /signal_chunks/);
  assert.equal(writer.dropped(), 10_000);
  await store.db`alter table away rename to signal_chunks`;
  await writer.flush([], new Date());
  const kept = await loadChunks(store.db, "services");
  assert.equal(
    kept.reduce((sum, { samples }) => sum + samples.length, 0),
    signals * each - writer.dropped(),
  );
  assert.ok(!kept.some(({ signal }) => signal === "signal-0"), "the oldest went first");
  assert.ok(kept.some(({ signal }) => signal === `signal-${signals - 1}`));
});
