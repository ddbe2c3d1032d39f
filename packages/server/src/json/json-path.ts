/**
 * JSON path as RFC 9535 has it, without filters and slices: `$`, `.name`, `['name']`, `[0]`, `[-1]`, `.*`, `[*]`,
 * `..name`, `..*`. Pure, and bounded in what it visits.
 */
import { Fault } from "../fault.ts";
import type { Json } from "./canonical.ts";

type Selector =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "index"; readonly index: number }
  | { readonly kind: "all" };
type Step = Selector & { readonly deep: boolean };
export type JsonPath = readonly Step[];

const stepsMax = 64;
const visitedMax = 100_000;
const token =
  /(\.\.|\.)(\*|[\p{L}_][\p{L}\p{N}_-]*)|(\.\.)?\[(?:(-?\d{1,9})|(\*)|'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\]/uy;

/** Faults `bad_input` with the place of what is no path. */
export function parseJsonPath(text: string): JsonPath {
  const refuse = (at: number, why: string) =>
    new Fault(
      "bad_input",
      `"${text.slice(0, 200)}" is no JSON path that is understood here: ${why} at ${at + 1}; write it like $.choices[0].message.content.`,
      { context: { path: "path" } },
    );
  if (!text.startsWith("$")) throw refuse(0, "it begins with $, and there is none");
  const steps: Step[] = [];
  token.lastIndex = 1;
  while (token.lastIndex < text.length) {
    const at = token.lastIndex;
    const match = token.exec(text);
    if (match === null) throw refuse(at, "there is something else");
    steps.push(stepOf(match));
    if (steps.length > stepsMax) throw refuse(at, `it has more than ${stepsMax} steps`);
  }
  return steps;
}

function stepOf([, dots, bare, deepDots, index, star, single, double]: RegExpExecArray): Step {
  const deep = dots === ".." || deepDots === "..";
  if (bare === "*" || star !== undefined) return { kind: "all", deep };
  if (index !== undefined) return { kind: "index", index: Number(index), deep };
  const name = bare ?? (single ?? double ?? "").replaceAll(/\\(.)/g, "$1");
  return { kind: "name", name, deep };
}

/** What the path names, in the document's order; null where it would visit more than 100,000 values. */
export function select(path: JsonPath, root: Json): readonly Json[] | null {
  return placesOf(path, root)?.map(({ value }) => value) ?? null;
}

/** A value, and where it lies; the root lies nowhere. */
interface Place {
  readonly value: Json;
  readonly holder: Json;
  readonly key: string;
}

/** The document without what the path names, and how much that was; null where `select` would give up. */
export function without(
  path: JsonPath,
  root: Json,
): { readonly value: Json; readonly dropped: number } | null {
  const places = placesOf(path, root);
  if (places === null) return null;
  const gone = new Map<Json, Set<string>>();
  for (const { holder, key } of places) {
    gone.set(holder, (gone.get(holder) ?? new Set()).add(key));
  }
  const dropped = [...gone.values()].reduce((sum, keys) => sum + keys.size, 0);
  return { value: dropped === 0 ? root : kept(root), dropped };

  function kept(node: Json): Json {
    if (typeof node !== "object" || node === null) return node;
    const keys = gone.get(node);
    if (isList(node)) return node.filter((_, index) => !keys?.has(String(index))).map(kept);
    const entries = Object.entries(node).filter(([key]) => !keys?.has(key));
    return Object.fromEntries(entries.map(([key, value]) => [key, kept(value)]));
  }
}

function placesOf(path: JsonPath, root: Json): readonly Place[] | null {
  let places: readonly Place[] = [{ value: root, holder: null, key: "" }];
  let visited = 0;
  for (const step of path) {
    const next: Place[] = [];
    const waiting = places.toReversed();
    for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
      visited += 1;
      const below = childrenOf(place.value);
      if (visited + next.length + waiting.length + below.length > visitedMax) return null;
      next.push(...chosenOf(step, place.value, below));
      if (step.deep) waiting.push(...below.toReversed());
    }
    places = next;
  }
  return places;
}

function chosenOf(step: Selector, node: Json, below: readonly Place[]): readonly Place[] {
  if (step.kind === "all") return below;
  if (step.kind === "index") {
    const found = isList(node) ? below.at(step.index) : undefined;
    return found === undefined ? [] : [found];
  }
  const isObject = typeof node === "object" && node !== null && !isList(node);
  const found = isObject && Object.hasOwn(node, step.name) ? node[step.name] : undefined;
  return found === undefined ? [] : [{ value: found, holder: node, key: step.name }];
}

function childrenOf(node: Json): readonly Place[] {
  if (typeof node !== "object" || node === null) return [];
  return Object.entries(node).map(([key, value]) => ({ value, holder: node, key }));
}

function isList(node: Json): node is readonly Json[] {
  return Array.isArray(node);
}
