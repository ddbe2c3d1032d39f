/** What the drill reads of what customers sent and got: the world's own record, and nothing that Lastgood says. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Request } from "./agents/front-desk.ts";
import type { RouterWorld } from "./world.ts";

/** In the order in which they were answered. */
export async function readRequests({ folder }: RouterWorld): Promise<readonly Request[]> {
  const text = await readFile(join(folder, "requests.ndjson"), "utf8").catch(() => "");
  // What is being written while we read has no end yet.
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Request);
}

/** Sent in between. */
export function sentBetween(
  requests: readonly Request[],
  since: Date | null,
  until: Date | null,
): readonly Request[] {
  return requests.filter(
    ({ at }) =>
      (since === null || new Date(at) >= since) && (until === null || new Date(at) < until),
  );
}

/** Of those that were answered: how many went where they belonged. Not a number where there are none. */
export function accuracyOf(requests: readonly Request[]): number {
  const answered = requests.filter(({ queue }) => queue !== null);
  return answered.filter(({ isRight }) => isRight).length / answered.length;
}

/** By the release that answered. */
export function accuracyBy(requests: readonly Request[]): Readonly<Record<string, string>> {
  const by = Map.groupBy(requests, ({ version }) => version ?? "none");
  return Object.fromEntries(
    [...by].map(([version, own]) => [version, `${share(accuracyOf(own))} of ${own.length}`]),
  );
}

/** When the last request was answered by the release; null where none was. */
export function lastAnswerOf(requests: readonly Request[], version: string): Date | null {
  const times = requests
    .filter((each) => each.version === version && each.queue !== null)
    .map(({ answeredAt }) => new Date(answeredAt).getTime());
  return times.length === 0 ? null : new Date(Math.max(...times));
}

export function unanswered(requests: readonly Request[]): readonly Request[] {
  return requests.filter(({ queue }) => queue === null);
}

/** `0.921`. */
export function share(value: number): string {
  return Number.isNaN(value) ? "none" : value.toFixed(3);
}
