/**
 * Where a playbook says to look first. Pure.
 *
 *   K1. A lead orders what is examined and is no evidence: no posterior and no witness comes from it.
 *   K2. A change that touches everything resembles everything: beyond a usual size it counts for less.
 *   K3. What names a suspect shares with most others says little: words are weighed by how rare they are.
 */
import type { Playbook } from "@lastgood/sdk";
import type { ChangeId } from "../ids.ts";
import { type Trace, tellingOf } from "./trace.ts";

/** A suspect that resembles what did it before, in (0, 1]. */
export interface Likeness {
  readonly change: ChangeId;
  readonly likeness: number;
  /** What it has in common, the most telling first. */
  readonly shares: readonly string[];
}

const leadsMax = 3;
/** Under this a suspect has no more in common with the cause than any two changes of one repository. */
const alikeAt = 0.15;
/** From here on a playbook stands by its lead: if another change is convicted, it was mistaken. */
export const standsAt = 0.5;
/** A change with more names than this is damped in proportion. */
const usualWords = 60;
const ofPaths = 0.1;
const ofWords = 0.9;
const sharesMax = 5;

/** The suspects that resemble a cause of the playbook, the likeliest first, at most three. */
export function leadsOf(
  { causes }: Pick<Playbook, "causes">,
  suspects: ReadonlyMap<ChangeId, Trace>,
): readonly Likeness[] {
  const comparable = [...suspects].filter(([, trace]) =>
    causes.some(({ layer, target }) => layer === trace.layer && target === trace.target),
  );
  const rarity = rarityAmong(comparable.map(([, trace]) => trace));
  return comparable
    .map(([change, trace]) => ({ change, ...best(causes, trace, rarity) }))
    .filter(({ likeness }) => likeness >= alikeAt)
    .sort((one, other) => other.likeness - one.likeness)
    .slice(0, leadsMax);
}

type Alike = Pick<Likeness, "likeness" | "shares">;

function best(causes: readonly Trace[], trace: Trace, rarity: Rarity): Alike {
  const none: Alike = { likeness: 0, shares: [] };
  return causes
    .map((cause) => alike(cause, trace, rarity))
    .reduce((most, each) => (each.likeness > most.likeness ? each : most), none);
}

function alike(cause: Trace, trace: Trace, rarity: Rarity): Alike {
  if (cause.layer !== trace.layer || cause.target !== trace.target) {
    return { likeness: 0, shares: [] };
  }
  // A document or an artifact is one thing: whoever changes it again does the same kind of thing.
  if (cause.paths.length + cause.words.length === 0) return { likeness: 1, shares: [cause.target] };
  const paths = cause.paths.filter((path) => trace.paths.includes(path));
  const own = new Set(trace.words);
  const words = cause.words.filter((word) => own.has(word));
  const all = sum(cause.words, rarity);
  const inWords = all === 0 ? 0 : sum(words, rarity) / all;
  const inPaths = cause.paths.length === 0 ? 0 : paths.length / cause.paths.length;
  const usual = Math.min(1, usualWords / Math.max(1, trace.words.length));
  const likeness = usual * (all === 0 ? inPaths : ofPaths * inPaths + ofWords * inWords);
  const told = words.toSorted((one, other) => rarity(other) - rarity(one));
  return { likeness, shares: [...paths, ...told].slice(0, sharesMax) };
}

type Rarity = (word: string) => number;

function rarityAmong(traces: readonly Trace[]): Rarity {
  const counts = new Map<string, number>();
  for (const { words } of traces) {
    if (words.length > usualWords) continue;
    for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return (word) => tellingOf(word) / Math.max(1, counts.get(word) ?? 0);
}

function sum(words: readonly string[], rarity: Rarity): number {
  return words.reduce((total, word) => total + rarity(word), 0);
}
