/**
 * What the gateway adds to a streamed answer at 200 requests a second, against the bare endpoint: from the
 * request to the first word, to each word on its way from the endpoint, and to the whole of it. Endpoint, gateway and this load are three processes on one machine; bare and
 * through the gateway take turns, a few seconds each, in one run. Measured twice: the gateway of the server
 * itself, and one of its own.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { createClient } from "@lastgood/sdk";
import { freePort } from "../packages/server/src/free-port.ts";
import { tokenFileOf } from "../packages/server/src/token-file.ts";
import type { BenchOptions } from "./run.ts";
import {
  buildPackages,
  cpuSeconds,
  type Started,
  start,
  startGateway,
  stop,
} from "./server-process.ts";

export const name = "gateway";

const perSecond = 200;
const goals = { addedMsP50: 1, addedMsP99: 5 };

interface Took {
  readonly firstMs: number;
  readonly wholeMs: number;
  /** Of each word, from when it was sent. */
  readonly wordsMs: readonly number[];
}

export async function run({ short }: BenchOptions): Promise<Record<string, number | object>> {
  buildPackages();
  const folder = await mkdtemp(join(tmpdir(), "lastgood-bench-"));
  await chmod(folder, 0o755);
  const model = await startModel();
  try {
    const config = join(folder, "lastgood.yaml");
    const ownPort = await freePort();
    await writeFile(
      config,
      `gateway:\n  port: ${ownPort}\n  endpoints: { local: { url: "${model.url}/v1", api: openai } }\n`,
    );
    const home = join(folder, "home");
    const server = await start(home, ["--config", config]);
    const token = (await readFile(tokenFileOf(home), "utf8")).trim();
    await publish(createClient({ url: server.url, token }));
    const state = join(folder, "gateway");
    const apart = await startGateway(server.url, token, ["--config", config, "--state", state]);
    try {
      const rounds = short ? 2 : 6;
      const own = { ...server, url: `http://127.0.0.1:${ownPort}` };
      const inServer = await compare(model.url, own, token, rounds);
      const ofItsOwn = await compare(model.url, apart, token, rounds);
      return { perSecond, inServer, ofItsOwn };
    } finally {
      await stop(apart);
      await stop(server);
    }
  } finally {
    model.child.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

async function startModel(): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "model-process.ts")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const port of createInterface(child.stdout)) {
    return { child, url: `http://127.0.0.1:${port}` };
  }
  throw new Error("the model's process ended");
}

async function publish(client: ReturnType<typeof createClient>): Promise<void> {
  const content = { endpoint: "local", model: "m" };
  await client.publishRelease("router", { version: "1", kind: "model", content });
  await client.deployRelease("production", "router", { version: "1", inFlight: "switch" });
}

async function compare(bare: string, gateway: Started, token: string, rounds: number) {
  const took: { readonly bare: Took[]; readonly gateway: Took[] } = { bare: [], gateway: [] };
  await load(bare, token, 1_000);
  await load(gateway.url, token, 2_000);
  let cpuS = 0;
  for (let round = 0; round < rounds; round++) {
    took.bare.push(...(await load(bare, token, 4_000)));
    const before = await cpuSeconds(gateway);
    took.gateway.push(...(await load(gateway.url, token, 4_000)));
    cpuS += (await cpuSeconds(gateway)) - before;
  }
  const first = addedOf(took, ({ firstMs }) => [firstMs]);
  const word = addedOf(took, ({ wordsMs }) => wordsMs);
  const whole = addedOf(took, ({ wholeMs }) => [wholeMs]);
  return {
    requests: took.gateway.length,
    cpuMsPerRequest: Math.round((cpuS * 100_000) / took.gateway.length) / 100,
    ...{ firstWord: first, eachWord: word, wholeAnswer: whole },
    ratios: {
      firstWordP50ToGoal: ratio(first.addedMs.p50, goals.addedMsP50),
      firstWordP99ToGoal: ratio(first.addedMs.p99, goals.addedMsP99),
      eachWordP50ToGoal: ratio(word.addedMs.p50, goals.addedMsP50),
      eachWordP99ToGoal: ratio(word.addedMs.p99, goals.addedMsP99),
      wholeAnswerP50ToGoal: ratio(whole.addedMs.p50, goals.addedMsP50),
      wholeAnswerP99ToGoal: ratio(whole.addedMs.p99, goals.addedMsP99),
    },
  };
}

const ratio = (value: number, goal: number) => Math.round((value / goal) * 100) / 100;

function addedOf(
  took: { readonly bare: readonly Took[]; readonly gateway: readonly Took[] },
  of: (took: Took) => readonly number[],
) {
  const sorted = (all: readonly Took[]) => all.flatMap(of).sort((one, other) => one - other);
  const [bare, gateway] = [sorted(took.bare), sorted(took.gateway)];
  const quantile = (all: readonly number[], share: number) =>
    all[Math.floor((all.length - 1) * share)] ?? 0;
  const rounded = (value: number) => Math.round(value * 100) / 100;
  const both = (share: number) => [quantile(bare, share), quantile(gateway, share)] as const;
  const [bare50, gateway50] = both(0.5);
  const [bare99, gateway99] = both(0.99);
  return {
    bareMs: { p50: rounded(bare50), p99: rounded(bare99) },
    gatewayMs: { p50: rounded(gateway50), p99: rounded(gateway99) },
    addedMs: { p50: rounded(gateway50 - bare50), p99: rounded(gateway99 - bare99) },
  };
}

/** Requests begin at their time, whoever is slow. */
async function load(url: string, token: string, forMs: number): Promise<readonly Took[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  const asking: Promise<Took>[] = [];
  const began = performance.now();
  const count = (perSecond * forMs) / 1_000;
  while (asking.length < count) {
    const due = Math.floor(((performance.now() - began) * perSecond) / 1_000);
    while (asking.length < Math.min(due, count)) asking.push(ask(url, token, agent));
    await delay(1);
  }
  const took = await Promise.all(asking);
  agent.destroy();
  return took;
}

function ask(url: string, token: string, agent: Agent): Promise<Took> {
  const body = JSON.stringify({
    ...{ model: "router", stream: true },
    messages: [{ role: "user", content: "Which queue is this for? My invoice is wrong." }],
  });
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const asked = request(`${url}/v1/chat/completions`, {
      ...{ method: "POST", agent },
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    });
    asked.once("error", reject);
    asked.once("response", (answer) => {
      let firstMs = 0;
      let text = "";
      const wordsMs: number[] = [];
      answer.on("data", (chunk: Buffer) => {
        firstMs ||= performance.now() - began;
        const now = process.hrtime.bigint();
        const more = chunk.toString();
        text += more;
        for (const [, sent = "0"] of more.matchAll(/"content":"(\d+) "/g)) {
          wordsMs.push(Number(now - BigInt(sent)) / 1e6);
        }
      });
      answer.once("end", () => {
        if (!text.endsWith("data: [DONE]\n\n")) reject(new Error(`no whole answer: ${text}`));
        else resolve({ firstMs, wholeMs: performance.now() - began, wordsMs });
      });
      answer.once("error", reject);
    });
    asked.end(body);
  });
}
