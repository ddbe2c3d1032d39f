import { createHash } from "node:crypto";
import type { Query } from "../store/database.ts";
import type { World } from "../world.ts";
import type { Actor } from "./actor.ts";
import { authenticate } from "./tokens.ts";

const rememberedMax = 20_000;

/**
 * Lets tokens in. A route that is asked many times a second and moves nothing may be content with what was
 * known of a token up to `msMax` ago; every other one looks it up each time, so that a revocation counts at once.
 */
export function createTokenDoor(db: Query, world: World) {
  const remembered = new Map<string, { readonly actor: Actor; readonly at: number }>();
  return {
    /** Faults: `unauthenticated`, `token_expired`, `contained`. */
    async authenticate(text: string, msMax: number): Promise<Actor> {
      const now = world.now().getTime();
      const key = msMax > 0 ? createHash("sha256").update(text).digest("base64") : null;
      const before = key === null ? undefined : remembered.get(key);
      if (before !== undefined && now - before.at <= msMax) return before.actor;
      const actor = await authenticate(db, world, text);
      if (key !== null) {
        remembered.delete(key);
        remembered.set(key, { actor, at: now });
        const [oldest] = remembered.keys();
        if (remembered.size > rememberedMax && oldest !== undefined) remembered.delete(oldest);
      }
      return actor;
    },
  };
}
