/**
 * Support router: a model that passed its gate is live, and a surge of tickets of a new kind makes it misroute
 * what the release before it gets right. Nothing fails, and the offline set shows nothing: only what turns out
 * later of a part of the tickets does. Lastgood must turn the dial back, and no candidate with the same bias may
 * come through its gate again. Where both releases suffer alike, it must not turn anything.
 */
import { chmod, cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@lastgood/sdk";
import type { Drill, DrillOptions, DrillReport } from "../drill.ts";
import { narrator } from "../narrator.ts";
import { ownDatabase } from "../own-database.ts";
import { type ServerProcess, startServer } from "../processes.ts";
import { startCast } from "./cast.ts";
import { writeConfiguration } from "./configuration.ts";
import { play } from "./play.ts";
import { createTeller } from "./releases.ts";
import { reportOf } from "./report.ts";
import { tellStory, type Variant, variants } from "./story.ts";
import { buildWorld } from "./world.ts";

export const supportRouter: Drill = {
  name: "support-router",
  summary: "a surge makes the live model misroute: back to the one before, and never again",
  variants,
  run,
};

async function run(options: DrillOptions): Promise<DrillReport> {
  const folder = options.keep ?? (await mkdtemp(join(tmpdir(), "lastgood-support-router-")));
  await mkdir(folder, { recursive: true });
  // As root, PostgreSQL runs under another account, which must find its way to its data.
  await chmod(folder, 0o711);
  await using stage = new AsyncDisposableStack();
  if (options.keep === null) stage.defer(() => rm(folder, { recursive: true, force: true }));
  const told = narrator(options);
  const story = tellStory(options.seed, options.variant as Variant | null);
  const { seed, variant, holdback, inFlight } = story;
  told("drill", `seed ${seed}, variant ${variant}, holdback ${holdback} %, in flight: ${inFlight}`);
  const world = await buildWorld(folder, story);
  const settings = await writeConfiguration(options, folder);
  const server = await serve(stage, options, folder);
  const client = createClient(server);
  const cast = await startCast(client, server.url, world, story);
  stage.defer(() => cast.end());
  const signal = AbortSignal.any([options.signal, server.ended]);
  const tell = createTeller(told);
  const playing = { options: { ...options, signal }, told, tell, story, world, client, cast };
  return await reportOf({ ...(await play(playing)), settings });
}

async function serve(
  stage: AsyncDisposableStack,
  { program, databaseUrl, keep }: DrillOptions,
  folder: string,
): Promise<ServerProcess> {
  const home = join(folder, "home");
  await mkdir(home, { recursive: true });
  const own = databaseUrl === null ? null : await ownDatabase(stage, databaseUrl, "router");
  const server = await startServer(program, {
    home,
    config: join(folder, "lastgood.yaml"),
    env: own === null ? {} : { DATABASE_URL: own },
  });
  stage.defer(async () => {
    await server.stop();
    if (keep !== null) await cp(join(home, "server.log"), join(folder, "server.log"));
  });
  return server;
}
