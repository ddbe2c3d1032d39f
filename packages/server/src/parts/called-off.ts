/** A dial whose recovery was called off stays where it is, until a person turns it one way or the other. */
import type { Recoveries } from "../recovery/recovery.ts";
import { openRollouts } from "../rollouts/rollout-store.ts";
import type { Query } from "../store/database.ts";

/** Why the artifact's dial does not go on back by itself; null: no recovery that was called off was turning it. */
export async function calledOffTurn(
  db: Query,
  recoveries: Pick<Recoveries, "find">,
  artifact: string,
): Promise<string | null> {
  for (const { rollout } of await openRollouts(db)) {
    if (rollout.artifact !== artifact || rollout.phase !== "rolling-back") continue;
    const { recovery: id } = rollout.turning;
    const recovery = id === null ? null : await recoveries.find(id);
    if (recovery?.state === "refused") {
      return `${recovery.because}; a person goes on with \`lastgood rollout back ${rollout.id}\`, or forward with \`promote\``;
    }
  }
  return null;
}
