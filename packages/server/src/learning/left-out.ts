/** What a learned check leaves out of the inputs that it was made of. Pure. */
import { type JsonPath, parseJsonPath, without } from "../json/json-path.ts";
import type { Done } from "./propose-check.ts";

export interface LeftOut {
  readonly failing: readonly Done[];
  /** Of which paths how much was left out; empty where nothing was to be. */
  readonly says: string;
}

/**
 * The failures without the parts of their inputs that are to be left out, and without their keys, which may tell
 * as much. What is too large to be looked through is no failure that a check could be made of.
 */
export function leaveOut(failing: readonly Done[], paths: readonly string[]): LeftOut {
  if (paths.length === 0) return { failing, says: "" };
  const dropping = paths.map((text) => ({ text, path: parseJsonPath(text), dropped: 0 }));
  const kept = failing.flatMap((done): readonly Done[] => {
    const input = withoutAll(done.input, dropping);
    return input === undefined ? [] : [{ ...done, input, key: "" }];
  });
  const told = dropping.map(({ text, dropped }) => `${text} (${dropped})`).join(", ");
  const skipped = failing.length - kept.length;
  const more = skipped === 0 ? "" : `; ${skipped} inputs are too large to look through`;
  return { failing: kept, says: `left out of the inputs: ${told}${more}` };
}

function withoutAll(
  input: Done["input"],
  dropping: readonly { readonly path: JsonPath; dropped: number }[],
): Done["input"] | undefined {
  let value = input;
  for (const each of dropping) {
    const left = without(each.path, value);
    if (left === null) return undefined;
    each.dropped += left.dropped;
    value = left.value;
  }
  return value;
}
