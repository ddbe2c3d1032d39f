/**
 * Which epoch a consumer really follows. A database that was put back to an earlier time makes the same epochs again,
 * with other pins: each epoch carries a mark of the move that made it, its line, and what is claimed is held to that.
 */
import type { Db } from "../store/database.ts";
import { lineAt } from "./pin-store.ts";
import type { Snapshot } from "./snapshot.ts";

export interface Claimed {
  readonly epoch: number;
  /** What came with that epoch; undefined where the consumer did not keep it. */
  readonly line: string | undefined;
}

export interface Lines {
  /** 0 for an epoch that was never made here, and where it cannot be looked up now: everything is told anew. */
  followed(snapshot: Snapshot, claimed: Claimed): Promise<number>;
}

const keptMax = 64;

export function createLines(db: Db): Lines {
  // A thousand consumers that come with the same epoch are one question. What led to a line stays as it is.
  const kept = new Map<string, Promise<string | null>>();

  function lineIn({ environment, line }: Snapshot, epoch: number): Promise<string | null> {
    const key = JSON.stringify([environment, line, epoch]);
    const before = kept.get(key);
    if (before !== undefined) return before;
    const asked = lineAt(db, environment, epoch).catch(() => {
      kept.delete(key);
      return null;
    });
    kept.set(key, asked);
    const [oldest] = kept.keys();
    if (kept.size > keptMax && oldest !== undefined) kept.delete(oldest);
    return asked;
  }

  return {
    async followed(snapshot, { epoch, line }) {
      if (epoch > snapshot.epoch) return 0;
      if (line === undefined || epoch === 0) return epoch;
      if (epoch === snapshot.epoch) return line === snapshot.line ? epoch : 0;
      return (await lineIn(snapshot, epoch)) === line ? epoch : 0;
    },
  };
}
