/**
 * An announced change: its author said beforehand what the signals would do, so that inside the bound
 * and until the time it is no regression. What it suppressed is shown.
 */

export interface Announcement {
  /** Who announced it: a change's id or a release. */
  readonly by: string;
  readonly signal: string;
  readonly direction: "up" | "down";
  /** How far the level may go in that direction. */
  readonly bound: number;
  /** ISO 8601. */
  readonly until: string;
}

/**
 * The announcements in the text of an `Expected:` trailer: a JSON array of
 * `{signal, direction, bound, until}`. Entries of another form announce nothing.
 */
export function announcementsIn(text: string, by: string): readonly Announcement[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return [];
  }
  const entries: readonly unknown[] = Array.isArray(parsed) ? parsed : [parsed];
  return entries.slice(0, 20).flatMap((entry) => {
    if (typeof entry !== "object" || entry === null) return [];
    const { signal, direction, bound, until } = entry as Record<string, unknown>;
    const isWhole =
      typeof signal === "string" &&
      (direction === "up" || direction === "down") &&
      typeof bound === "number" &&
      Number.isFinite(bound) &&
      typeof until === "string" &&
      !Number.isNaN(Date.parse(until));
    return isWhole ? [{ by, signal, direction, bound, until }] : [];
  });
}

/** The announcement that covers this level of one of these signals now; null when none does. */
export function coveredBy(
  announcements: readonly Announcement[],
  levels: ReadonlyMap<string, number>,
  now: Date,
): Announcement | null {
  return (
    announcements.find(({ signal, direction, bound, until }) => {
      const level = levels.get(signal);
      if (level === undefined || now.getTime() > Date.parse(until)) return false;
      return direction === "up" ? level <= bound : level >= bound;
    }) ?? null
  );
}
