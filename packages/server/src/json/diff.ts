/**
 * What differs between two JSON values, by path. Objects are compared key by key; an array is one value:
 * positions in it have no identity, so a diff by position would call a shift an edit.
 */
import type { Json } from "./canonical.ts";
import { type Path, pointer } from "./pointer.ts";

/** One difference, in the words of RFC 6902. `was` is what a `remove` or `replace` takes away. */
export type Difference =
  | { readonly op: "add"; readonly path: string; readonly value: Json }
  | { readonly op: "remove"; readonly path: string; readonly was: Json }
  | { readonly op: "replace"; readonly path: string; readonly was: Json; readonly value: Json };

/** A JSON value, or nothing at all: a document that is not there, a key that is missing. */
export type Maybe = Json | undefined;
export type JsonObject = { readonly [key: string]: Json };

/** In the order of the keys; applied to `from` they make `to`. */
export function differences(from: Maybe, to: Maybe): readonly Difference[] {
  const found: Difference[] = [];
  collect(from, to, [], found);
  return found;
}

function collect(from: Maybe, to: Maybe, path: Path, found: Difference[]): void {
  if (from === undefined) {
    if (to !== undefined) found.push({ op: "add", path: pointer(path), value: to });
  } else if (to === undefined) {
    found.push({ op: "remove", path: pointer(path), was: from });
  } else if (isObject(from) && isObject(to)) {
    for (const key of keysOf(from, to)) {
      collect(valueAt(from, key), valueAt(to, key), [...path, key], found);
    }
  } else if (!sameJson(from, to)) {
    found.push({ op: "replace", path: pointer(path), was: from, value: to });
  }
}

/** Whether both are the same JSON value; `-0` and `0` are. */
export function sameJson(left: Maybe, right: Maybe): boolean {
  if (left === right) return true;
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((each, at) => sameJson(each, right[at]));
  }
  if (!isObject(left) || !isObject(right)) return false;
  const keys = keysOf(left, right);
  return (
    keys.length === Object.keys(left).length &&
    keys.length === Object.keys(right).length &&
    keys.every((key) => sameJson(valueAt(left, key), valueAt(right, key)))
  );
}

export function isObject(value: Maybe): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The own value of a key: `constructor` is absent unless the data has it. */
export function valueAt(object: JsonObject, key: string): Maybe {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** The keys of all the objects, each once, sorted. */
export function keysOf(...objects: readonly JsonObject[]): readonly string[] {
  return [...new Set(objects.flatMap((each) => Object.keys(each)))].sort();
}

/** An object from entries; unlike an assignment it keeps a key named `__proto__` as data. */
export function objectOf(entries: Iterable<readonly [string, Json]>): JsonObject {
  return Object.fromEntries(entries);
}
