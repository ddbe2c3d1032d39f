/** How much of a text the one before it did not have: lines, words, and the end of what is new. */
import { isUtf8 } from "node:buffer";

export interface News {
  readonly lines: number;
  readonly words: number;
  readonly newLines: number;
  readonly newWords: number;
  readonly excerpt: string;
}

/** `converted`: git writes it otherwise than it keeps it, and it is what the last commit has. */
export type FileNews = News | "converted";

export const excerptCharactersMax = 1_000;

/** Null for what is no text: it holds a NUL, or is no UTF-8. */
export function asText(content: Buffer): string | null {
  return content.includes(0) || !isUtf8(content) ? null : content.toString("utf8");
}

export function wordsIn(text: string): number {
  let words = 0;
  for (const _ of text.matchAll(/\S+/g)) words += 1;
  return words;
}

/** `before` is null where there was no text. */
export function whatIsNew(before: string | null, now: string): News {
  const lines = linesOf(now);
  const hunks =
    before === null ? [{ removed: [], added: lines }] : hunksBetween(linesOf(before), lines);
  const parts = hunks.filter(({ added }) => added.length > 0);
  const texts = parts.map(newWordsOf);
  return {
    lines: lines.length,
    words: wordsIn(now),
    newLines: parts.reduce((sum, { added }) => sum + added.length, 0),
    newWords: texts.reduce((sum, text) => sum + wordsIn(text), 0),
    excerpt: endOf(texts.join("\n").trim(), excerptCharactersMax),
  };
}

function linesOf(text: string): readonly string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

interface Hunk {
  readonly removed: readonly string[];
  readonly added: readonly string[];
}

/** A table of more cells than these would cost more than the answer is worth. */
const cellsMax = 1_000_000;

function hunksBetween(before: readonly string[], now: readonly string[]): readonly Hunk[] {
  const begin = sharedAtStart(before, now);
  const end = sharedAtEnd(before.slice(begin), now.slice(begin));
  const removed = before.slice(begin, before.length - end);
  const added = now.slice(begin, now.length - end);
  if (removed.length === 0 || added.length === 0) return [{ removed, added }];
  if (removed.length * added.length > cellsMax) {
    const had = new Set(removed);
    return [{ removed, added: added.filter((line) => !had.has(line)) }];
  }
  return byLongestCommon(removed, added);
}

/** The hunks around the longest common subsequence of lines. */
function byLongestCommon(before: readonly string[], now: readonly string[]): readonly Hunk[] {
  const width = now.length + 1;
  const longest = new Uint32Array((before.length + 1) * width);
  const cell = (row: number, column: number) => longest[row * width + column] ?? 0;
  for (let row = before.length - 1; row >= 0; row--) {
    for (let column = now.length - 1; column >= 0; column--) {
      longest[row * width + column] =
        before[row] === now[column]
          ? cell(row + 1, column + 1) + 1
          : Math.max(cell(row + 1, column), cell(row, column + 1));
    }
  }
  const hunks: { removed: string[]; added: string[] }[] = [{ removed: [], added: [] }];
  for (let [row, column] = [0, 0]; row < before.length || column < now.length; ) {
    const hunk = hunks.at(-1);
    if (row < before.length && column < now.length && before[row] === now[column]) {
      if (hunk?.added.length || hunk?.removed.length) hunks.push({ removed: [], added: [] });
      row += 1;
      column += 1;
    } else if (
      column >= now.length ||
      (row < before.length && cell(row + 1, column) >= cell(row, column + 1))
    ) {
      hunk?.removed.push(before[row] ?? "");
      row += 1;
    } else {
      hunk?.added.push(now[column] ?? "");
      column += 1;
    }
  }
  return hunks;
}

const trimmedCharactersMax = 262_144;

/** Of a hunk: without the words at its begin and end that the lines before it had there as well. */
function newWordsOf({ removed, added }: Hunk): string {
  const [was, is] = [removed.join("\n"), added.join("\n")];
  if (was === "" || was.length + is.length > trimmedCharactersMax) return is;
  const [old, all] = [was.match(/\s+|\S+/g) ?? [], is.match(/\s+|\S+/g) ?? []];
  const begin = sharedAtStart(old, all);
  const end = sharedAtEnd(old.slice(begin), all.slice(begin));
  return all.slice(begin, all.length - end).join("");
}

function sharedAtStart(one: readonly string[], other: readonly string[]): number {
  let shared = 0;
  while (shared < one.length && shared < other.length && one[shared] === other[shared]) shared += 1;
  return shared;
}

function sharedAtEnd(one: readonly string[], other: readonly string[]): number {
  let shared = 0;
  while (
    shared < one.length &&
    shared < other.length &&
    one[one.length - 1 - shared] === other[other.length - 1 - shared]
  ) {
    shared += 1;
  }
  return shared;
}

/** At most so many characters; never begins within one. */
export function endOf(text: string, length: number): string {
  const end = length === 0 ? "" : text.slice(-length);
  return /^[\uDC00-\uDFFF]/.test(end) ? end.slice(1) : end;
}
