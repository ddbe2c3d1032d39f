/** What every drill needs before its story begins: a folder, a lastgood.yaml, and the program, started as anyone does. */
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../config/load.ts";
import { settingsNotDefault } from "../config/settings-not-default.ts";
import type { DrillOptions } from "./drill.ts";
import { ownDatabase } from "./own-database.ts";
import { runCommand, type ServerProcess, startServer } from "./processes.ts";

export interface Settings {
  readonly mode: string;
  /** Beyond what `lastgood init` wrote of what it found in the folder. */
  readonly notDefault: readonly string[];
}

/** The world's folder; removed with the stage unless it is to be kept. */
export async function openFolder(
  stage: AsyncDisposableStack,
  drill: string,
  { keep }: Pick<DrillOptions, "keep">,
): Promise<string> {
  const folder = keep ?? (await mkdtemp(join(tmpdir(), `lastgood-${drill}-`)));
  if (keep === null) stage.defer(() => rm(folder, { recursive: true, force: true }));
  await mkdir(folder, { recursive: true });
  await openToOthers(folder);
  return folder;
}

/** As root, PostgreSQL runs under another account, which must find its way to its data. */
export async function openToOthers(folder: string): Promise<void> {
  await chmod(folder, 0o711);
}

/** As a person would: `lastgood init`, then the mode. Another engine of messages is its caller's wish. */
export async function writeConfiguration(
  { program, natsUrl, signal }: Pick<DrillOptions, "program" | "natsUrl" | "signal">,
  folder: string,
  mode: "watch" | "auto" = "watch",
): Promise<Settings> {
  await runCommand(program, ["init", folder], signal);
  const file = join(folder, "lastgood.yaml");
  const initial = await loadConfig(file);
  const written = (await readFile(file, "utf8")).replace(/^mode: watch\b/m, `mode: ${mode}`);
  const engine =
    natsUrl === null ? "" : `\nmessages:\n  engine: nats\n  url: ${JSON.stringify(natsUrl)}\n`;
  await writeFile(file, written + engine);
  const { config } = await loadConfig(file);
  return { mode: config.mode, notDefault: settingsNotDefault(config, initial.config) };
}

/** `leave` is done before the server is told to stop. Where the world is kept, its log is kept with it. */
export async function serve(
  stage: AsyncDisposableStack,
  drill: string,
  { program, databaseUrl, keep }: DrillOptions,
  folder: string,
  leave: (server: ServerProcess) => Promise<void> = async () => {},
): Promise<ServerProcess> {
  const home = join(folder, "home");
  await mkdir(home, { recursive: true });
  const own =
    databaseUrl === null ? null : await ownDatabase(stage, databaseUrl, drill.replaceAll("-", "_"));
  const server = await startServer(program, {
    home,
    config: join(folder, "lastgood.yaml"),
    env: own === null ? {} : { DATABASE_URL: own },
  });
  stage.defer(async () => {
    await leave(server);
    await server.stop();
    if (keep !== null) await cp(join(home, "server.log"), join(folder, "server.log"));
  });
  return server;
}
