/**
 * How many samples a second are taken in and judged: over HTTP as a client sends them, and by the rules
 * alone; and over HTTP with labels of two releases that are compared, client and server together on one core
 * (PostgreSQL, which nothing waits for, on any). `ROUNDS=9` (the default) gives the median of nine.
 */
import { execFileSync } from "node:child_process";
import { cpus } from "node:os";
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
import { until } from "../packages/server/test/support/until.ts";

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

const ofReleases = {
  mode: "watch",
  rollouts: {
    router: {
      ...{ ramp: [50, 100], hold: "1h", automatic: "watch" },
      guardrails: [
        { signal: "quality", dimensions: ["language", "tool"] },
        { signal: "latency_ms", good: { atMost: 100 } },
        { signal: "success" },
      ],
    },
  },
};
const languages = ["de", "en", "fr", "it"];

/** Thirds of quality, latency and success, of two releases, by two dimensions; every one is judged. */
function labelled(from: number): Sample[] {
  return Array.from({ length: batch }, (_, index): Sample => {
    const number = from * batch + index;
    const version = index % 2 === 0 ? "v13" : "v14";
    const dimensions = { language: languages[index % 4] ?? "de", tool: `t${index % 3}` };
    const common = {
      service: "router",
      release: `router:${version}`,
      key: `e${number}`,
      dimensions,
    };
    if (index % 3 === 0)
      return { ...common, signal: "quality", value: number % 20 === 0 ? 0 : 0.97 };
    if (index % 3 === 1) return { ...common, signal: "latency_ms", value: 10 + (index % 7) };
    return { ...common, signal: "success", ok: number % 40 !== 0 };
  });
}

/** Runs every thread of this process on these cores. */
function useCores(cores: string): void {
  execFileSync("taskset", ["-a", "-p", "-c", cores, String(process.pid)], { stdio: "ignore" });
}

interface OfReleases {
  readonly perSecond: number;
  /** By the processor time that client and server used together: what else runs on the machine does not count. */
  readonly perCpuSecond: number;
  readonly judged: number;
  readonly sent: number;
}

async function ofReleasesOverHttp(): Promise<OfReleases> {
  const gate = {
    judge: async () => ({ kind: "promote", because: "", scores: [], failed: [] }) as const,
  };
  await using server = await startServer(ofReleases, { gate });
  const { client } = server;
  await client.declareArtifact("router", { kind: "model", inFlight: "switch" });
  for (const version of ["v13", "v14"]) {
    await client.publishRelease("router", { version, content: { model: version } });
  }
  await client.deployRelease("production", "router", { version: "v13", because: "the first" });
  await client.startRollout("production", "router", { version: "v14", because: "a bench" });
  await until("the candidate to be watched", async () => {
    const { judgements } = await client.judgements();
    return judgements.length > 0 ? true : null;
  });
  useCores("0");
  let sent = 0;
  const rates: number[] = [];
  const cpuRates: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const batches = Array.from({ length: 20 }, (_, index) => labelled(round * 20 + index));
    const began = performance.now();
    const used = process.cpuUsage();
    await Promise.all(
      Array.from({ length: 4 }, async (_, worker) => {
        for (let index = worker; index < 20; index += 4) {
          await client.sendSamples(batches[index] ?? []);
        }
      }),
    );
    rates.push((20 * batch) / ((performance.now() - began) / 1_000));
    const { user, system } = process.cpuUsage(used);
    cpuRates.push((20 * batch) / ((user + system) / 1e6));
    sent += 20 * batch;
  }
  useCores(`0-${cpus().length - 1}`);
  const { judgement } = await client.judgement("production", "router");
  const whole = judgement?.lines.filter(({ dimension }) => dimension === null) ?? [];
  const judged = whole.reduce((sum, line) => sum + line.samples + line.controlSamples, 0);
  return { perSecond: median(rates), perCpuSecond: median(cpuRates), judged, sent };
}

/** Of releases, through the batch endpoint, on one core. */
const goals = { perSecondOnOneCore: 50_000 };

export async function run(): Promise<Record<string, number | object>> {
  const ofReleases = await ofReleasesOverHttp();
  return {
    rounds,
    samplesPerSecondOverHttp: await overHttp(),
    samplesPerSecondJudged: await judgedAlone(),
    releaseSamplesPerSecondOverHttpOnOneCore: ofReleases.perSecond,
    releaseSamplesPerCpuSecondOverHttp: ofReleases.perCpuSecond,
    releaseSamplesSent: ofReleases.sent,
    releaseSamplesJudged: ofReleases.judged,
    ratios: {
      releaseSamplesOnOneCoreToGoal:
        Math.round((100 * goals.perSecondOnOneCore) / ofReleases.perSecond) / 100,
    },
  };
}
