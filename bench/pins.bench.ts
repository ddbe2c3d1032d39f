/**
 * From the change of a pin to the last of 1,000 connected consumers that acknowledged it, as the server then
 * lists them; and that those which are frozen are listed as stragglers. The server is a process of its own, as
 * it is published; the consumers are the SDK's, all in this process, on the same machine.
 */
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createClient, type Lastgood, type Releases } from "@lastgood/sdk";
import { tokenFileOf } from "../packages/server/src/token-file.ts";
import type { BenchOptions } from "./run.ts";
import { buildPackages, cpuSeconds, start, stop } from "./server-process.ts";

export const name = "pins";

const consumers = 1_000;
const frozen = 5;
const goals = { lastAcknowledgedMsP99: 1_000 };
const environment = "production";
const artifact = "customer-service";
const lookEveryMs = 20;

export async function run({ short }: BenchOptions): Promise<Record<string, number | object>> {
  buildPackages();
  const folder = await mkdtemp(join(tmpdir(), "lastgood-bench-"));
  await chmod(folder, 0o755);
  const home = join(folder, "home");
  try {
    const server = await start(home);
    const token = (await readFile(tokenFileOf(home), "utf8")).trim();
    const client = createClient({ url: server.url, token });
    try {
      await publish(client);
      const following = await follow(client);
      const idleBefore = await cpuSeconds(server);
      await delay(short ? 3_000 : 10_000);
      const idleCores = ((await cpuSeconds(server)) - idleBefore) / (short ? 3 : 10);
      const before = { server: await cpuSeconds(server), consumers: process.cpuUsage() };
      const took = await changes(client, following, short ? 20 : 100);
      const used = process.cpuUsage(before.consumers);
      const cpuMsPerChange = {
        server: Math.round((((await cpuSeconds(server)) - before.server) * 1_000) / took.length),
        consumers: Math.round((used.user + used.system) / 1_000 / took.length),
      };
      const stragglers = await withFrozen(client);
      await Promise.all(following.map((each) => each.close()));
      const at = (share: number) => Math.round(took[Math.floor((took.length - 1) * share)] ?? 0);
      return {
        ...{ consumers, changes: took.length, frozen, stragglersListed: stragglers },
        lastAcknowledgedMs: { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) },
        cpuMsPerChange,
        idleCores: Math.round(idleCores * 1_000) / 1_000,
        ratios: {
          lastAcknowledgedP99ToGoal:
            Math.round((at(0.99) / goals.lastAcknowledgedMsP99) * 100) / 100,
        },
      };
    } finally {
      await stop(server);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function publish(client: Lastgood): Promise<void> {
  for (const version of ["1", "2"]) {
    const content = { version, rules: "x".repeat(4_000) };
    await client.publishRelease(artifact, { version, content, kind: "spec" });
  }
  await client.deployRelease(environment, artifact, { version: "1", inFlight: "switch" });
}

/** In waves, as a fleet does not start all at once. */
async function follow(client: Lastgood): Promise<readonly Releases[]> {
  const following: Releases[] = [];
  for (let from = 0; from < consumers; from += 50) {
    const wave = Array.from({ length: 50 }, (_, n) =>
      client.releases({ artifacts: [artifact], id: `consumer-${from + n}` }),
    );
    following.push(...(await Promise.all(wave)));
  }
  await acknowledged(client, consumers);
  return following;
}

/** Milliseconds of each change, sorted. */
async function changes(
  client: Lastgood,
  following: readonly Releases[],
  times: number,
): Promise<readonly number[]> {
  const took: number[] = [];
  for (let n = 0; n < times; n++) {
    const version = n % 2 === 0 ? "2" : "1";
    const began = performance.now();
    const { epoch } = await client.deployRelease(environment, artifact, { version });
    await acknowledged(client, consumers);
    took.push(performance.now() - began);
    const behind = following.filter((each) => each.epoch !== epoch || each.stale);
    if (behind.length > 0) throw new Error(`${behind.length} acknowledged what they do not follow`);
  }
  return took.sort((one, other) => one - other);
}

async function acknowledged(client: Lastgood, wanted: number): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const { pins } = await client.pins(environment);
    if ((pins[0]?.consumers.acknowledged ?? 0) >= wanted) return;
    if (performance.now() > deadline) throw new Error("not all acknowledged within a minute");
    await delay(lookEveryMs);
  }
}

/** Some that never ask again: how many the server lists after a change. */
async function withFrozen(client: Lastgood): Promise<number> {
  const { epoch } = await client.pin(environment, artifact);
  for (let n = 0; n < frozen; n++) {
    await client.pollPins(environment, `frozen-${n}`, { epoch, artifacts: [artifact] });
  }
  await acknowledged(client, consumers + frozen);
  const { shares } = await client.pin(environment, artifact);
  const version = shares[0]?.version === "1" ? "2" : "1";
  await client.deployRelease(environment, artifact, { version });
  await acknowledged(client, consumers);
  const { stragglers } = await client.pin(environment, artifact);
  return stragglers.filter(({ id }) => id.startsWith("frozen-")).length;
}
