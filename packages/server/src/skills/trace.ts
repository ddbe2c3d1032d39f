/** What a change looks like from outside: by this one that did damage before is recognised. Pure. */
import type { PlaybookCause } from "@lastgood/sdk";
import type { Change } from "../ledger/change.ts";
import { plain } from "./plain.ts";

export type Trace = Pick<PlaybookCause, "layer" | "target" | "paths" | "words">;

const pathsMax = 20;
const pathLengthMax = 200;
const suspectWordsMax = 400;
const causeWordsMax = 40;
const wordLengthMax = 40;

/** As a suspect: every name in the lines that it changed. `diff` is empty where there is none or it was not read. */
export function traceOf(change: Change, diff: string): Trace {
  return { ...placeOf(change), words: ranked(wordsIn(diff, /^[+-]/)).slice(0, suspectWordsMax) };
}

/**
 * As what did it: of these names only those that the lines around do not have as well. A name that a change
 * took away, or brought in, tells more of it than those that were there before and after.
 */
export function causeOf(change: Change, diff: string): Trace {
  const changed = wordsIn(diff, /^[+-]/);
  const own = changed.difference(wordsIn(diff, /^( |@@)/));
  return {
    ...placeOf(change),
    words: ranked(own.size > 0 ? own : changed).slice(0, causeWordsMax),
  };
}

function placeOf({ layer, target, details: { paths } }: Change): Omit<Trace, "words"> {
  const named = Array.isArray(paths) ? paths.filter((path) => typeof path === "string") : [];
  return {
    layer,
    target: plain(target, pathLengthMax),
    paths: named.slice(0, pathsMax).map((path) => plain(path, pathLengthMax)),
  };
}

const fileHeading = /^(---|\+\+\+) (a\/|b\/|\/dev\/null)/;

/** Long names with digits in them are left out: they tell nothing, and may be secrets. */
function wordsIn(diff: string, lines: RegExp): ReadonlySet<string> {
  const words = new Set<string>();
  for (const line of diff.split("\n")) {
    if (!lines.test(line) || fileHeading.test(line)) continue;
    for (const [word] of line.matchAll(/[A-Za-z_][A-Za-z0-9_]{3,}/g)) {
      if (word.length <= wordLengthMax && !looksSecret(word)) words.add(word);
    }
  }
  return words;
}

function looksSecret(word: string): boolean {
  return (word.match(/\d/g)?.length ?? 0) >= 3;
}

function ranked(words: ReadonlySet<string>): readonly string[] {
  return [...words].sort((one, other) => tellingOf(other) - tellingOf(one));
}

/** A name that somebody composed says more than a word of the language. */
export function tellingOf(word: string): number {
  const composed = /[A-Za-z0-9]_[A-Za-z0-9]|[a-z0-9][A-Z]/.test(word);
  return composed && word.length >= 8 ? 3 : 1;
}
