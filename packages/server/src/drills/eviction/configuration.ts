import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadConfig } from "../../config/load.ts";
import { settingsNotDefault } from "../../config/settings-not-default.ts";
import type { DrillOptions } from "../drill.ts";
import { runCommand } from "../processes.ts";

/** What differs from that which `lastgood init` wrote. */
export type Settings = readonly string[];

/** As a person would: `lastgood init`, and nothing changed. Another engine of messages is its caller's wish. */
export async function writeConfiguration(
  { program, natsUrl, signal }: Pick<DrillOptions, "program" | "natsUrl" | "signal">,
  folder: string,
): Promise<Settings> {
  await runCommand(program, ["init", folder], signal);
  const file = join(folder, "lastgood.yaml");
  const initial = await loadConfig(file);
  if (natsUrl !== null) {
    const written = await readFile(file, "utf8");
    const engine = `\nmessages:\n  engine: nats\n  url: ${JSON.stringify(natsUrl)}\n`;
    await writeFile(file, written + engine);
  }
  const { config } = await loadConfig(file);
  return settingsNotDefault(config, initial.config);
}
