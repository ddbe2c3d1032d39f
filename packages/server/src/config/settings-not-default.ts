import { isDeepStrictEqual } from "node:util";
import type { Config } from "./config.ts";

/**
 * The settings in which `config` differs from what `lastgood init` wrote for the same folder, as paths
 * such as `rules.api-latency.alpha`, sorted. The general `mode` is not counted: init never writes
 * another than `watch`, and whoever wants recoveries to run chooses one.
 */
export function settingsNotDefault(config: Config, initWritten: Config): string[] {
  const { mode: _, ...ours } = config;
  const { mode: __, ...written } = initWritten;
  return differences(ours, written, []).sort();
}

function differences(one: unknown, other: unknown, path: readonly string[]): string[] {
  if (isDeepStrictEqual(one, other)) return [];
  if (!isPlain(one) || !isPlain(other)) return [path.join(".")];
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...keys].flatMap((key) => differences(one[key], other[key], [...path, key]));
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
