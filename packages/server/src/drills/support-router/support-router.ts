import { createClient } from "@lastgood/sdk";
import type { Drill, DrillOptions, DrillReport } from "../drill.ts";
import { narrator } from "../narrator.ts";
import { openFolder, serve, writeConfiguration } from "../set-stage.ts";
import { startCast } from "./cast.ts";
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
  await using stage = new AsyncDisposableStack();
  const folder = await openFolder(stage, "support-router", options);
  const told = narrator(options);
  const story = tellStory(options.seed, options.variant as Variant | null);
  const { seed, variant, holdback, inFlight } = story;
  told("drill", `seed ${seed}, variant ${variant}, holdback ${holdback} %, in flight: ${inFlight}`);
  const world = await buildWorld(folder, story);
  const settings = await writeConfiguration(options, folder, "auto");
  const server = await serve(stage, "support-router", options, folder);
  const client = createClient(server);
  const cast = await startCast(client, server.url, world, story);
  stage.defer(() => cast.end());
  const signal = AbortSignal.any([options.signal, server.ended]);
  const tell = createTeller(told);
  const playing = { options: { ...options, signal }, told, tell, story, world, client, cast };
  return await reportOf({ ...(await play(playing)), settings });
}
