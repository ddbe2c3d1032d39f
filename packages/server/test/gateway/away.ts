/**
 * Agents work through a gateway of its own while the server and its PostgreSQL are killed from outside, stay
 * away, and come back. The gateway itself is started again in the midst of it, from what it kept.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, type Lastgood } from "@lastgood/sdk";
import OpenAI from "openai";
import { freePort } from "../../src/free-port.ts";
import type { GatewayHealth } from "../../src/gateway/gateway.ts";
import { tokenFileOf } from "../../src/token-file.ts";
import { bin } from "../support/lastgood.ts";
import { until } from "../support/until.ts";
import { startFakeModel } from "./fake-model.ts";

export interface AwayOptions {
  /** How long server and PostgreSQL stay away, once the gateway was started again without them. */
  readonly awayMs: number;
  readonly requestsPerSecond: number;
  told(text: string): void;
}

export interface AwayOutcome {
  readonly requests: number;
  /** Why each failed, at most 20. */
  readonly failedRequests: readonly string[];
  readonly resolves: number;
  readonly failedResolves: readonly string[];
  /** Requests that were answered while the server was away. */
  readonly requestsWhileAway: number;
  /** The most samples that waited for the server. */
  readonly bufferedMax: number;
  readonly dropped: number;
  /** Requests that the server knows of once it is back. */
  readonly known: number;
}

const artifact = "router";
const production = "production";
const resolvesPerTick = 200;

export async function runAway(options: AwayOptions): Promise<AwayOutcome> {
  await using stage = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "lastgood-away-"));
  await chmod(folder, 0o755);
  stage.defer(() => rm(folder, { recursive: true, force: true }));
  const model = stage.use(await startFakeModel(({ body }) => ({ text: `from ${body.model} now` })));
  const place = await makePlace(folder, model.url);
  stage.defer(() => place.end());
  await place.startServer();
  const { client, tokens } = await prepare(place);
  const gatewayPort = await freePort();
  await place.startGateway(tokens.gateway, gatewayPort);
  const releases = await client.releases({ artifacts: [artifact] });
  stage.defer(() => releases.close());
  const url = `http://127.0.0.1:${gatewayPort}`;
  const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: tokens.agent, maxRetries: 0 });
  const load = startLoad(openai, options.requestsPerSecond, () => {
    for (let n = 0; n < resolvesPerTick; n++) releases.resolve(artifact, `user-${n}`);
  });
  stage.defer(() => load.stop());
  const health = async () => (await (await fetch(`${url}/health`)).json()) as GatewayHealth;
  await until("requests", () => load.done() >= 10);
  await until("the callers to be kept", () => readFile(join(place.state, "callers.json")));

  options.told("server and PostgreSQL are killed");
  await place.killServer();
  const before = load.done();
  await until("the gateway to know that it is alone", async () => (await health()).stale);
  // Requests under way end first, and new ones are asked again where they find nobody for a moment.
  options.told("the gateway is started again, alone");
  await load.pause();
  const waiting = (await health()).buffered;
  await place.stopGateway();
  await place.startGateway(tokens.gateway, gatewayPort);
  load.resume();
  const ends = performance.now() + options.awayMs;
  let bufferedMax = waiting;
  await until(
    "the time to pass",
    async () => {
      bufferedMax = Math.max(bufferedMax, (await health()).buffered);
      return performance.now() > ends;
    },
    options.awayMs + 60_000,
  );
  const requestsWhileAway = load.done() - before;
  options.told("the server is started again");
  await place.startServer();
  const caughtUp = await until(
    "the gateway to have told all",
    async () => {
      const now = await health();
      return !now.stale && now.buffered < 50 && now;
    },
    60_000,
  );
  await load.stop();
  const known = await until("the requests to be known", async () => await countKnown(client));
  return {
    ...{ requests: load.done(), failedRequests: load.failed, resolves: load.resolves() },
    ...{ failedResolves: load.failedResolves, requestsWhileAway, bufferedMax },
    ...{ dropped: caughtUp.dropped, known },
  };
}

async function countKnown(client: Lastgood): Promise<number> {
  const { executions } = await client.executions({ artifact, state: "finished", limit: 1_000 });
  return executions.length;
}

interface Place {
  readonly url: string;
  readonly home: string;
  readonly state: string;
  startServer(): Promise<void>;
  /** SIGKILL, and PostgreSQL as well. */
  killServer(): Promise<void>;
  startGateway(token: string, port: number): Promise<void>;
  stopGateway(): Promise<void>;
  end(): Promise<void>;
}

async function makePlace(folder: string, modelUrl: string): Promise<Place> {
  const home = join(folder, "home");
  const state = join(folder, "gateway");
  const config = join(folder, "lastgood.yaml");
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  // The server's own gateway is in nobody's way.
  await writeFile(
    config,
    `gateway:\n  port: 0\n  endpoints:\n    local: { url: "${modelUrl}/v1", api: openai }\n`,
  );
  const running = new Map<"server" | "gateway", ChildProcess>();

  async function start(what: "server" | "gateway", args: readonly string[], token?: string) {
    const child = spawn(process.execPath, [bin, ...args, "--config", config], {
      cwd: folder,
      env: { ...process.env, DATABASE_URL: undefined, LASTGOOD_TOKEN: token, LASTGOOD_URL: url },
      stdio: ["ignore", "pipe", "ignore"],
    });
    running.set(what, child);
    let said = "";
    await new Promise<void>((resolve, reject) => {
      child.stdout.on("data", (chunk: Buffer) => {
        said += chunk.toString();
        if (/ is at http:\S+\n/.test(said)) resolve();
      });
      child.once("exit", () => reject(new Error(`the ${what} ended: ${said}`)));
    });
  }
  async function end(what: "server" | "gateway", signal: NodeJS.Signals) {
    const child = running.get(what);
    running.delete(what);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, "exit");
  }
  return {
    ...{ url, home, state },
    startServer: () => start("server", ["start", "--home", home, "--port", String(port)]),
    async killServer() {
      const pid = await readFile(join(home, "postgres", "data", "postmaster.pid"), "utf8");
      await end("server", "SIGKILL");
      process.kill(Number(pid.split("\n")[0]), "SIGKILL");
    },
    startGateway: (token, gatewayPort) =>
      start("gateway", ["gateway", "--state", state, "--port", String(gatewayPort)], token),
    stopGateway: () => end("gateway", "SIGTERM"),
    async end() {
      await end("gateway", "SIGTERM");
      await end("server", "SIGTERM");
    },
  };
}

async function prepare({ url, home }: Place) {
  const token = (await readFile(tokenFileOf(home), "utf8")).trim();
  const client = createClient({ url, token });
  for (const version of ["13", "14"]) {
    const content = { endpoint: "local", model: `small-${version}` };
    await client.publishRelease(artifact, { version, kind: "model", content });
  }
  await client.deployRelease(production, artifact, { version: "13", inFlight: "switch" });
  await client.deployRelease(production, artifact, { version: "14", percent: 50 });
  const gateway = await client.createToken({ role: "operator", name: "gateway" });
  const agent = await client.createToken({ role: "agent", name: "triager", agent: "triager" });
  return { client, tokens: { gateway: gateway.secret, agent: agent.secret } };
}

/** Streams that begin at their time, whoever is slow. */
function startLoad(openai: OpenAI, perSecond: number, resolve: () => void) {
  const failed: string[] = [];
  const failedResolves: string[] = [];
  const underWay = new Set<Promise<void>>();
  let done = 0;
  let resolves = 0;
  let isPaused = false;

  async function ask(user: string): Promise<void> {
    try {
      let text = "";
      const stream = await openai.chat.completions.create({
        ...{ model: artifact, user, stream: true, messages: [{ role: "user", content: "x" }] },
      });
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
      if (!/^from small-1[34] now$/.test(text)) throw new Error(`it was answered "${text}"`);
    } catch (error) {
      if (failed.length < 20) failed.push(String(error));
    }
    done += 1;
  }

  const timer = setInterval(() => {
    try {
      resolve();
      resolves += resolvesPerTick;
    } catch (error) {
      if (failedResolves.length < 20) failedResolves.push(String(error));
    }
    if (isPaused) return;
    const asking = ask(`user-${done % 50}`);
    underWay.add(asking);
    void asking.finally(() => underWay.delete(asking));
  }, 1_000 / perSecond);

  return {
    ...{ failed, failedResolves },
    done: () => done,
    resolves: () => resolves,
    async pause() {
      isPaused = true;
      await Promise.all(underWay);
    },
    resume() {
      isPaused = false;
    },
    async stop() {
      clearInterval(timer);
      await Promise.all(underWay);
    },
  };
}
