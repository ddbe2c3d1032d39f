/**
 * What a healthy fleet costs: the server's processor time for the heartbeats of 1,000 agents, and how long an
 * agent waits for each record it makes. The agents' own cost is theirs, and not counted.
 */
import { randomUUID } from "node:crypto";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createClient, type Lastgood } from "@lastgood/sdk";
import { tokenFileOf } from "../packages/server/src/token-file.ts";
import type { BenchOptions } from "./run.ts";
import { buildPackages, cpuSeconds, type Started, start, stop } from "./server-process.ts";

export const name = "fleet";

const agents = 1_000;
const heartbeatMs = 3_000;
const goals = { heartbeatCores: 0.08, recordP50Ms: 5 };

export async function run({ short }: BenchOptions): Promise<Record<string, number | object>> {
  buildPackages();
  const folder = await mkdtemp(join(tmpdir(), "lastgood-bench-"));
  await chmod(folder, 0o755);
  try {
    const home = join(folder, "home");
    const server = await start(home);
    const token = (await readFile(tokenFileOf(home), "utf8")).trim();
    const client = createClient({ url: server.url, token });
    try {
      const seconds = short ? 9 : 30;
      const idleCores = await coresOf(server, seconds);
      const records = await recordMs(client, short ? 200 : 1_000);
      const heartbeats = await heartbeatCost(server, client, token, seconds);
      const p50s = Object.values(records).map(({ p50 }) => p50);
      return {
        ...{ agents, heartbeatMs, idleCores, heartbeats, records },
        ratios: {
          heartbeatCoresToGoal: rounded((heartbeats.cores - idleCores) / goals.heartbeatCores),
          slowestRecordP50ToGoal: rounded(Math.max(...p50s) / goals.recordP50Ms),
        },
      };
    } finally {
      await stop(server);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Each agent beats every three seconds over a connection that it keeps, spread evenly. */
async function heartbeatCost(server: Started, client: Lastgood, token: string, seconds: number) {
  const ids: string[] = [];
  for (let index = 0; index < agents; index += 20) {
    const opened = Array.from({ length: 20 }, (_, nth) =>
      client.openSession({ agent: `agent-${index + nth}`, leaseMs: 10_000 }),
    );
    ids.push(...(await Promise.all(opened)).map(({ record }) => record.session_id));
  }
  const connections = new Agent({ keepAlive: true, maxSockets: agents });
  const { hostname, port } = new URL(server.url);
  let [answered, refused] = [0, 0];
  const beat = (id: string) =>
    new Promise<void>((resolve) => {
      const sent = request(
        {
          ...{ hostname, port, method: "POST", agent: connections },
          path: `/v1/sessions/${id}/heartbeat`,
          headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        },
        (response) => {
          if (response.statusCode === 200) answered += 1;
          else refused += 1;
          response.resume().once("end", resolve);
        },
      );
      sent.once("error", () => {
        refused += 1;
        resolve();
      });
      sent.end("{}");
    });
  const running = new AbortController();
  const lives = ids.map(async (id, index) => {
    await delay((index / agents) * heartbeatMs);
    while (!running.signal.aborted) {
      await beat(id);
      await delay(heartbeatMs, undefined, { signal: running.signal }).catch(() => {});
    }
  });
  await delay(heartbeatMs);
  const beatsBefore = answered;
  const cores = await coresOf(server, seconds);
  const beats = answered - beatsBefore;
  const { agents: seen } = await client.agents();
  running.abort();
  await Promise.all(lives);
  connections.destroy();
  return {
    ...{ cores, beatsPerSecond: Math.round(beats / seconds), refused, seconds },
    living: seen.filter(({ state }) => state === "working" || state === "suspect").length,
  };
}

/** What the server uses of one core, over that time. */
async function coresOf(server: Started, seconds: number): Promise<number> {
  const [before, began] = [await cpuSeconds(server), performance.now()];
  await delay(seconds * 1_000);
  const used = (await cpuSeconds(server)) - before;
  return Math.round((used / ((performance.now() - began) / 1_000)) * 1_000) / 1_000;
}

/** One agent, one record after another. */
async function recordMs(client: Lastgood, times: number) {
  await using session = await client.session({ agent: "recorder", leaseMs: 60_000 });
  const { id } = session;
  await client.assignTask({ id: "bench", title: "bench", agent: "recorder" });
  await session.tasks.claim("bench");
  const begun: string[] = [];
  const commit = () => randomUUID().replaceAll("-", "").padEnd(40, "0");
  return {
    effectBegun: await timed(times, async (n) => {
      const { effect } = await session.client.beginEffect({ session: id, key: `effect ${n}` });
      begun.push(effect.id);
    }),
    effectConfirmed: await timed(times, async (n) =>
      session.client.confirmEffect(begun[n] ?? "", { session: id }),
    ),
    checkpoint: await timed(times, (n) =>
      session.client.recordCheckpoint(id, { commit: commit(), message: `c ${n} [task:bench]` }),
    ),
    document: await timed(times, (n) => session.state.put("bench", `d${n % 10}`, { body: n })),
    heartbeatWithTokens: await timed(Math.min(times, 100), () =>
      session.client.heartbeat(id, { tokens: 1 }),
    ),
  };
}

/** Milliseconds of one call each: the median and the 95th percentile. */
async function timed(times: number, call: (n: number) => Promise<unknown>) {
  const took: number[] = [];
  for (let n = 0; n < times; n++) {
    const began = performance.now();
    await call(n);
    took.push(performance.now() - began);
  }
  took.sort((one, other) => one - other);
  const at = (share: number) => rounded(took[Math.floor((times - 1) * share)] ?? Number.NaN);
  return { p50: at(0.5), p95: at(0.95) };
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
