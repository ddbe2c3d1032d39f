/**
 * How many samples a second are taken in and judged: over HTTP as a client sends them, and by the rules
 * alone. `ROUNDS=9` (the default) gives the median of nine.
 */
import { createClient, type Sample } from "@lastgood/sdk";
import { pino } from "pino";
import { configSchema } from "../packages/server/src/config/config.ts";
import { createEvidenceWriter } from "../packages/server/src/signals/evidence-writer.ts";
import { createRuleEngine } from "../packages/server/src/signals/rule-engine.ts";
import { createSignalMemory } from "../packages/server/src/signals/signal-memory.ts";
import { createVerdictDesk } from "../packages/server/src/signals/verdict-desk.ts";
import { realWorld } from "../packages/server/src/world.ts";
import { startDatabase } from "../packages/server/test/support/database.ts";
import { startServer } from "../packages/server/test/support/server.ts";

export const name = "samples";

const config = {
  services: { api: {} },
  rules: {
    publishing: { service: "api", signal: "publish" },
    latency: { service: "api", signal: "latency_ms", good: { atMost: 100 } },
  },
};
const batch = 1_000;
const rounds = Number(process.env.ROUNDS ?? 9);

function samples(from: number): Sample[] {
  return Array.from({ length: batch }, (_, index) =>
    index % 2 === 0
      ? { service: "api", signal: "publish", ok: (from + index) % 40 !== 0, key: `run-${index}` }
      : { service: "api", signal: "latency_ms", value: 10 + (index % 7) },
  );
}

function median(values: readonly number[]): number {
  return Math.round([...values].sort((a, b) => a - b)[values.length >> 1] ?? 0);
}

/** Four requests under way at once, each of a thousand samples. */
async function overHttp(): Promise<number> {
  await using server = await startServer(config);
  const client = createClient({
    url: server.lastgood.url,
    token: await server.tokenAs("operator"),
  });
  const rates: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const began = performance.now();
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        for (let index = 0; index < 5; index++) await client.sendSamples(samples(index));
      }),
    );
    rates.push((20 * batch) / ((performance.now() - began) / 1_000));
  }
  return median(rates);
}

/** The rules alone, with history and evidence kept, nothing written. */
async function judgedAlone(): Promise<number> {
  await using store = await startDatabase();
  const writer = createEvidenceWriter(store.db);
  const memory = createSignalMemory(writer);
  const engine = createRuleEngine({ world: realWorld, writer, memory, desk: () => desk });
  const desk = createVerdictDesk({
    world: realWorld,
    log: pino({ level: "silent" }),
    freshForMs: () => 1,
    hasExposedChange: async () => true,
    announcements: async () => [],
    levelsOf: engine.levelsOf,
    read: engine.read,
    record: writer.verdict,
  });
  engine.configure(configSchema.parse(config));
  const rates: number[] = [];
  let at = Date.now();
  for (let round = 0; round < rounds; round++) {
    const began = performance.now();
    for (let index = 0; index < 50; index++) {
      at += 100;
      engine.ingest(
        samples(index).map(({ service, signal, ok, value, key }) => ({
          ...{ service, signal, at, ok: ok ?? null, value: value ?? null, key: key ?? null },
          ...{ dimensions: null, hard: null },
        })),
      );
    }
    rates.push((50 * batch) / ((performance.now() - began) / 1_000));
  }
  await desk.settled();
  return median(rates);
}

export async function run(): Promise<Record<string, number>> {
  return {
    rounds,
    samplesPerSecondOverHttp: await overHttp(),
    samplesPerSecondJudged: await judgedAlone(),
  };
}
