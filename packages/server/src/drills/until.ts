import { setTimeout as pause } from "node:timers/promises";
import { Fault } from "../fault.ts";

export interface Patience {
  readonly withinMs: number;
  readonly everyMs?: number;
  readonly signal: AbortSignal;
}

/** Asks until the answer is not null. `timed_out` says what was waited for, and what was seen last. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | null>,
  { withinMs, everyMs = 100, signal }: Patience,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  let last: unknown = null;
  while (Date.now() < deadline) {
    signal.throwIfAborted();
    try {
      const answer = await ask();
      if (answer !== null) return answer;
      last = null;
    } catch (error) {
      last = error;
    }
    // What the caller gave up for says more than that a pause was cut short.
    await pause(everyMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
  throw new Fault("timed_out", `Waited ${withinMs} ms for ${what}, in vain.`, { cause: last });
}
