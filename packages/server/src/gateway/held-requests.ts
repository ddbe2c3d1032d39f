/**
 * Requests that were to be copied when as many copies as may be were under way. Those of which it becomes known how
 * they turned out are copied when one is over: a copy that nothing can be held against tells little.
 *
 *   H1. Which one is copied depends on whether its outcome is known, and never on what the outcome is.
 *   H2. In memory alone, the newest 1,000 and 16 MiB of them, and only while copies are asked for.
 */
import type { Ended, Passing } from "./passed.ts";

export interface Held {
  readonly passing: Passing;
  readonly ended: Ended;
}

export interface HeldRequests {
  hold(one: Held): void;
  /** What turned out of this request is known: it is next. */
  turnedOut(id: string): void;
  /** The one that is to be copied first; undefined: none. */
  next(): Held | undefined;
  /** Copies are asked for of these artifacts only. */
  keepOf(artifacts: { has(artifact: string): boolean }): void;
}

interface Weighed extends Held {
  readonly bytes: number;
  isKnown: boolean;
}

const heldMax = 1_000;
const heldBytesMax = 16_777_216;

export function createHeldRequests(): HeldRequests {
  const held = new Map<string, Weighed>();
  let bytes = 0;

  function drop(id: string): void {
    bytes -= held.get(id)?.bytes ?? 0;
    held.delete(id);
  }

  return {
    hold({ passing, ended }) {
      const { id } = passing;
      // Of work of several requests, the newest one.
      drop(id);
      const one = { passing, ended, bytes: JSON.stringify(passing.asked.body).length };
      held.set(id, { ...one, isKnown: false });
      bytes += one.bytes;
      for (const oldest of held.keys()) {
        if (held.size <= heldMax && bytes <= heldBytesMax) break;
        drop(oldest);
      }
    },
    turnedOut(id) {
      const one = held.get(id);
      if (one !== undefined) one.isKnown = true;
    },
    next() {
      for (const [id, one] of held) {
        if (!one.isKnown) continue;
        drop(id);
        return one;
      }
      return undefined;
    },
    keepOf(artifacts) {
      for (const [id, { passing }] of held) if (!artifacts.has(passing.asked.artifact)) drop(id);
    },
  };
}
