import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { test } from "node:test";
import { pino } from "pino";
import { configSchema } from "../../src/config/config.ts";
import { type LoopTurn, loopTurns } from "../../src/loop.ts";
import { createSignals } from "../../src/signals/signals.ts";
import { realWorld } from "../../src/world.ts";
import { startDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";

test("a stop ends every loop, also where PostgreSQL is away and the last samples cannot be saved", async () => {
  await using store = await startDatabase();
  const services = { api: { url: "http://127.0.0.1:9" } };
  const rules = { answers: { service: "api", signal: "answered" } };
  const signals = await createSignals({
    ...{ db: store.db, world: realWorld, log: pino({ level: "silent" }) },
    configuration: { base: "/", current: () => configSchema.parse({ services, rules }) },
  });
  const sample = { service: "api", signal: "answered", ok: true, value: null, key: null };
  signals.ingest([{ ...sample, at: Date.now(), dimensions: null, hard: null }]);
  await store.goAway();
  await assert.rejects(signals.stop());
  const turned = new Set<string>();
  const hear = (told: unknown) => void turned.add((told as LoopTurn).loop);
  subscribe(loopTurns, hear);
  try {
    await assert.rejects(until("a loop that goes on", () => turned.size > 0, 1_500));
  } finally {
    unsubscribe(loopTurns, hear);
    await store.come();
  }
});
