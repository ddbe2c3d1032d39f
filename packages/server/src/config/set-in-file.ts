/** Changes one setting of a lastgood.yaml and leaves its comments and everything else as written. */
import { rename, stat, writeFile } from "node:fs/promises";
import { isMap, isScalar, parseDocument } from "yaml";
import { Fault } from "../fault.ts";
import { readBounded } from "./load.ts";
import { parseConfig, sayComplaint } from "./parse-config.ts";

/** Faults `bad_input` for a setting or value that cannot be, and `bad_configuration` if the result is not good. */
export async function setInFile(file: string, setting: string, value: string): Promise<void> {
  const text = settingIn(await readBounded(file), setting, value);
  const parsed = parseConfig(text);
  if (!parsed.ok) {
    throw new Fault(
      "bad_configuration",
      `With that, ${file} would not be good, so it was left as it is:\n${parsed.problems.map((each) => sayComplaint(file, each)).join("\n")}`,
      { context: { path: setting } },
    );
  }
  const { mode } = await stat(file);
  const fresh = `${file}.new`;
  await writeFile(fresh, text, { mode });
  await rename(fresh, file);
}

/** The text with the setting at `path` (`services.api.owner`, or a JSON pointer) set to a YAML value. */
export function settingIn(text: string, path: string, value: string): string {
  const document = parseDocument(text);
  const given = parseDocument(value);
  if (given.errors.length > 0) {
    throw new Fault("bad_input", `"${value.slice(0, 80)}" is not a YAML value: quote it.`, {
      context: { path: "value" },
    });
  }
  const parts = partsOf(path);
  for (const [index] of parts.entries()) {
    const parent = parts.slice(0, index);
    const node = parent.length === 0 ? document.contents : document.getIn(parent, true);
    // `agents:` with nothing below it is an empty scalar: what is set goes below it.
    if (isScalar(node) && node.value === null) document.setIn(parent, document.createNode({}));
    else if (node !== undefined && node !== null && !isMap(node)) {
      throw new Fault("bad_input", `${parent.join(".")} has no settings below it.`, {
        context: { path },
      });
    }
  }
  document.setIn(parts, given.contents);
  return document.toString({ lineWidth: 100 });
}

function partsOf(path: string): readonly string[] {
  const parts = path.startsWith("/")
    ? path
        .slice(1)
        .split("/")
        .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    : path.split(".");
  if (parts.length > 20 || parts.some((part) => part === "" || part === "__proto__")) {
    throw new Fault(
      "bad_input",
      `"${path.slice(0, 80)}" is not a setting: write services.content-api.owner, or /services/content-api/owner where a name has a dot.`,
      { context: { path: "setting" } },
    );
  }
  return parts;
}
