/** Three-way merge over JSON paths. Nothing is buried: what both sides changed differently is a conflict. */

import type { Json } from "./canonical.ts";
import { isObject, keysOf, type Maybe, objectOf, sameJson, valueAt } from "./diff.ts";
import { type Path, pointer } from "./pointer.ts";

export interface Merged {
  /** At a path in conflict it holds ours. */
  readonly value: Maybe;
  /** JSON pointers that both sides changed, each in its own way. */
  readonly conflicts: readonly string[];
}

/**
 * Takes from each side what it changed against `base`. The same change on both sides is no conflict. An
 * array, and a key that one side removed, count as one value.
 */
export function mergeThreeWay(base: Maybe, ours: Maybe, theirs: Maybe): Merged {
  return merge(base, ours, theirs, []);
}

function merge(base: Maybe, ours: Maybe, theirs: Maybe, path: Path): Merged {
  if (sameJson(ours, theirs) || sameJson(base, theirs)) return { value: ours, conflicts: [] };
  if (sameJson(base, ours)) return { value: theirs, conflicts: [] };
  if (!isObject(base) || !isObject(ours) || !isObject(theirs)) {
    return { value: ours, conflicts: [pointer(path)] };
  }
  const entries: [string, Json][] = [];
  const conflicts: string[] = [];
  for (const key of keysOf(base, ours, theirs)) {
    const at = [...path, key];
    const each = merge(valueAt(base, key), valueAt(ours, key), valueAt(theirs, key), at);
    conflicts.push(...each.conflicts);
    if (each.value !== undefined) entries.push([key, each.value]);
  }
  return { value: objectOf(entries), conflicts };
}
