/**
 * Somebody else moved the pin that a rollout turns: what they made of it stands, and the rollout follows.
 */
import { newChangeId } from "../world.ts";
import type { ActDeps } from "./acting.ts";
import type { Yielded } from "./next-act.ts";
import { supersedeLive } from "./one-dial.ts";
import {
  type Canary,
  type Frozen,
  finishRollback,
  freeze,
  type Hand,
  type Live,
  promote,
  type RollingBack,
  type Rollout,
  rollBack,
  supersede,
} from "./rollout.ts";
import { moveRollout, type Stored } from "./rollout-store.ts";

type Turned = Canary | Live | Frozen | RollingBack;

export async function yieldTo(
  deps: ActDeps,
  stored: Stored,
  rollout: Turned,
  to: Yielded,
): Promise<void> {
  const at = deps.world.now();
  const text = sayYielded(rollout, to);
  const next = yielded(deps, rollout, to, at);
  await deps.moving.db.begin(async (tx) => {
    if (next.phase === "live") await supersedeLive(tx, deps.world, rollout);
    await moveRollout(tx, stored, next, at, { actor: to.by, event: "rollout.yielded", text });
  });
}

function yielded({ world }: ActDeps, rollout: Turned, to: Yielded, at: Date): Rollout {
  const turning = rollout.phase === "frozen" ? rollout.was : rollout;
  switch (to.kind) {
    case "promoted":
      return promote(turning, 100, { at, epoch: to.epoch }, handOf(to.by, at));
    case "turned-back": {
      const why = `${to.by} pinned ${rollout.prior.version}`;
      const order = {
        ...{ why, by: to.by, incident: null, recovery: null, change: newChangeId(world) },
        ...{ now: true, unchecked: true },
      };
      const back = rollout.phase === "rolling-back" ? rollout : rollBack(rollout, order, at);
      return finishRollback(back, { at, epoch: to.epoch });
    }
    case "replaced":
      return supersede(rollout, to.release, `${to.by} pinned ${to.release}`);
    case "moved":
      // What is live turns no dial: whoever turns it now has it.
      if (rollout.phase === "live") return supersede(rollout, to.by, to.because);
      if (rollout.phase === "frozen") return rollout;
      return freeze(rollout, { by: to.by, why: to.because, at, incident: null });
  }
}

/** Only people's decisions bind what comes after. */
function handOf(by: string, at: Date): Hand | null {
  return by.startsWith("token:") ? { by, at, did: "pinned" } : null;
}

function sayYielded({ candidate, prior }: Turned, to: Yielded): string {
  switch (to.kind) {
    case "promoted":
      return `${to.by} pinned ${candidate} for everybody`;
    case "turned-back":
      return `${to.by} pinned ${prior.version} for everybody`;
    case "replaced":
      return `${to.by} pinned ${to.release} for everybody`;
    case "moved":
      return to.because;
  }
}
