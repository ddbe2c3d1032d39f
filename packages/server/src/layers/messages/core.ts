import type { Db } from "../../store/database.ts";
import type { World } from "../../world.ts";
import type { PutPart } from "./claim-check.ts";
import type { Directory } from "./directory.ts";
import type { MessageEngine } from "./engine.ts";
import type { Waiters } from "./waiters.ts";

/** What every part of this room works with. */
export interface Core {
  readonly db: Db;
  readonly world: World;
  readonly engine: MessageEngine;
  readonly waiters: Waiters;
  readonly directory: Directory;
  readonly putPart: PutPart;
  /** Aborts when the room closes: nobody waits any longer. */
  readonly stopping: AbortSignal;
  /** Wakes whoever waits for the consumer after this long. */
  wakeIn(consumer: string, ms: number): void;
  /** Something died: reviewers are told at the next turn of the sweep, which is now. */
  sweepSoon(): void;
}
