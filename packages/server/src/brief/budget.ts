/**
 * Text within a budget of tokens: what matters least is left out first, and what was left out is said. Pure.
 *
 *   B1. The order of the text is fixed; only what is left out depends on the budget.
 *   B2. Nothing is kept while something more important is left out.
 *   B3. The frame (title, conclusion, what was cut) is always there: the text is never longer than the larger
 *       of the budget and the frame alone.
 */

/** A piece of the text that stands or falls as a whole. */
export interface Piece {
  /** As a heading has it; pieces of one section stand together. */
  readonly section: string;
  readonly text: string;
  /** The lower, the more important; of equals the earlier. */
  readonly rank: number;
  /** What it is called when it is left out: one, and many. */
  readonly called: readonly [one: string, many: string];
}

export interface Frame {
  readonly head: string;
  /** After the sections. */
  readonly foot: string;
  /** The one section that stands below the foot, without a heading. */
  readonly below: string;
}

export interface Fitted {
  readonly text: string;
  /** An estimate: characters divided by four, rounded up. */
  readonly tokens: number;
  /** What was left out, least important first: `12 messages`. */
  readonly cut: readonly string[];
}

const charactersPerToken = 4;

export function tokensIn(text: string): number {
  return Math.ceil(text.length / charactersPerToken);
}

export function fit(frame: Frame, pieces: readonly Piece[], maxTokens: number): Fitted {
  const ranked = pieces
    .map((piece, place) => ({ piece, place }))
    .sort((one, other) => one.piece.rank - other.piece.rank || one.place - other.place)
    .map(({ piece }) => piece);
  const lengths = lengthsOf(frame, ranked);
  const lengthOf = (kept: number) =>
    (lengths[kept] ?? 0) + missing(cutOf(ranked.slice(kept)), maxTokens).length;
  const doesFit = (kept: number) => lengthOf(kept) <= maxTokens * charactersPerToken;
  // The text grows with every piece, but for the few words that say what was cut.
  let [fits, over] = doesFit(ranked.length)
    ? [ranked.length, ranked.length + 1]
    : [0, ranked.length];
  while (over - fits > 1) {
    const middle = (fits + over) >> 1;
    if (doesFit(middle)) fits = middle;
    else over = middle;
  }
  const kept = new Set(ranked.slice(0, fits));
  const cut = cutOf(ranked.slice(fits));
  const chosen = pieces.filter((piece) => kept.has(piece));
  const text = `${textOf(frame, chosen)}${missing(cut, maxTokens)}`;
  return { text, tokens: tokensIn(text), cut };
}

/** How long the text is with none, one, two, … of the pieces: as `textOf` makes it, without making it. */
function lengthsOf({ head, foot, below }: Frame, ranked: readonly Piece[]): readonly number[] {
  const sections = new Set<string>();
  let length = head.length + 1 + foot.length;
  return [
    length,
    ...ranked.map(({ section, text }) => {
      if (!sections.has(section)) {
        sections.add(section);
        length += 1 + (section === below ? 0 : headingOf(section).length);
      }
      length += text.length + 1;
      return length;
    }),
  ];
}

/** Least important first. */
function cutOf(leftOut: readonly Piece[]): readonly string[] {
  const groups = new Map<string, { count: number; readonly called: Piece["called"] }>();
  for (const { called } of leftOut.toReversed()) {
    const group = groups.get(called[1]) ?? { count: 0, called };
    group.count += 1;
    groups.set(called[1], group);
  }
  return [...groups.values()].map(({ count, called }) =>
    count === 1 ? `1 ${called[0]}` : `${count} ${called[1]}`,
  );
}

/** Joined by `\n`, each section with its heading; its pieces end in `\n`. */
function textOf({ head, foot, below }: Frame, pieces: readonly Piece[]): string {
  const sections = Map.groupBy(pieces, ({ section }) => section);
  const linesOf = (each: readonly Piece[]) => `${each.map(({ text }) => text).join("\n")}\n`;
  const said = [...sections]
    .filter(([section]) => section !== below)
    .map(([section, each]) => `${headingOf(section)}${linesOf(each)}`);
  const last = sections.get(below);
  return [head, ...said, foot, ...(last === undefined ? [] : [linesOf(last)])].join("\n");
}

function headingOf(section: string): string {
  return `## ${section}\n\n`;
}

function missing(cut: readonly string[], maxTokens: number): string {
  return cut.length === 0 ? "" : `\nCut to fit ${maxTokens} tokens: ${cut.join(", ")}.\n`;
}
