import { until as untilIn } from "../../src/drills/until.ts";

/** Asks until the answer is not null; fails after `withinMs`, saying what was waited for. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | null>,
  withinMs = 15_000,
): Promise<T> {
  const signal = AbortSignal.timeout(withinMs + 5_000);
  return await untilIn(what, ask, { withinMs, everyMs: 25, signal });
}
