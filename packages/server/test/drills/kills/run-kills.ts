/**
 * The kill test: agents work, are killed with SIGKILL from outside at moments that a seed chooses, and others take
 * their place. At the end the world must show that nothing was lost and nothing done twice.
 */
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, type Lastgood } from "@lastgood/sdk";
import { stringify } from "yaml";
import {
  endProcess,
  type Program,
  startAgentProcess,
  startServer,
} from "../../../src/drills/processes.ts";
import { git } from "../../../src/drills/run-git.ts";
import { until } from "../../../src/drills/until.ts";
import { freePort } from "../../../src/free-port.ts";
import { ownHost } from "../../../src/own-host.ts";
import { createDesk, type Desk } from "./desk.ts";
import { judge, unnoticed } from "./judge.ts";
import { createKiller, type Killing } from "./killer.ts";
import type { Life } from "./life.ts";
import type { Outcome } from "./table.ts";
import { readWorld, sessionsOf } from "./world-at-end.ts";

export interface KillsOptions {
  readonly kills: number;
  readonly seed: number;
  /** Null: messages are in the embedded log. */
  readonly natsUrl: string | null;
  /** Null: an embedded PostgreSQL of the run's own. */
  readonly databaseUrl: string | null;
  readonly agents: number;
  readonly leaseMs: readonly [number, number];
  readonly drainMsMax: number;
  /** Runs over a Lastgood that is broken in one place: the table must show it. */
  readonly mutation?: string;
  told(text: string): void;
  readonly signal: AbortSignal;
}

const node = [
  process.execPath,
  "--conditions=development",
  "--disable-warning=ExperimentalWarning",
] as const;

function programOf(mutation: string | undefined): Program {
  return mutation === undefined
    ? [...node, join(import.meta.dirname, "../../../bin/lastgood.js")]
    : [...node, join(import.meta.dirname, "../mutated-program.ts"), "--mutation", mutation];
}

export async function runKills(options: KillsOptions): Promise<Outcome> {
  const { seed, natsUrl, told } = options;
  await using stage = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "lastgood-kills-"));
  stage.defer(() => rm(folder, { recursive: true, force: true }));
  // As root, PostgreSQL runs under another account, which must find its way to its data.
  await chmod(folder, 0o711);
  const agents = Array.from({ length: options.agents }, (_, index) => `a${index + 1}`);
  await buildFolder(folder, agents, natsUrl);
  const server = await startServer(programOf(options.mutation), {
    home: join(folder, "home"),
    config: join(folder, "lastgood.yaml"),
    env: options.databaseUrl === null ? {} : { DATABASE_URL: options.databaseUrl },
  });
  stage.defer(() => server.stop());
  const port = await freePort();
  const outside = await startAgentProcess(outsideFile, { folder, port });
  stage.defer(() => endProcess(outside));
  const client = createClient(server);
  const briefings = await Promise.all(
    agents.map(async (agent) => ({
      ...{ agent, seed, url: server.url, host: ownHost(), workTree: join(folder, "work", agent) },
      outside: `http://127.0.0.1:${port}`,
      token: (await client.createToken({ role: "agent", name: agent, agent })).secret,
    })),
  );
  const desk = createDesk({ ...options, client, folder, agents });
  const killer = createKiller({ ...options, client, desk, briefings });
  stage.defer(() => killer.stopAll());

  const began = performance.now();
  await killer.killUntil(options.kills);
  told(`${killer.kills()} kills: the rest of the work is done in peace`);
  await done(desk, killer, told);
  const { effects: unknown } = await client.effects({ state: "unknown", limit: 1_000 });
  const listedAt = Date.now();
  await desk.settleUnknown();
  await done(desk, killer, told);
  await killer.stopAll();
  await untilBuried(client, agents, killer.lives, options);
  const tookMs = performance.now() - began;
  const { lives } = killer;
  const world = await readWorld({
    ...{ client, folder, agents, seed, unknown, listedAt },
    ...{ given: desk.given(), released: killer.released() },
  });
  const engine = natsUrl === null ? "embedded" : "nats";
  return { seed, engine, tookMs, kills: killer.kills(), lives, judged: judge(lives, world), world };
}

const outsideFile = join(import.meta.dirname, "../../../src/drills/outside/outside-process.ts");

async function buildFolder(
  folder: string,
  agents: readonly string[],
  natsUrl: string | null,
): Promise<void> {
  for (const agent of agents) {
    const tree = join(folder, "work", agent);
    await mkdir(tree, { recursive: true });
    await git(tree, agent, "init", "--quiet", "--initial-branch=main");
    await git(tree, agent, "commit", "--quiet", "--allow-empty", "--message=A place for jobs");
  }
  const consumers = agents.map((agent) => [
    `${agent}-durable-v1`,
    // Whoever is killed on purpose again and again needs more deliveries than three.
    { agent, maxDeliver: 100 },
  ]);
  const config = {
    version: 1,
    agents: Object.fromEntries(agents.map((agent) => [agent, {}])),
    messages: {
      ...(natsUrl === null ? {} : { engine: "nats", url: natsUrl }),
      consumers: Object.fromEntries(consumers),
    },
  };
  await mkdir(join(folder, "home"));
  await writeFile(join(folder, "lastgood.yaml"), stringify(config));
}

async function done(desk: Desk, killer: Killing, told: (text: string) => void): Promise<void> {
  if (await desk.untilDrained(() => killer.keepAlive())) return;
  told("the work was not done in time: what is left is in the table");
}

const slackMs = 3_000;

/** One that was fenced when it was dead already is known to be dead a lease later; not all need be. */
async function untilBuried(
  client: Lastgood,
  agents: readonly string[],
  lives: readonly Life[],
  { leaseMs: [, leaseMsMax], signal }: KillsOptions,
): Promise<void> {
  const look = async () => {
    const sessions = await sessionsOf(client, agents);
    return unnoticed(lives, { sessions }).length === 0 ? true : null;
  };
  await until("the dead to be known", look, {
    ...{ withinMs: leaseMsMax + slackMs, everyMs: 200, signal },
  }).catch(() => signal.throwIfAborted());
}
