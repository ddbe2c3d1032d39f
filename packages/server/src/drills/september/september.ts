/**
 * September: the backend agent drops an index in a refactor. The front page takes seconds, posts cannot be
 * published. Lastgood must find which commit did it among innocents, revert it alone, and get the
 * interrupted work done. The drill sets the stage, lets it happen, and reads the world afterwards.
 */
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { setPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@lastgood/sdk";
import { loadConfig } from "../../config/load.ts";
import { settingsNotDefault } from "../../config/settings-not-default.ts";
import { startEmbedded } from "../../store/embedded.ts";
import type { Drill, DrillOptions, DrillReport } from "../drill.ts";
import { narrator } from "../narrator.ts";
import { ownDatabase } from "../own-database.ts";
import { runCommand, type ServerProcess, startServer } from "../processes.ts";
import { git } from "../run-git.ts";
import { startCast } from "./cast.ts";
import type { Played, Round } from "./played.ts";
import { reportOf } from "./report.ts";
import { playRound, type Stage } from "./round.ts";
import { tellStory, type Variant, variants } from "./story.ts";
import { buildWorld } from "./world.ts";

export const september: Drill = {
  name: "september",
  summary: "a refactor drops an index: find the commit, revert it alone, resume the work",
  variants,
  canRepeat: true,
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
  const played = await play(playing, { told, story, world, client, cast, settings }, server.url);
  return await reportOf(played);
}

/** The first incident; and, where it is asked for, a second one of the same signature from another commit. */
async function play(
  options: DrillOptions,
  stage: Stage & Pick<Played, "settings">,
  url: string,
): Promise<Played> {
  const { story, told, world, client, settings } = stage;
  const { acts, posts } = story;
  const first = await playRound(options, stage, { acts, posts, from: 0, after: null });
  const skill = await syncSkills(options, stage, url);
  const goesOn = options.again === true && first.ending === "closed";
  const again = goesOn ? await playAgain(options, stage, first) : null;
  return { ...first, story, world, client, settings, skill, again, timeline: told.timeline };
}

async function playAgain(options: DrillOptions, stage: Stage, first: Round): Promise<Round> {
  const { story, told, world } = stage;
  // Whoever gathers the next deploy begins from what is live.
  const live = await git(world.remote, "founder", "rev-parse", world.branch);
  await git(world.remote, "founder", "update-ref", "refs/heads/next", live);
  told("drill", "the same damage again, by another hand and in other words");
  return await playRound(options, stage, {
    ...{ ...story.again, from: story.acts.length, after: first.incident },
  });
}

/** As every agent's machine would have what was learned. Null where nothing was. */
async function syncSkills(
  { program, signal }: DrillOptions,
  { client, world: { folder }, told }: Stage,
  url: string,
): Promise<string | null> {
  const into = join(folder, "skills");
  const where = ["--url", url, "--home", join(folder, "home")];
  await runCommand(program, ["skills", "sync", into, ...where], signal);
  const [learned] = (await client.skills()).skills;
  if (learned === undefined) return null;
  told("drill", `learned: ${learned.name}`);
  return join(into, learned.name, "SKILL.md");
}

const productionNice = 10;

async function productionDatabase(
  stage: AsyncDisposableStack,
  folder: string,
  given: string | null,
): Promise<string> {
  if (given !== null) return await ownDatabase(stage, given, "content");
  const production = await startEmbedded({ home: join(folder, "production") });
  stage.defer(() => production.stop());
  // Production has machines of its own: here it gets what the others leave of this one.
  setPriority(production.pid, productionNice);
  return production.url;
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
  const own = databaseUrl === null ? null : await ownDatabase(stage, databaseUrl, "september");
  const server = await startServer(program, {
    home,
    config: join(folder, "lastgood.yaml"),
    env: own === null ? {} : { DATABASE_URL: own },
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
