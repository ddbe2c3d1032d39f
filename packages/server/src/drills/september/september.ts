import { setPriority } from "node:os";
import { join } from "node:path";
import { createClient } from "@lastgood/sdk";
import { startEmbedded } from "../../store/embedded.ts";
import type { Drill, DrillOptions, DrillReport } from "../drill.ts";
import { narrator } from "../narrator.ts";
import { ownDatabase } from "../own-database.ts";
import { runCommand, type ServerProcess } from "../processes.ts";
import { git } from "../run-git.ts";
import { openFolder, serve, writeConfiguration } from "../set-stage.ts";
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
  await using stage = new AsyncDisposableStack();
  const folder = await openFolder(stage, "september", options);
  const told = narrator(options);
  const story = tellStory(options.seed, options.variant as Variant | null);
  told(
    "drill",
    `seed ${story.seed}, variant ${story.variant}, ${story.bundled ? "bundled" : "deployed apart"}`,
  );

  const databaseUrl = await productionDatabase(stage, folder, options.databaseUrl);
  const world = await buildWorld(folder, databaseUrl);
  const settings = await writeConfiguration(options, folder, "auto");
  const server = await serve(stage, "september", options, folder, leaveService);
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

/** What is served goes on without Lastgood: it is stopped while there is somebody to ask. */
async function leaveService(server: ServerProcess): Promise<void> {
  await createClient(server)
    .stopService("content-api")
    .catch(() => {});
}
