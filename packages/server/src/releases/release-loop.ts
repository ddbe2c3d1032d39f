/** What acts by itself in this room: contents that nobody can need any more are let go, as declared. */
import type { Logger } from "pino";
import { type Loop, startLoop } from "../loop.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { listArtifacts, lockArtifact } from "./artifact-store.ts";
import { dispensable } from "./retention.ts";
import { readKept, retire } from "./retention-store.ts";

const everyMs = 3_600_000;
const releasesLookedAt = 100_000;

export interface RetentionDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
}

export function startRetention(deps: RetentionDeps): Loop {
  return startLoop({
    name: "releases.retention",
    everyMs,
    log: deps.log,
    async run(signal) {
      await applyRetention(deps, signal);
    },
  });
}

/** Returns how many releases were retired. */
export async function applyRetention(
  { db, world }: Pick<RetentionDeps, "db" | "world">,
  signal: AbortSignal,
): Promise<number> {
  let retired = 0;
  for (const { name, keep } of await listArtifacts(db)) {
    if (keep === null || signal.aborted) continue;
    retired += await db.begin(async (tx) => {
      // What is pinned meanwhile waits for us, and we for it.
      await lockArtifact(tx, name);
      const versions = dispensable(await readKept(tx, name, releasesLookedAt), keep, world.now());
      if (versions.length === 0) return 0;
      const because = `beyond the last ${keep.last}, and older than ${keep.days} days`;
      await retire(tx, name, versions, { at: world.now(), by: "lastgood", because });
      return versions.length;
    });
  }
  return retired;
}
