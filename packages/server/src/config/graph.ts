/**
 * The declared dependency graph: what may reach what. Nodes are services and agents; an edge runs from
 * what is depended on to what depends on it, so damage travels along edges.
 */

import { matchesGlob } from "node:path";
import type { LayerName } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import type { Config } from "./config.ts";
import { agentInbox, roleInbox } from "./inbox-names.ts";

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
      return Object.hasOwn(config.services, target) ? [target] : [];
    case "versions":
      return [...services, ...Object.entries(config.agents)]
        .filter(([, { uses }]) => uses.includes(target))
        .map(([name]) => name);
    case "messages":
      return Object.keys(config.agents).filter(
        (agent) => agent === target || inboxesOf(config, agent).includes(target),
      );
    case "effects":
    case "fleet":
      return Object.hasOwn(config.agents, target) ? [target] : [];
  }
}

/** The consumers whose messages the agent handles: its own, and those of its roles. */
function inboxesOf(config: Config, agent: string): readonly string[] {
  const roles = config.agents[agent]?.roles ?? [];
  const declared = Object.entries(config.messages.consumers)
    .filter(
      ([, own]) => own.agent === agent || (own.role !== undefined && roles.includes(own.role)),
    )
    .map(([name]) => name);
  return [
    agentInbox(agent).consumer,
    ...roles.map((role) => roleInbox(role).consumer),
    ...declared,
  ];
}

/** Edges between `thing` and `node`: 0 when the thing is carried by the node itself, null without a path. */
export function distance(config: Config, thing: Thing, node: string): number | null {
  const seen = new Map<string, number>([[node, 0]]);
  const queue = [node];
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    for (const each of dependenciesOf(config, at)) {
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

/** What may reach a service: things by their exact targets, and documents by globs. */
export interface Reaching {
  readonly exact: readonly Thing[];
  readonly globs: readonly { readonly layer: LayerName; readonly glob: string }[];
}

/** The declared things from which a path leads to the service; `not_found` for an unknown service. */
export function thingsReaching(config: Config, service: string): Reaching {
  if (!Object.hasOwn(config.services, service)) {
    throw new Fault(
      "not_found",
      `No service ${service.slice(0, 100)} is declared: see \`services\` in lastgood.yaml.`,
    );
  }
  const nodes = upstreamOf(config, service);
  const exact = nodes.flatMap((node) => thingsOn(config, node));
  const globs = nodes.flatMap((node) => config.services[node]?.reads ?? []);
  return { exact, globs: globs.map((glob) => ({ layer: "state", glob })) };
}

/** What damages the node first, where it has an exact name. */
function thingsOn(config: Config, node: string): readonly Thing[] {
  const of = (layers: readonly LayerName[]) => layers.map((layer) => ({ layer, target: node }));
  const own = config.services[node];
  const ofService = own === undefined ? [] : of(["runtime", "data"]);
  const used = own?.uses ?? config.agents[node]?.uses ?? [];
  const code = own?.repository === undefined ? [] : [own.repository];
  const isAgent = Object.hasOwn(config.agents, node);
  return [
    ...ofService,
    ...code.map((target) => ({ layer: "code" as const, target })),
    ...used.map((target) => ({ layer: "versions" as const, target })),
    ...(isAgent ? of(["messages", "effects", "fleet"]) : []),
    ...(isAgent ? inboxesOf(config, node) : []).map((target) => ({
      layer: "messages" as const,
      target,
    })),
  ];
}

/** The node and everything that it depends on: damage to any of these may show there. */
export function upstreamOf(config: Config, node: string): readonly string[] {
  const found = new Set([node]);
  for (const each of found) {
    for (const next of dependenciesOf(config, each)) found.add(next);
  }
  return [...found];
}

/** Services and agents that damage to `node` may reach, itself included. */
export function reachedFrom(config: Config, node: string): readonly string[] {
  const all = [...Object.entries(config.agents), ...Object.entries(config.services)];
  const reached = new Set([node]);
  for (let grew = true; grew; ) {
    grew = false;
    for (const [name, { dependsOn }] of all) {
      if (reached.has(name) || !dependsOn.some((each) => reached.has(each))) continue;
      reached.add(name);
      grew = true;
    }
  }
  return [...reached];
}

/** What `node` declares that it depends on; nothing for a node that is not declared. */
export function dependenciesOf(config: Config, node: string): readonly string[] {
  if (Object.hasOwn(config.services, node)) return config.services[node]?.dependsOn ?? [];
  return Object.hasOwn(config.agents, node) ? (config.agents[node]?.dependsOn ?? []) : [];
}

const cyclesMax = 20;

/** Cycles of `dependsOn`, each once, as `[a, b, a]` from its first name; the first twenty. */
export function cyclesOf(config: Config): readonly (readonly string[])[] {
  const found = new Map<string, readonly string[]>();
  for (const start of onOrBeforeCycles(config)) {
    const cycle = shortestCycle(config, start);
    if (cycle === null) continue;
    const key = [...cycle].sort().join(" ");
    if (!found.has(key)) found.set(key, [...cycle, start]);
    if (found.size === cyclesMax) break;
  }
  return [...found.values()];
}

/** Sorted names, without those whose dependencies all end: most graphs leave nothing. */
function onOrBeforeCycles(config: Config): readonly string[] {
  const nodes = [...Object.keys(config.services), ...Object.keys(config.agents)].sort();
  const dependents = new Map<string, string[]>();
  const open = new Map<string, number>();
  for (const node of nodes) {
    const needs = new Set(dependenciesOf(config, node));
    open.set(node, needs.size);
    for (const need of needs) dependents.set(need, [...(dependents.get(need) ?? []), node]);
  }
  const ended = nodes.filter((node) => open.get(node) === 0);
  for (const node of ended) {
    for (const dependent of dependents.get(node) ?? []) {
      const left = (open.get(dependent) ?? 0) - 1;
      open.set(dependent, left);
      if (left === 0) ended.push(dependent);
    }
  }
  return nodes.filter((node) => (open.get(node) ?? 0) > 0);
}

/** Breadth first from `start` back to it; null when it is on no cycle. */
function shortestCycle(config: Config, start: string): readonly string[] | null {
  const seen = new Set<string>();
  const queue: (readonly string[])[] = [[start]];
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    for (const next of dependenciesOf(config, path.at(-1) ?? start)) {
      if (next === start) return path;
      if (seen.has(next)) continue;
      seen.add(next);
      queue.push([...path, next]);
    }
  }
  return null;
}
