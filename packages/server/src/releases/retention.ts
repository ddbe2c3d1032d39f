/** Which releases may lose their content. Pure; the database refuses what this must never name. */
import type { Keep } from "./release.ts";

export interface Kept {
  readonly version: string;
  readonly publishedAt: Date;
  /** It was pinned at some time in some environment. */
  readonly wasPinned: boolean;
  readonly retired: boolean;
}

const dayMs = 86_400_000;

/**
 * Those that are neither among the last `keep.last` nor younger than `keep.days`. What was ever pinned is
 * pinned now, was live, or is where a rollback goes: it stays. `releases` are newest first.
 */
export function dispensable(
  releases: readonly Kept[],
  { last, days }: Keep,
  now: Date,
): readonly string[] {
  const before = now.getTime() - days * dayMs;
  return releases
    .filter((each, index) => index >= last && each.publishedAt.getTime() < before)
    .filter(({ wasPinned, retired }) => !wasPinned && !retired)
    .map(({ version }) => version);
}
