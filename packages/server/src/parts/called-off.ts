/** A dial whose recovery was called off stays where it is, until a person turns it one way or the other. */
import type { Recoveries } from "../recovery/recovery.ts";
import { turningOn } from "../rollouts/rollout-store.ts";
import type { Query } from "../store/database.ts";

/** Why the dial does not go on back by itself; null: no recovery that was called off was turning it. */
export async function calledOffTurn(
  db: Query,
  recoveries: Pick<Recoveries, "find">,
  dial: { readonly environment: string; readonly artifact: string },
): Promise<string | null> {
  const rollout = (await turningOn(db, dial))?.rollout;
  if (rollout?.phase !== "rolling-back" || rollout.turning.recovery === null) return null;
  const recovery = await recoveries.find(rollout.turning.recovery);
  if (recovery?.state !== "refused") return null;
  return `${recovery.because}; a person goes on with \`lastgood rollout back ${rollout.id}\`, or forward with \`promote\``;
}
