import assert from "node:assert/strict";
import { test } from "node:test";
import { startDatabase } from "../support/database.ts";
import { runKills } from "./kills/run-kills.ts";
import { tableOf } from "./kills/table.ts";

const seed = Number(process.env.SEED ?? Date.now() % 100_000);
const kills = Number(process.env.KILLS ?? 50);

test("agents that are killed from outside at any moment lose nothing, and do nothing twice", {
  timeout: 170_000,
}, async (t) => {
  await using store = await startDatabase();
  const outcome = await runKills({
    ...{ kills, seed, natsUrl: null, databaseUrl: store.url, agents: 4 },
    leaseMs: [2_000, 3_000],
    drainMsMax: 60_000,
    told: (text) => t.diagnostic(text),
    signal: AbortSignal.timeout(110_000),
  });
  t.diagnostic(`SEED=${seed}`);
  assert.ok(outcome.kills >= kills, `SEED=${seed}: ${outcome.kills} kills`);
  const against = outcome.judged.filter(({ violations }) => violations.length > 0);
  assert.deepEqual(against, [], `SEED=${seed}\n${tableOf(outcome)}`);
});
