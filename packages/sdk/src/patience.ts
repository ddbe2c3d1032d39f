import { Fault, faults } from "./fault.ts";

const pauseMsMin = 100;
const pauseMsMax = 5_000;

/**
 * Asks again, with growing pauses, while the fault says that waiting may mend it; at most for `ms`. The last
 * fault is thrown then.
 */
export async function patiently<T>(
  {
    ms,
    signal,
    onTrouble,
  }: {
    readonly ms: number;
    readonly signal?: AbortSignal;
    readonly onTrouble?: ((fault: Fault) => void) | undefined;
  },
  call: () => Promise<T>,
): Promise<T> {
  const ends = Date.now() + ms;
  for (let failures = 0; ; ) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof Fault) || faults[error.code].retry !== "later") throw error;
      failures += 1;
      const pauseMs = pauseAfter(failures);
      if (Date.now() + pauseMs > ends) throw error;
      onTrouble?.(error);
      await pause(pauseMs, signal ?? null);
      signal?.throwIfAborted();
    }
  }
}

export function pauseAfter(failures: number): number {
  return Math.min(pauseMsMax, pauseMsMin * 2 ** Math.min(failures - 1, 10));
}

/** Ends early when `signal` aborts. */
export function pause(ms: number, signal: AbortSignal | null): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
    if (signal?.aborted) end();
  });
}
