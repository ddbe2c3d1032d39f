/**
 * What only tells how far the work is: told in its order, kept while the server is away, at most 1,000 and the ends
 * of what was begun before those.
 */
import { Fault, faults } from "./fault.ts";

export interface Backlog {
  /** Told at once where the server is there, otherwise kept. `too_many` when it is full. */
  keep(what: string, tell: () => Promise<unknown>): Promise<void>;
  /** The same, of what was begun when there was room: kept also where it is full now. */
  keepEnd(what: string, tell: () => Promise<unknown>): Promise<void>;
  /** Before something is begun that will have to be told: `too_many` where it is full, and cannot be told now. */
  makeRoom(what: string): Promise<void>;
  /** Tells what waits, in its order; throws the fault of a server that is still away. */
  tell(): Promise<void>;
  isEmpty(): boolean;
  /** `server_unreachable` while something waits. */
  requireEmpty(): void;
}

interface Kept {
  readonly what: string;
  tell(): Promise<unknown>;
}

const keptMax = 1_000;

export function createBacklog(onTrouble: ((fault: Fault) => void) | undefined): Backlog {
  const kept: Kept[] = [];
  let telling: Promise<void> | null = null;

  async function tellAll(): Promise<void> {
    // It never ends before `tell` knows of it.
    await null;
    try {
      for (let first = kept[0]; first !== undefined; first = kept[0]) await tellFirst(first);
    } finally {
      // At once: what is kept after the last look was taken must not join what has ended.
      telling = null;
    }
  }

  async function tellFirst(first: Kept): Promise<void> {
    try {
      await first.tell();
    } catch (error) {
      if (!(error instanceof Fault) || faults[error.code].retry === "later") throw error;
      // It will never be taken: whoever holds the session hears of it, and what comes after is told.
      if (error.code === "fenced") throw error;
      onTrouble?.(error);
    }
    kept.shift();
  }

  function tell(): Promise<void> {
    telling ??= tellAll();
    return telling;
  }

  async function tellUnlessAway(): Promise<void> {
    try {
      await tell();
    } catch (error) {
      if (!(error instanceof Fault) || faults[error.code].retry !== "later") throw error;
      onTrouble?.(error);
    }
  }

  async function keepEnd(what: string, act: () => Promise<unknown>): Promise<void> {
    kept.push({ what, tell: act });
    await tellUnlessAway();
  }

  function requireRoom(refused: string): void {
    if (kept.length < keptMax) return;
    throw new Fault(
      "too_many",
      `The server is away and ${kept.length} records wait for it (the first: ${kept[0]?.what}): ${refused}. Stop until it is back.`,
    );
  }

  return {
    ...{ tell, keepEnd },
    async keep(what, act) {
      requireRoom(`${what} was not kept`);
      await keepEnd(what, act);
    },
    async makeRoom(what) {
      // Nobody else may come to tell it: the server may be back.
      if (kept.length >= keptMax) await tellUnlessAway();
      requireRoom(`${what} was not begun`);
    },
    isEmpty: () => kept.length === 0,
    requireEmpty() {
      if (kept.length === 0) return;
      throw new Fault(
        "server_unreachable",
        `${kept.length} records could not be told (the first: ${kept[0]?.what}): the server is away.`,
      );
    },
  };
}
