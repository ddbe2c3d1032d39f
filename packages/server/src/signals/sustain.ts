/**
 * Sustain: evidence alone may come from one deep spike; damage lasts.
 *
 * The window ends at the latest sample and reaches back over max(20 samples, sustainMs). Each fifth of
 * its time must hold at least 4 samples and lie below the floor. A fifth with fewer says nothing: then
 * the window is widened, sample by sample, until every fifth is filled (jitter and samples that come in
 * batches need this); where the kept past is too short for it, the data is patchy and the answer is hold.
 * A wider window asks for damage that lasted longer, so widening never makes a spike count. Where most samples say
 * nothing, as pairs of like answers do, few windows of 20 are below all over however long it lasts: there (`widens`) one
 * of twice as many, and again of twice as many, may show it.
 *
 *   S1. At most `cellsMax` cells are kept, whatever the rate: samples closer together than a 25th of
 *       `sustainMs` share a cell.
 *   S2. Cells are in the order of time.
 */

/** Samples of one short moment: how many, and the sum of their scores. */
interface Cell {
  readonly at: number;
  n: number;
  sum: number;
}

export interface SustainState {
  readonly cells: Cell[];
  lastAt: number;
}

export const windowSamplesMin = 20;
export const fifthSamplesMin = 4;
export const cellsMax = 256;

export function newSustain(): SustainState {
  return { cells: [], lastAt: 0 };
}

/** Takes in one observation; `at` in milliseconds, not before the one before it (S2). */
export function observeSustain(
  state: SustainState,
  x: number,
  at: number,
  sustainMs: number,
): void {
  const { cells } = state;
  const last = cells.at(-1);
  state.lastAt = at;
  if (last !== undefined && at - last.at < sustainMs / 25) {
    last.n += 1;
    last.sum += x;
    return;
  }
  cells.push({ at, n: 1, sum: x });
  if (cells.length > cellsMax) cells.shift();
}

/** `below`: every fifth is filled and below the floor. `patchy`: too few data to say. */
export function sustained(
  { cells, lastAt }: SustainState,
  floor: number,
  sustainMs: number,
  widens = false,
): "below" | "not-below" | "patchy" {
  let samples = 0;
  let least = windowSamplesMin;
  let seen: "not-below" | "patchy" = "patchy";
  for (let index = cells.length - 1; index >= 0; index--) {
    const cell = cells[index];
    if (cell === undefined) break;
    samples += cell.n;
    if (samples < least) continue;
    const reachesBack = cell.at <= lastAt - sustainMs;
    const older = cells[index - 1];
    if (!reachesBack && older !== undefined && older.at >= lastAt - sustainMs) continue;
    const from = reachesBack ? cell.at : lastAt - sustainMs;
    const fifths = fifthsOf(cells, index, from, lastAt);
    if (fifths.some(({ n }) => n < fifthSamplesMin)) continue;
    if (fifths.every(({ n, sum }) => sum / n < floor)) return "below";
    if (!widens) return "not-below";
    seen = "not-below";
    least = samples * 2;
  }
  return seen;
}

function fifthsOf(
  cells: readonly Cell[],
  first: number,
  from: number,
  until: number,
): readonly { n: number; sum: number }[] {
  const fifths = Array.from({ length: 5 }, () => ({ n: 0, sum: 0 }));
  const span = until - from;
  if (span <= 0) return fifths;
  for (let index = first; index < cells.length; index++) {
    const cell = cells[index];
    const fifth = cell && fifths[Math.min(4, Math.floor(((cell.at - from) / span) * 5))];
    if (cell === undefined || fifth === undefined) continue;
    fifth.n += cell.n;
    fifth.sum += cell.sum;
  }
  return fifths;
}

/** Samples and their mean since a moment, as far back as cells are kept. */
export function levelSince({ cells }: SustainState, since: number): { n: number; mean: number } {
  return levelOf(cells.filter(({ at }) => at >= since));
}

/**
 * The mean of at least the last `samples` that also span `spanMs`; null where the kept past is shorter.
 */
export function recentLevel(
  { cells, lastAt }: SustainState,
  samples: number,
  spanMs: number,
): { n: number; mean: number } | null {
  let n = 0;
  for (let index = cells.length - 1; index >= 0; index--) {
    const cell = cells[index];
    if (cell === undefined) break;
    n += cell.n;
    if (n >= samples && lastAt - cell.at >= spanMs) return levelOf(cells.slice(index));
  }
  return null;
}

function levelOf(cells: readonly Cell[]): { n: number; mean: number } {
  let n = 0;
  let sum = 0;
  for (const cell of cells) {
    n += cell.n;
    sum += cell.sum;
  }
  return { n, mean: n === 0 ? Number.NaN : sum / n };
}
