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
  const byRank = pieces
    .map((piece, place) => ({ piece, place }))
    .sort((one, other) => one.piece.rank - other.piece.rank || one.place - other.place);
  const render = (kept: number): Fitted => {
    const chosen = new Set(byRank.slice(0, kept).map(({ piece }) => piece));
    const cut = cutOf(byRank.slice(kept).map(({ piece }) => piece));
    const text = textOf(
      frame,
      pieces.filter((piece) => chosen.has(piece)),
      cut,
      maxTokens,
    );
    return { text, tokens: tokensIn(text), cut };
  };
  const whole = render(byRank.length);
  if (whole.tokens <= maxTokens) return whole;
  // The text grows with every piece, but for the few words that say what was cut.
  let [fits, over] = [0, byRank.length];
  while (over - fits > 1) {
    const middle = (fits + over) >> 1;
    if (render(middle).tokens <= maxTokens) fits = middle;
    else over = middle;
  }
  return render(fits);
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

function textOf(
  { head, foot, below }: Frame,
  pieces: readonly Piece[],
  cut: readonly string[],
  maxTokens: number,
): string {
  const sections = Map.groupBy(pieces, ({ section }) => section);
  const linesOf = (each: readonly Piece[]) => `${each.map(({ text }) => text).join("\n")}\n`;
  const said = [...sections]
    .filter(([section]) => section !== below)
    .map(([section, each]) => `## ${section}\n\n${linesOf(each)}`);
  const last = sections.get(below);
  const missing = cut.length === 0 ? "" : `\nCut to fit ${maxTokens} tokens: ${cut.join(", ")}.\n`;
  return `${[head, ...said, foot, ...(last === undefined ? [] : [linesOf(last)])].join("\n")}${missing}`;
}
