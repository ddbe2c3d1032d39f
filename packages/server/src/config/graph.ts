/**
 * The declared dependency graph: what may reach what. Nodes are services and agents; an edge runs from
 * what is depended on to what depends on it, so damage travels along edges.
 */

import { matchesGlob } from "node:path";
import type { LayerName } from "@lastgood/sdk";
import type { Config } from "./config.ts";

/** What a change altered, as a layer names it. */
export interface Thing {
  readonly layer: LayerName;
  readonly target: string;
}

/** The nodes on which damage to `thing` shows first. Empty: nothing declared carries it. */
export function carriersOf(config: Config, { layer, target }: Thing): readonly string[] {
  const services = Object.entries(config.services);
  const names = (keep: (service: (typeof services)[number][1]) => boolean) =>
    services.filter(([, service]) => keep(service)).map(([name]) => name);
  switch (layer) {
    case "code":
      return names((service) => service.repository === target);
    case "state":
      return names((service) => service.reads.some((glob) => matchesGlob(target, glob)));
    case "runtime":
    case "data":
    case "versions":
      return target in config.services ? [target] : [];
    case "messages":
    case "effects":
    case "fleet":
      return target in config.agents ? [target] : [];
  }
}

/** Edges between `thing` and `node`: 0 when the thing is carried by the node itself, null without a path. */
export function distance(config: Config, thing: Thing, node: string): number | null {
  const seen = new Map<string, number>([[node, 0]]);
  const queue = [node];
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    const next = (config.services[at] ?? config.agents[at])?.dependsOn ?? [];
    for (const each of next) {
      if (seen.has(each)) continue;
      seen.set(each, (seen.get(at) ?? 0) + 1);
      queue.push(each);
    }
  }
  const distances = carriersOf(config, thing)
    .map((carrier) => seen.get(carrier))
    .filter((steps) => steps !== undefined);
  return distances.length === 0 ? null : Math.min(...distances);
}

/** Services and agents that damage to `node` may reach, itself included. */
export function reachedFrom(config: Config, node: string): readonly string[] {
  const all = { ...config.agents, ...config.services };
  const reached = new Set([node]);
  for (let grew = true; grew; ) {
    grew = false;
    for (const [name, { dependsOn }] of Object.entries(all)) {
      if (reached.has(name) || !dependsOn.some((each) => reached.has(each))) continue;
      reached.add(name);
      grew = true;
    }
  }
  return [...reached];
}
