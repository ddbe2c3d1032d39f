/** Pieces of a brief's text: how important each is, and how what others wrote is put. Pure. */
import type { Piece } from "./budget.ts";
import { oneLine } from "./conclude.ts";

/** From the most important to the first that goes. */
const ranks = [
  "notice",
  "doubt",
  "current task",
  "effect",
  "artifact",
  "latest task commit",
  "message",
  "input",
  "leftover",
  "state",
  "file",
  "other task",
  "task commit",
  "commit",
  "message excerpt",
  "more messages",
  "more files",
  "more tasks",
  "more state",
  "file excerpt",
] as const;
type Rank = (typeof ranks)[number];

/** Within one rank the first is the most important: groups never mix. */
const perRankMax = 10_000;

export function piecesOf(
  section: string,
  rank: Rank,
  called: Piece["called"],
  texts: readonly string[],
): readonly Piece[] {
  return texts.map((text, index) => ({
    ...{ section, called, text },
    rank: ranks.indexOf(rank) + Math.min(index, perRankMax - 1) / perRankMax,
  }));
}

/** What the brief itself does not hold. */
export function more(
  section: string,
  count: number,
  what: string,
  where: string,
): readonly Piece[] {
  if (count <= 0) return [];
  const called = ["count of the rest", "counts of the rest"] as const;
  return piecesOf(section, "leftover", called, [`- ${count} more ${what}: see ${where}`]);
}

/** As the one in this place of its group. */
export function ranked(pieces: readonly Piece[], index: number): readonly Piece[] {
  return pieces.map((piece) => ({
    ...piece,
    rank: Math.floor(piece.rank) + Math.min(index, perRankMax - 1) / perRankMax,
  }));
}

export function bullet(text: string): string {
  return `- ${oneLine(text, 600)}`;
}

export function quoted(text: string, length = 200): string {
  return `"${oneLine(text, length).replaceAll('"', "'")}"`;
}

/** JSON and the like, which would be hard to read with other quotes. */
export function verbatim(text: string, length: number): string {
  return `\`${oneLine(text, length).replaceAll("`", "'")}\``;
}
