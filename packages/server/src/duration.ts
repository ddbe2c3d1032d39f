import { Fault } from "./fault.ts";

const unitsMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
type Unit = keyof typeof unitsMs;

/** `500ms`, `2s`, `5m`, `1h`, `90d` in milliseconds. */
export function parseDuration(text: string, path = "duration"): number {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text.trim());
  if (match === null) {
    throw new Fault(
      "bad_input",
      `"${text.slice(0, 40)}" is not a span of time: write a number and a unit, such as 500ms, 30s, 5m, 2h or 90d.`,
      { context: { path } },
    );
  }
  return Number(match[1]) * unitsMs[match[2] as Unit];
}

/** The shortest exact text: 90000 -> `90s`. */
export function formatDuration(milliseconds: number): string {
  const units = Object.entries(unitsMs).reverse() as [Unit, number][];
  const [unit, size] = units.find(
    ([, each]) => milliseconds >= each && milliseconds % each === 0,
  ) ?? ["ms", 1];
  return `${milliseconds / size}${unit}`;
}

/** An ISO time, or a span back from `now`. */
export function parseMoment(text: string, now: Date, path: string): Date {
  if (/^\d{1,9}(ms|s|m|h|d)$/.test(text))
    return new Date(now.getTime() - parseDuration(text, path));
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? new Date(text) : new Date(Number.NaN);
  if (Number.isNaN(at.getTime())) {
    throw new Fault(
      "bad_input",
      `"${text.slice(0, 40)}" is neither a time such as 2026-09-21T08:00:00Z nor a span such as 2h.`,
      { context: { path } },
    );
  }
  return at;
}
