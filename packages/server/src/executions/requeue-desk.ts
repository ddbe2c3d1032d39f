/** Work that failed under a bad release is done again under a good one: each piece once, by its key. */
import { type Actor, nameOf } from "../http/actor.ts";
import { audit } from "../http/audit.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { requireGone } from "./execution.ts";
import { requeueFailed } from "./execution-store.ts";

export interface Requeuing {
  readonly environment: string;
  readonly artifact: string;
  readonly version: string;
  /** Null: all that failed. */
  readonly keys: readonly string[] | null;
  readonly because: string;
}

export interface RequeueDesk {
  /** The keys that are queued again by this call. Faults `state_forbids` while the release is pinned. */
  requeue(actor: Actor, wanted: Requeuing): Promise<readonly string[]>;
}

const perStatement = 1_000;

export function createRequeueDesk({
  db,
  world,
  pinnedOf,
}: {
  readonly db: Db;
  readonly world: World;
  /** The releases that are pinned now. */
  pinnedOf(environment: string, artifact: string): Promise<readonly { readonly version: string }[]>;
}): RequeueDesk {
  return {
    async requeue(actor, { because, ...wanted }) {
      const { environment, artifact, version } = wanted;
      requireGone(artifact, version, await pinnedOf(environment, artifact));
      const agent = actor.role === "agent" ? actor.agent : null;
      const keys: string[] = [];
      for (;;) {
        const some = await requeueFailed(db, { ...wanted, agent, limit: perStatement });
        keys.push(...some);
        if (some.length < perStatement) break;
      }
      if (keys.length > 0) {
        await audit(db, {
          ...{ at: world.now(), actor: nameOf(actor), action: "executions.requeued" },
          ...{ target: `${environment}/${artifact}:${version}`, outcome: "done" },
          because: `${keys.length} of them${because === "" ? "" : `: ${because}`}`,
        });
      }
      return keys;
    },
  };
}
