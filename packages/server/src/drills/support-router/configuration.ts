import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadConfig } from "../../config/load.ts";
import { settingsNotDefault } from "../../config/settings-not-default.ts";
import type { DrillOptions } from "../drill.ts";
import { runCommand } from "../processes.ts";

export interface Settings {
  readonly mode: string;
  /** Beyond what `lastgood init` took over from the compose file. */
  readonly notDefault: readonly string[];
}

/** As a person would: `lastgood init`, then `mode: auto`. */
export async function writeConfiguration(
  { program, natsUrl, signal }: Pick<DrillOptions, "program" | "natsUrl" | "signal">,
  folder: string,
): Promise<Settings> {
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
