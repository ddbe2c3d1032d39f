import { lstatSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";

/** The root of the work tree that the folder lies in; null where it lies in none, or is not there. */
export function workTreeAround(folder: string): string | null {
  let real: string;
  try {
    real = realpathSync(folder);
  } catch {
    return null;
  }
  for (let at = real; ; at = dirname(at)) {
    if (lstatSync(join(at, ".git"), { throwIfNoEntry: false }) !== undefined) return at;
    if (dirname(at) === at) return null;
  }
}
