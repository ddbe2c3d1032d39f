/** The candidate that `text` most probably meant: at most a third of its letters differ. Null if none. */
export function nearest(text: string, candidates: Iterable<string>): string | null {
  let best: { candidate: string; distance: number } | null = null;
  for (const candidate of candidates) {
    const distance = editDistance(text.toLowerCase(), candidate.toLowerCase());
    const within = Math.max(1, Math.floor(Math.max(text.length, candidate.length) / 3));
    if (distance > within || (best !== null && best.distance <= distance)) continue;
    best = { candidate, distance };
  }
  return best?.candidate ?? null;
}

const lettersMax = 100;

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function editDistance(one: string, other: string): number {
  const [a, b] = [one.slice(0, lettersMax), other.slice(0, lettersMax)];
  let [before, above]: [number[], number[]] = [
    [],
    Array.from({ length: b.length + 1 }, (_, j) => j),
  ];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
          ? (before[j - 2] ?? 0) + 1
          : Number.POSITIVE_INFINITY;
      row.push(Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, replaced, swapped));
    }
    [before, above] = [above, row];
  }
  return above[b.length] ?? 0;
}
