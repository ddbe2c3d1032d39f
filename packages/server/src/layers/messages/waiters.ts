/**
 * Those who wait for a consumer to have something, in this process.
 *
 *   W1. Nothing is handed over here: a waiter that is woken looks into the books again.
 *   W2. A wake between `watch` and `woken` is not lost.
 */
export interface Waiters {
  /** Starts to listen; dispose it when done. */
  watch(consumers: readonly string[]): Watch;
  wake(consumer: string): void;
  /** Wakes everyone, for good. */
  close(): void;
  /** The consumers that somebody waits for, and how many. */
  waiting(): ReadonlyMap<string, number>;
}

export interface Watch extends Disposable {
  /** Resolves at the next wake, after `ms`, or when `signal` aborts, whichever is first. */
  woken(ms: number, signal: AbortSignal): Promise<void>;
}

export function createWaiters(): Waiters {
  const listeners = new Map<string, Set<() => void>>();
  let closed = false;
  return {
    watch(consumers) {
      let missed = closed;
      let rouse = () => {
        missed = true;
      };
      const listen = () => rouse();
      for (const consumer of consumers) {
        const set = listeners.get(consumer) ?? new Set();
        listeners.set(consumer, set.add(listen));
      }
      return {
        woken(ms, signal) {
          if (missed || signal.aborted || closed) {
            missed = false;
            return Promise.resolve();
          }
          return new Promise((resolve) => {
            const end = () => {
              clearTimeout(timer);
              signal.removeEventListener("abort", end);
              rouse = () => {
                missed = true;
              };
              resolve();
            };
            const timer = setTimeout(end, ms);
            signal.addEventListener("abort", end);
            rouse = end;
          });
        },
        [Symbol.dispose]() {
          for (const consumer of consumers) {
            const set = listeners.get(consumer);
            set?.delete(listen);
            if (set?.size === 0) listeners.delete(consumer);
          }
        },
      };
    },
    wake(consumer) {
      for (const listen of listeners.get(consumer) ?? []) listen();
    },
    close() {
      closed = true;
      for (const set of listeners.values()) for (const listen of set) listen();
    },
    waiting: () => new Map([...listeners].map(([consumer, set]) => [consumer, set.size])),
  };
}
