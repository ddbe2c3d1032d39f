/**
 * Refund spec: version 2.1.0 of the spec of customer service cuts the refund limit, and refunds that customers are
 * owed fail. Lastgood watches, names the release and calls a person. One command switches everyone back; what was
 * in flight follows its policy, what had failed is done again, each refund once; the next spec passes the gate.
 */
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@lastgood/sdk";
import { loadConfig } from "../../config/load.ts";
import { settingsNotDefault } from "../../config/settings-not-default.ts";
import type { Drill, DrillOptions, DrillReport } from "../drill.ts";
import { narrator } from "../narrator.ts";
import { ownDatabase } from "../own-database.ts";
import { runCommand, type ServerProcess, startServer } from "../processes.ts";
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
  const folder = options.keep ?? (await mkdtemp(join(tmpdir(), "lastgood-refund-spec-")));
  await mkdir(folder, { recursive: true });
  // As root, PostgreSQL runs under another account, which must find its way to its data.
  await chmod(folder, 0o711);
  await using stage = new AsyncDisposableStack();
  if (options.keep === null) stage.defer(() => rm(folder, { recursive: true, force: true }));
  const told = narrator(options);
  const story = tellStory(options.seed);
  told(
    "drill",
    `seed ${story.seed}, in flight: ${story.inFlight}, ${story.rate} requests a second`,
  );
  const world = await buildWorld(folder, story);
  const notDefault = await writeConfiguration(options, folder);
  const server = await serve(stage, options, folder);
  const client = createClient(server);
  const cast = await startCast(client, server.url, world, story);
  stage.defer(() => cast.end());
  const signal = AbortSignal.any([options.signal, server.ended]);
  const where = ["--url", server.url, "--home", join(folder, "home")];
  const playing = { options: { ...options, signal }, told, story, world, client, cast, where };
  return await reportOf({ ...(await play(playing)), settingsNotDefault: notDefault });
}

/** As a person would: `lastgood init`, and nothing changed. Another engine of messages is its caller's wish. */
async function writeConfiguration(
  { program, natsUrl, signal }: DrillOptions,
  folder: string,
): Promise<readonly string[]> {
  await runCommand(program, ["init", folder], signal);
  const file = join(folder, "lastgood.yaml");
  const initial = await loadConfig(file);
  if (natsUrl !== null) {
    const engine = `\nmessages:\n  engine: nats\n  url: ${JSON.stringify(natsUrl)}\n`;
    await writeFile(file, (await readFile(file, "utf8")) + engine);
  }
  const { config } = await loadConfig(file);
  return settingsNotDefault(config, initial.config);
}

async function serve(
  stage: AsyncDisposableStack,
  { program, databaseUrl, keep }: DrillOptions,
  folder: string,
): Promise<ServerProcess> {
  const home = join(folder, "home");
  await mkdir(home, { recursive: true });
  const own = databaseUrl === null ? null : await ownDatabase(stage, databaseUrl, "refunds");
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
