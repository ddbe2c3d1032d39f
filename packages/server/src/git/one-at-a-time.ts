/**
 * Runs `run` never twice at once. A call during a run starts, or joins, the one run after it: what a
 * caller is told was always found out after its call. A run is aborted when everyone who waits for it has
 * left, and has `msMax` to end.
 */
export function oneAtATime<T>(
  run: (signal: AbortSignal) => Promise<T>,
  msMax: number,
): (signal: AbortSignal) => Promise<T> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Shared<T> | null = null;

  function begin(): Shared<T> {
    const leaving = new AbortController();
    const result = running.then(() => {
      if (next === shared) next = null;
      shared.started = true;
      return run(AbortSignal.any([leaving.signal, AbortSignal.timeout(msMax)]));
    });
    const shared: Shared<T> = { result, leaving, waiting: 0, started: false };
    running = result.catch(() => {});
    return shared;
  }

  return async (signal) => {
    signal.throwIfAborted();
    if (next === null || next.leaving.signal.aborted) next = begin();
    return await join(next, signal);
  };
}

interface Shared<T> {
  readonly result: Promise<T>;
  readonly leaving: AbortController;
  waiting: number;
  started: boolean;
}

async function join<T>(shared: Shared<T>, signal: AbortSignal): Promise<T> {
  const left = Promise.withResolvers<never>();
  const leave = () => {
    shared.waiting -= 1;
    if (shared.waiting === 0) shared.leaving.abort(signal.reason);
    // Whoever leaves last waits until what was started has ended: nothing goes on behind its back.
    if (shared.waiting > 0 || !shared.started) left.reject(signal.reason);
  };
  shared.waiting += 1;
  signal.addEventListener("abort", leave, { once: true });
  try {
    return await Promise.race([shared.result, left.promise]);
  } finally {
    signal.removeEventListener("abort", leave);
  }
}
