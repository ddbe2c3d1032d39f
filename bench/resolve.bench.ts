/**
 * One resolve in process on a 10 % sticky split: ours, and what others take for the same rule on the same keys.
 * Each in a loop of its own in this process, in turns, the median of the rounds. `ratios` says how many times
 * as long the fastest of the others takes as we do: above 1 we are faster.
 */
import { GrowthBookClient } from "@growthbook/growthbook";
import { createClient, type Releases } from "@lastgood/sdk";
import { InMemoryProvider, OpenFeature } from "@openfeature/server-sdk";
import { InMemStorageProvider, Unleash } from "unleash-client";
import { startServer } from "../packages/server/test/support/server.ts";
import type { BenchOptions } from "./run.ts";

export const name = "resolve";

const artifact = "customer-service";
const keys = Array.from({ length: 1_000 }, (_, n) => `user-${n}`);

interface Contender extends AsyncDisposable {
  readonly name: string;
  /** Resolves every key once, one after the other; returns how many got the release of the 10 %. */
  resolveAll(): number | Promise<number>;
}

export async function run({ short }: BenchOptions): Promise<Record<string, number | object>> {
  const rounds = short ? 5 : 15;
  const contenders = [await ours(), await openFeature(), await unleash(), await growthBook()];
  const nanoseconds = new Map<string, number[]>();
  const parts: Record<string, number> = {};
  try {
    for (let round = -2; round < rounds; round++) {
      for (const contender of contenders) {
        const repeats = 20;
        const began = performance.now();
        let canary = 0;
        for (let n = 0; n < repeats; n++) {
          const counted = contender.resolveAll();
          canary += typeof counted === "number" ? counted : await counted;
        }
        const each = ((performance.now() - began) * 1e6) / (repeats * keys.length);
        parts[contender.name] = canary / (repeats * keys.length);
        // The first rounds warm up.
        if (round < 0) continue;
        nanoseconds.set(contender.name, [...(nanoseconds.get(contender.name) ?? []), each]);
      }
    }
  } finally {
    for (const contender of contenders) await contender[Symbol.asyncDispose]();
  }
  const perResolve = Object.fromEntries(
    [...nanoseconds].map(([who, all]) => [who, Math.round(median(all))]),
  );
  const { lastgood = Number.NaN, ...others } = perResolve;
  const fastest = Math.min(...Object.values(others));
  return {
    ...{ rounds, keys: keys.length },
    nanosecondsPerResolve: perResolve,
    partOfCanary: parts,
    ratios: {
      fastestOtherToOurs: Math.round((fastest / lastgood) * 100) / 100,
      oursToGoal: Math.round((lastgood / fastest) * 100) / 100,
    },
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1] ?? Number.NaN;
}

/** As an agent has it: pushed by a real server. */
async function ours(): Promise<Contender> {
  const server = await startServer();
  const { client } = server;
  for (const version of ["1.0.0", "2.0.0"]) {
    await client.publishRelease(artifact, { version, content: version, kind: "spec" });
  }
  const pin = { version: "1.0.0", inFlight: "switch" } as const;
  await client.deployRelease("production", artifact, pin);
  await client.deployRelease("production", artifact, { version: "2.0.0", percent: 10 });
  const { url } = server.lastgood;
  const follower = createClient({ url, token: await server.tokenAs("agent", "bench") });
  const releases: Releases = await follower.releases();
  return {
    name: "lastgood",
    resolveAll() {
      let canary = 0;
      for (const key of keys) if (releases.resolve(artifact, key).version === "2.0.0") canary += 1;
      return canary;
    },
    async [Symbol.asyncDispose]() {
      await releases.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Its in-memory provider evaluates no rules of its own: the split is a context evaluator, here the cheapest. */
async function openFeature(): Promise<Contender> {
  const provider = new InMemoryProvider({
    [artifact]: {
      disabled: false,
      variants: { one: "1.0.0", two: "2.0.0" },
      defaultVariant: "one",
      contextEvaluator: ({ targetingKey = "" }) => (sumOf(targetingKey) % 10 === 0 ? "two" : "one"),
    },
  });
  await OpenFeature.setProviderAndWait("bench", provider);
  const client = OpenFeature.getClient("bench");
  return {
    name: "openFeatureInMemory",
    async resolveAll() {
      let canary = 0;
      for (const targetingKey of keys) {
        const version = await client.getStringValue(artifact, "none", { targetingKey });
        if (version === "2.0.0") canary += 1;
      }
      return canary;
    },
    async [Symbol.asyncDispose]() {
      await OpenFeature.close();
    },
  };
}

function sumOf(text: string): number {
  let sum = 0;
  for (let index = 0; index < text.length; index++) sum = (sum * 31 + text.charCodeAt(index)) | 0;
  return sum >>> 0;
}

/** A gradual rollout with stickiness by user id, over toggles that are handed in. */
async function unleash(): Promise<Contender> {
  const client = new Unleash({
    ...{
      appName: "bench",
      url: "http://127.0.0.1:9/api/",
      customHeaders: { Authorization: "none" },
    },
    ...{ disableMetrics: true, refreshInterval: 0, storageProvider: new InMemStorageProvider() },
    bootstrap: {
      data: [
        {
          ...{
            name: artifact,
            type: "release",
            enabled: true,
            stale: false,
            impressionData: false,
          },
          ...{ project: "default", variants: [] },
          strategies: [
            {
              name: "flexibleRollout",
              parameters: { rollout: "10", stickiness: "userId", groupId: artifact },
              constraints: [],
            },
          ],
        },
      ],
    },
  });
  client.on("error", () => {});
  client.on("warn", () => {});
  await new Promise<void>((resolve) => client.once("ready", () => resolve()));
  return {
    name: "unleash",
    resolveAll() {
      let canary = 0;
      for (const userId of keys) if (client.isEnabled(artifact, { userId })) canary += 1;
      return canary;
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
    },
  };
}

/** A forced rule with coverage, by id, over the client that it has for servers: one for all users. */
async function growthBook(): Promise<Contender> {
  const features = {
    [artifact]: {
      defaultValue: "1.0.0",
      rules: [{ force: "2.0.0", coverage: 0.1, hashAttribute: "id" }],
    },
  };
  const client = new GrowthBookClient().initSync({ payload: { features } });
  return {
    name: "growthbook",
    resolveAll() {
      let canary = 0;
      for (const id of keys) {
        const version = client.getFeatureValue(artifact, "none", { attributes: { id } });
        if (version === "2.0.0") canary += 1;
      }
      return canary;
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
    },
  };
}
