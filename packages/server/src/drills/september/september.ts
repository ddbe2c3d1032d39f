/**
 * September: the backend agent drops an index in a refactor. The front page takes seconds, posts cannot be
 * published. Lastgood must find which commit did it among innocents, revert it alone, and get the
 * interrupted work done. The drill sets the stage, lets it happen, and reads the world afterwards.
 */
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { setPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, createClient } from "@lastgood/sdk";
import { loadConfig } from "../../config/load.ts";
import { settingsNotDefault } from "../../config/settings-not-default.ts";
import { openDatabase } from "../../store/database.ts";
import { startEmbedded } from "../../store/embedded.ts";
import type { Drill, DrillOptions, DrillReport } from "../drill.ts";
import { type Narrator, narrator } from "../narrator.ts";
import { runCommand, type ServerProcess, startServer } from "../processes.ts";
import { until } from "../until.ts";
import { type Cast, startCast } from "./cast.ts";
import { followIncident } from "./follow.ts";
import type { Played } from "./played.ts";
import { explain, measureFrontPage } from "./reading.ts";
import { reportOf } from "./report.ts";
import { type Act, type Story, tellStory, type Variant, variants } from "./story.ts";
import { buildWorld, type SeptemberWorld } from "./world.ts";

export const september: Drill = {
  name: "september",
  summary: "a refactor drops an index: find the commit, revert it alone, resume the work",
  variants,
  run,
};

async function run(options: DrillOptions): Promise<DrillReport> {
  const folder = options.keep ?? (await mkdtemp(join(tmpdir(), "lastgood-september-")));
  await mkdir(folder, { recursive: true });
  // As root, PostgreSQL runs under another account, which must find its way to its data.
  await chmod(folder, 0o711);
  await using stage = new AsyncDisposableStack();
  if (options.keep === null) stage.defer(() => rm(folder, { recursive: true, force: true }));
  const told = narrator(options);
  const story = tellStory(options.seed, options.variant as Variant | null);
  told(
    "drill",
    `seed ${story.seed}, variant ${story.variant}, ${story.bundled ? "bundled" : "deployed apart"}`,
  );

  const databaseUrl = await productionDatabase(stage, folder, options.databaseUrl);
  const world = await buildWorld(folder, databaseUrl);
  const settings = await writeConfiguration(options, folder);
  const server = await serve(stage, options, folder);
  const client = createClient(server);
  const cast = await startCast(client, server.url, world, story);
  stage.defer(() => cast.end());
  const signal = AbortSignal.any([options.signal, server.ended]);
  const playing = { ...options, signal };
  return await reportOf(await play(playing, { told, story, world, client, cast, settings }));
}

interface Stage {
  readonly told: Narrator;
  readonly story: Story;
  readonly world: SeptemberWorld;
  readonly client: Client;
  readonly cast: Cast;
  readonly settings: Played["settings"];
}

async function play(
  { signal, patienceMs = recoveredMsMax }: DrillOptions,
  { told, story, world, client, cast, settings }: Stage,
): Promise<Played> {
  await until("the service to have a baseline", () => baseline(client), {
    withinMs: 90_000,
    signal,
  });
  const before = { explained: await explain(world.databaseUrl), ms: await measureFrontPage(world) };
  told("drill", `the front page takes ${before.ms.toFixed(1)} ms`);
  const { commits, injectedAt } = await pushAll(story, cast, client, told, signal);
  const broken = await until("the index to be gone", () => seqScan(world.databaseUrl), {
    withinMs: 30_000,
    everyMs: 50,
    signal,
  });
  told("drill", "the index is gone in production");
  const messages = await schedulePosts(client, story, told);
  const { incident, ending } = await followIncident(client, told, { withinMs: patienceMs, signal });
  return {
    story,
    world,
    client,
    timeline: told.timeline,
    commits,
    injectedAt,
    messages,
    incident,
    ending,
    settings,
    explained: { before: before.explained, broken, after: await explain(world.databaseUrl) },
    frontPageMs: { before: before.ms, after: await measureFrontPage(world) },
  };
}

/** One push after another, each deployed before the next; or all at once, gathered on a branch before. */
async function pushAll(
  story: Story,
  cast: Cast,
  client: Client,
  told: Narrator,
  signal: AbortSignal,
): Promise<{ commits: readonly string[]; injectedAt: Date }> {
  const commits: string[] = [];
  let injectedAt = new Date();
  for (const [index, act] of story.acts.entries()) {
    const last = index === story.acts.length - 1;
    const { commit, pushedAt } = await cast.push(act.agent, {
      act: index,
      branch: story.bundled ? "next" : "main",
      live: !story.bundled || last,
    });
    commits.push(commit);
    told(act.agent, `pushed ${commit.slice(0, 7)} ${act.edit.subject}`);
    if (story.bundled ? last : act.guilty) injectedAt = new Date(pushedAt);
    if (!story.bundled && waitsForDeploy(story.acts, index)) {
      await until(`${commit.slice(0, 7)} to be served`, () => serves(client, commit), {
        withinMs: 30_000,
        everyMs: 50,
        signal,
      });
    }
  }
  return { commits, injectedAt };
}

/** What comes after the guilty commit does not wait: agents do not stop because something broke. */
function waitsForDeploy(acts: readonly Act[], index: number): boolean {
  return index <= acts.findIndex((act) => act.guilty);
}

async function serves(client: Client, commit: string): Promise<true | null> {
  const service = await client.service("content-api");
  return service.revision === commit ? true : null;
}

const recoveredMsMax = 150_000;
const baselineSamples = 60;

async function baseline(client: Client): Promise<true | null> {
  const { rules } = await client.signals({ service: "content-api" });
  const judged = rules.filter((rule) => rule.customerFacing && rule.detector !== "hard");
  return judged.length > 0 && judged.every((rule) => rule.samples >= baselineSamples) ? true : null;
}

async function seqScan(databaseUrl: string): Promise<string | null> {
  const plan = await explain(databaseUrl);
  return plan.includes("Seq Scan") ? plan : null;
}

/** The scheduled posts fall due while the damage is on. */
async function schedulePosts(
  client: Client,
  story: Story,
  told: Narrator,
): Promise<readonly string[]> {
  const ids: string[] = [];
  for (const post of story.posts) {
    const id = `post-${story.seed}-${post.slug}`;
    await client.publishMessage({
      agent: "marketing",
      id,
      sender: "scheduler",
      payload: { type: "post.scheduled", post },
    });
    ids.push(id);
  }
  told("scheduler", `asked marketing to publish ${ids.length} posts`);
  return ids;
}

const productionNice = 10;

async function productionDatabase(
  stage: AsyncDisposableStack,
  folder: string,
  given: string | null,
): Promise<string> {
  const name = `content_${process.pid}_${Date.now().toString(36)}`;
  let admin = given;
  if (admin === null) {
    const own = await startEmbedded({ home: join(folder, "production") });
    stage.defer(() => own.stop());
    // Production has machines of its own: here it gets what the others leave of this one.
    setPriority(own.pid, productionNice);
    admin = own.url;
  }
  const database = openDatabase(admin, { max: 1 });
  await database.unsafe(`create database ${name}`);
  await database.end();
  if (given !== null) stage.defer(() => dropDatabase(given, name));
  const url = new URL(admin);
  url.pathname = `/${name}`;
  return url.href;
}

async function dropDatabase(admin: string, name: string): Promise<void> {
  const database = openDatabase(admin, { max: 1 });
  await database.unsafe(`drop database if exists ${name} with (force)`);
  await database.end();
}

/** As a person would: `lastgood init`, then `mode: auto`. Nothing else is changed. */
async function writeConfiguration(
  { program, natsUrl, signal }: DrillOptions,
  folder: string,
): Promise<Played["settings"]> {
  await runCommand(program, ["init", folder], signal);
  const file = join(folder, "lastgood.yaml");
  const initial = await loadConfig(file);
  const written = await readFile(file, "utf8");
  const messages =
    natsUrl === null ? "" : `\nmessages:\n  engine: nats\n  url: ${JSON.stringify(natsUrl)}\n`;
  await writeFile(file, written.replace(/^mode: watch\b/m, "mode: auto") + messages);
  const { config } = await loadConfig(file);
  return { mode: config.mode, notDefault: settingsNotDefault(config, initial.config) };
}

async function serve(
  stage: AsyncDisposableStack,
  { program, databaseUrl, keep }: DrillOptions,
  folder: string,
): Promise<ServerProcess> {
  const home = join(folder, "home");
  await mkdir(home, { recursive: true });
  const server = await startServer(program, {
    home,
    config: join(folder, "lastgood.yaml"),
    env: databaseUrl === null ? {} : { DATABASE_URL: databaseUrl },
  });
  stage.defer(async () => {
    await createClient(server)
      .stopService("content-api")
      .catch(() => {});
    await server.stop();
    if (keep !== null) await cp(join(home, "server.log"), join(folder, "server.log"));
  });
  return server;
}
