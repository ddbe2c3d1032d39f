import { randomFillSync } from "node:crypto";
import { type ChangeId, shortId, uuidV7 } from "./ids.ts";

/** Clock and chance, handed in so that pure code stays pure and drills can play time faster. */
export interface World {
  now(): Date;
  randomBytes(length: number): Uint8Array;
}

export const realWorld: World = { now: () => new Date(), randomBytes: pooledRandomBytes() };

/** Asking the system costs as much for a few bytes as for a few thousand. None is given out twice. */
function pooledRandomBytes(): World["randomBytes"] {
  const pool = new Uint8Array(4_096);
  let used = pool.length;
  return (length) => {
    if (length > pool.length) return randomFillSync(new Uint8Array(length));
    if (used + length > pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    used += length;
    return pool.slice(used - length, used);
  };
}

export function newUuid(world: World): string {
  return uuidV7(world.now(), world.randomBytes(10));
}

export function newChangeId(world: World): ChangeId {
  return newUuid(world) as ChangeId;
}

/** A short readable id of the kind that `prefix` names: `inc`, `rec`, `page`. */
export function newId<T extends string>(world: World, prefix: string): T {
  return shortId(prefix, world.now(), world.randomBytes(5)) as T;
}
