import { Fault } from "../fault.ts";

/** At most `count` at once; who comes later waits, first come first served. */
export interface Slots {
  /** Resolves with the function that gives the slot back. `too_many` when none is free in time. */
  take(waitMs: number, signal: AbortSignal): Promise<() => void>;
}

export function createSlots(count: number): Slots {
  let free = count;
  const waiting: (() => void)[] = [];

  function give(): () => void {
    let given = true;
    return () => {
      if (!given) return;
      given = false;
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    };
  }

  return {
    async take(waitMs, signal) {
      signal.throwIfAborted();
      if (free > 0) {
        free -= 1;
        return give();
      }
      const deadline = AbortSignal.timeout(waitMs);
      await new Promise<void>((resolve, reject) => {
        const either = AbortSignal.any([signal, deadline]);
        const leave = () => {
          waiting.splice(waiting.indexOf(mine), 1);
          reject(signal.aborted ? signal.reason : full(count, waitMs));
        };
        const mine = () => {
          either.removeEventListener("abort", leave);
          resolve();
        };
        either.addEventListener("abort", leave, { once: true });
        waiting.push(mine);
      });
      return give();
    },
  };
}

function full(count: number, waitMs: number): Fault {
  return new Fault(
    "too_many",
    `All ${count} sandboxes have been in use for ${waitMs} ms: dispose of one, or try again.`,
  );
}
