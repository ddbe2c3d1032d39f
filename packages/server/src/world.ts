import { randomFillSync } from "node:crypto";
import { type ChangeId, shortId, uuidV7 } from "./ids.ts";

/** Clock and chance, handed in so that pure code stays pure and drills can play time faster. */
export interface World {
  now(): Date;
  randomBytes(length: number): Uint8Array;
}

export const realWorld: World = {
  now: () => new Date(),
  randomBytes: (length) => randomFillSync(new Uint8Array(length)),
};

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
