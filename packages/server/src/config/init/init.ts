import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import type { Config } from "../config.ts";
import { configFileName } from "../config-file-name.ts";
import { parseConfig, sayComplaint } from "../parse-config.ts";
import { guess } from "./guess.ts";
import { lookAt } from "./look.ts";
import { writeGuess } from "./write.ts";

/** What `lastgood init` would write for a folder. */
export interface Initial {
  readonly file: string;
  readonly text: string;
  readonly config: Config;
  readonly warnings: readonly string[];
}

/** Looks at the folder and writes nothing. Faults `bad_configuration` where its own labels contradict. */
export async function initialFor(folder: string, signal: AbortSignal): Promise<Initial> {
  const facts = await lookAt(folder, signal);
  const from = facts.composeFile ?? "what is in this folder";
  const text = writeGuess(guess(facts), from);
  const file = join(folder, configFileName);
  const parsed = parseConfig(text);
  if (!parsed.ok) {
    throw new Fault(
      "bad_configuration",
      `What would be written is not good, because of the labels or x-lastgood of ${from}:\n${parsed.problems.map((each) => sayComplaint(file, each)).join("\n")}\nMend them there, and try again.`,
    );
  }
  const warnings = parsed.warnings.map((each) => sayComplaint(file, each));
  return { file, text, config: parsed.config, warnings };
}

/** A password in a URL, or a value under a name that tells: what a compose file had in the clear. */
const secret = /:\/\/[^/\s:@]*:[^/\s@]+@|^\s+\w*(?:SECRET|PASSWORD|TOKEN|KEY)\w*:/im;

/** Writes the file, for its owner alone where it holds a secret. Faults `already_exists` for one that is there, unless `overwrite`. */
export async function writeInitial({ file, text }: Initial, overwrite: boolean): Promise<void> {
  try {
    const mode = secret.test(text) ? 0o600 : 0o644;
    await writeFile(file, text, { flag: overwrite ? "w" : "wx", mode });
  } catch (cause) {
    const isThere = cause instanceof Error && "code" in cause && cause.code === "EEXIST";
    if (!isThere) throw cause;
    throw new Fault(
      "already_exists",
      `${file} is there already and was left as it is: look at it with \`lastgood config check\`, or pass --force to write it anew.`,
      { cause },
    );
  }
}
