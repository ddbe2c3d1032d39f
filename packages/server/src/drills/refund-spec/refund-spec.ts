import { join } from "node:path";
import { createClient } from "@lastgood/sdk";
import type { Drill, DrillOptions, DrillReport } from "../drill.ts";
import { narrator } from "../narrator.ts";
import { openFolder, serve, writeConfiguration } from "../set-stage.ts";
import { startCast } from "./cast.ts";
import { play } from "./play.ts";
import { reportOf } from "./report.ts";
import { tellStory } from "./story.ts";
import { buildWorld } from "./world.ts";

export const refundSpec: Drill = {
  name: "refund-spec",
  summary: "a spec cuts the refund limit: switch back in one step, and pay what failed, once",
  variants: ["plain"],
  run,
};

async function run(options: DrillOptions): Promise<DrillReport> {
  await using stage = new AsyncDisposableStack();
  const folder = await openFolder(stage, "refund-spec", options);
  const told = narrator(options);
  const story = tellStory(options.seed);
  told(
    "drill",
    `seed ${story.seed}, in flight: ${story.inFlight}, ${story.rate} requests a second`,
  );
  const world = await buildWorld(folder, story);
  const { notDefault } = await writeConfiguration(options, folder);
  const server = await serve(stage, "refund-spec", options, folder);
  const client = createClient(server);
  const cast = await startCast(client, server.url, world, story);
  stage.defer(() => cast.end());
  const signal = AbortSignal.any([options.signal, server.ended]);
  const where = ["--url", server.url, "--home", join(folder, "home")];
  const playing = { options: { ...options, signal }, told, story, world, client, cast, where };
  return await reportOf({ ...(await play(playing)), settingsNotDefault: notDefault });
}
