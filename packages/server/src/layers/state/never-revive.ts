/**
 * What a restore must not bring back to life: used tokens, revoked grants, spent nonces. At a declared path
 * the newer value stays where it is stricter.
 */
import { matchesGlob } from "node:path";
import type { Json } from "../../json/canonical.ts";
import { isObject, type Maybe, objectOf, sameJson, valueAt } from "../../json/diff.ts";
import { type Path, pathOf, pointer } from "../../json/pointer.ts";

/**
 * Which of two values is the stricter one. `fewer`: what the newer value no longer holds does not come back,
 * and a single value that was replaced stays replaced.
 */
export const stricterOrders = ["fewer", "true", "false", "greater", "less"] as const;

export interface NeverRevive {
  /** A glob over `collection/id`. */
  readonly documents: string;
  /** A JSON pointer through objects; `*` stands for every key. */
  readonly path: string;
  readonly stricter: (typeof stricterOrders)[number];
}

export interface Kept {
  readonly value: Maybe;
  /** JSON pointers at which the newer value, or its absence, was kept. */
  readonly kept: readonly string[];
}

/** What a restore of `restored` over `newer` may write into the document `target`. */
export function keepStricter(
  rules: readonly NeverRevive[],
  target: string,
  newer: Maybe,
  restored: Maybe,
): Kept {
  const kept: string[] = [];
  let value = restored;
  for (const { documents, path, stricter } of rules) {
    if (!matchesGlob(target, documents)) continue;
    value = walk(value, newer, pathOf(path), [], (restoredHere, newerHere, at) => {
      const chosen = choose(stricter, newerHere, restoredHere);
      if (!sameJson(chosen, restoredHere)) kept.push(pointer(at));
      return chosen;
    });
  }
  return { value, kept };
}

type Decide = (restored: Json, newer: Maybe, at: Path) => Maybe;

function walk(
  restored: Maybe,
  newer: Maybe,
  rest: readonly string[],
  at: Path,
  decide: Decide,
): Maybe {
  if (restored === undefined) return undefined;
  const [key, ...further] = rest;
  if (key === undefined) return decide(restored, newer, at);
  if (!isObject(restored)) return restored;
  const entries: [string, Json][] = [];
  for (const [name, value] of Object.entries(restored)) {
    const newerHere = isObject(newer) ? valueAt(newer, name) : undefined;
    const result =
      key === "*" || key === name ? walk(value, newerHere, further, [...at, name], decide) : value;
    if (result !== undefined) entries.push([name, result]);
  }
  return objectOf(entries);
}

function choose(order: NeverRevive["stricter"], newer: Maybe, restored: Json): Maybe {
  switch (order) {
    case "fewer":
      return shared(newer, restored);
    case "true":
      return newer === true ? true : restored;
    case "false":
      return newer === false ? false : restored;
    case "greater":
      return typeof newer === "number" && !(typeof restored === "number" && restored >= newer)
        ? newer
        : restored;
    case "less":
      return typeof newer === "number" && !(typeof restored === "number" && restored <= newer)
        ? newer
        : restored;
  }
}

/** What of `restored` the newer value still holds. */
function shared(newer: Maybe, restored: Json): Maybe {
  if (newer === undefined) return undefined;
  if (Array.isArray(newer) && Array.isArray(restored)) {
    return restored.filter((each) => newer.some((other) => sameJson(each, other)));
  }
  if (isObject(newer) && isObject(restored)) {
    const entries: [string, Json][] = [];
    for (const [key, value] of Object.entries(restored)) {
      const both = shared(valueAt(newer, key), value);
      if (both !== undefined) entries.push([key, both]);
    }
    return objectOf(entries);
  }
  return newer;
}
