/**
 * The kill test beside two others, in one run on one PostgreSQL that syncs every commit to disk: the same small
 * work on Lastgood, on DBOS and on a LangGraph graph, killed with SIGKILL from outside at the same seeded moments
 * and started again at once. What is measured: how long until the next process is at the interrupted task again,
 * and what the outside was given twice, or never. `SEED=7 npm run bench:peers` plays other moments.
 */
import { access, chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createClient, type Lastgood } from "@lastgood/sdk";
import { stringify } from "yaml";
import { readOutside } from "../packages/server/src/drills/outside/outside.ts";
import {
  endProcess,
  startAgentProcess,
  startServer,
} from "../packages/server/src/drills/processes.ts";
import { freePort } from "../packages/server/src/free-port.ts";
import { openDatabase } from "../packages/server/src/store/database.ts";
import { startEmbedded } from "../packages/server/src/store/embedded.ts";
import { type Figures, figuresOf, ratiosOf } from "./peers/figures.ts";
import { type Contest, type Played, play } from "./peers/play.ts";
import { type Given, ownContest, type Peer, peerContest, prepare } from "./peers/sides.ts";
import type { BenchOptions } from "./run.ts";
import { buildPackages } from "./server-process.ts";

export const name = "peers";

const taskCount = 30;
const steps = 5;
const queuePollMs = 100;
const warmUp = "warm-up";

/** Each with an outside that can be asked what it has, and with one that cannot. */
const sides = [
  { name: "lastgood", system: "lastgood", looksUp: true },
  { name: "dbos", system: "dbos", looksUp: true },
  { name: "dbosQueue", system: "dbosQueue", looksUp: true },
  { name: "langgraph", system: "langgraph", looksUp: true },
  { name: "lastgoodBlind", system: "lastgood", looksUp: false },
  { name: "dbosBlind", system: "dbos", looksUp: false },
  { name: "langgraphBlind", system: "langgraph", looksUp: false },
] as const;

type Side = (typeof sides)[number];
type Round = number | typeof warmUp;

const install = "npm ci --prefix bench/peers";

export async function run({ short }: BenchOptions): Promise<Record<string, number | object>> {
  if (!(await isInstalled())) {
    process.exitCode = 1;
    const notMeasured = `the peers are not installed: run \`${install}\` first, or \`npm run bench:peers\``;
    process.stderr.write(`${notMeasured}\n`);
    return { notMeasured: [notMeasured] };
  }
  buildPackages();
  const seed = Number(process.env.SEED ?? 1);
  const [rounds, kills] = short ? [2, 5] : [6, 10];
  process.stderr.write(`seed ${seed}, ${rounds} rounds of ${kills} kills on each side\n`);
  await using world = await startWorld(rounds);
  const loadBefore = loadavg()[0] ?? Number.NaN;
  // Not measured: our server, which lives on while the workers die, is slower in its first requests.
  for (const side of sides) await play(await world.contest(side, warmUp), { seed, kills: 2 });
  const played = new Map<string, Played[]>(sides.map((side) => [side.name, []]));
  for (let round = 0; round < rounds; round++) {
    // Whoever comes first has the quieter disk: they take turns at that, too.
    const turns = [...sides.slice(round % sides.length), ...sides.slice(0, round % sides.length)];
    for (const side of turns) {
      const contest = await world.contest(side, round);
      played.get(side.name)?.push(await play(contest, { seed: seed * 1_000 + round, kills }));
    }
  }
  const given = await readOutside(world.folder);
  const figures = (side: Side) => figuresOf(played.get(side.name) ?? [], given, steps);
  const found = Object.fromEntries(sides.map((side) => [side.name, figures(side)])) as Record<
    Side["name"],
    Figures
  >;
  return {
    ...{ seed, rounds, killsInRound: kills, tasks: taskCount, steps, queuePollMs, loadBefore },
    ...found,
    theirsToOurs: {
      dbos: ratiosOf(found.dbos, found.lastgood),
      dbosQueue: ratiosOf(found.dbosQueue, found.lastgood),
      langgraph: ratiosOf(found.langgraph, found.lastgood),
    },
  };
}

async function isInstalled(): Promise<boolean> {
  const packages = ["@dbos-inc/dbos-sdk", "@langchain/langgraph-checkpoint-postgres"];
  const files = packages.map((each) => join(import.meta.dirname, "peers/node_modules", each));
  return await Promise.all(files.map((file) => access(file))).then(
    () => true,
    () => false,
  );
}

interface World extends AsyncDisposable {
  readonly folder: string;
  contest(side: Side, round: Round): Promise<Contest>;
}

const outsideProcess = resolve(
  import.meta.dirname,
  "../packages/server/src/drills/outside/outside-process.ts",
);
const program = resolve(import.meta.dirname, "../packages/server/bin/lastgood.js");

/** PostgreSQL with a database for each, the outside, and our server, built as it is published. */
async function startWorld(rounds: number): Promise<World> {
  await using stage = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "lastgood-bench-"));
  stage.defer(() => rm(folder, { recursive: true, force: true }));
  // PostgreSQL may run under an account of its own, which has to reach its home.
  await chmod(folder, 0o755);
  const postgres = await startEmbedded({ home: join(folder, "postgres") });
  stage.defer(() => postgres.stop());
  const port = await freePort();
  const outside = await startAgentProcess(outsideProcess, { folder, port });
  stage.defer(() => endProcess(outside));
  const home = join(folder, "home");
  await mkdir(home);
  const config = join(folder, "lastgood.yaml");
  await writeFile(config, configuration(rounds));
  const server = await startServer([process.execPath, program], {
    ...{ home, config, env: { LASTGOOD_BUILT: "1", DATABASE_URL: postgres.url } },
  });
  stage.defer(() => server.stop());
  const peers = await preparePeers(postgres.url);
  const client = createClient(server);
  const kept = stage.move();
  return {
    folder,
    async contest(side, round) {
      const tasks = Array.from({ length: taskCount }, (_, n) => `${side.name}-${round}-${n}`);
      const outsideUrl = `http://127.0.0.1:${port}`;
      const given: Given = { tasks, steps, looksUp: side.looksUp, outside: outsideUrl };
      return await contestOf({ client, url: server.url, peers }, side, round, given);
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

type Peers = Readonly<Record<Exclude<Side["system"], "lastgood">, Peer>>;

async function contestOf(
  { client, url, peers }: { client: Lastgood; url: string; peers: Peers },
  side: Side,
  round: Round,
  given: Given,
): Promise<Contest> {
  if (side.system !== "lastgood") return peerContest(peers[side.system], given);
  return await ownContest(client, { agent: agentOf(side.name, round), url, given });
}

function agentOf(side: string, round: Round): string {
  return `${side.toLowerCase()}-${round}`;
}

function configuration(rounds: number): string {
  const agents = sides
    .filter(({ system }) => system === "lastgood")
    .flatMap(({ name }) => [
      agentOf(name, warmUp),
      ...Array.from({ length: rounds }, (_, round) => agentOf(name, round)),
    ]);
  // Whoever is killed on purpose again and again needs more deliveries than three.
  const consumers = agents.map((agent) => [`${agent}-durable-v1`, { agent, maxDeliver: 100 }]);
  return stringify({
    version: 1,
    agents: Object.fromEntries(agents.map((agent) => [agent, {}])),
    messages: { consumers: Object.fromEntries(consumers) },
  });
}

async function preparePeers(url: string): Promise<Peers> {
  const admin = openDatabase(url, { max: 1 });
  const databaseOf = async (database: string): Promise<string> => {
    await admin.unsafe(`create database ${database}`);
    const own = new URL(url);
    own.pathname = `/${database}`;
    return own.href;
  };
  const direct = { queuePollMs: null } as const;
  const peers: Peers = {
    dbos: { worker: "dbos", databaseUrl: await databaseOf("dbos"), ...direct },
    dbosQueue: { worker: "dbos", databaseUrl: await databaseOf("dbos_queue"), queuePollMs },
    langgraph: { worker: "langgraph", databaseUrl: await databaseOf("langgraph"), ...direct },
  };
  await admin.end({ timeout: 5 });
  for (const peer of Object.values(peers)) await prepare(peer);
  return peers;
}
