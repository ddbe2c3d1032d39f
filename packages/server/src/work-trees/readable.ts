/**
 * Where the server itself may read. An agent says by itself where its work tree lies, and what is read ends up
 * in its brief: so only what a person has named is read, with the server's own rights.
 */
import { realpathSync } from "node:fs";
import { isAbsolute, relative, resolve, sep } from "node:path";
import type { Configuration } from "../config/config.ts";

/** Below the folder of lastgood.yaml, where there is one, and below what `agents.<name>.workTrees` names. */
export function mayRead(configuration: Configuration, agent: string, path: string): boolean {
  const { agents } = configuration.current();
  const named = Object.hasOwn(agents, agent) ? (agents[agent]?.workTrees ?? []) : [];
  const own = configuration.file === undefined ? [] : ["."];
  const place = realPlace(path);
  if (place === null) return false;
  return [...own, ...named]
    .map((root) => realPlace(resolve(configuration.base, root)))
    .some((root) => root !== null && isBelow(root, place));
}

/** Without links on the way; null where there is nothing. */
function realPlace(path: string): string | null {
  if (!isAbsolute(path)) return null;
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}

/** The root of the machine is no project's folder. */
function isBelow(root: string, place: string): boolean {
  if (root === sep) return false;
  const way = relative(root, place);
  return way === "" || (way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}
