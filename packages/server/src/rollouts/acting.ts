/** What every act on a rollout needs, and how one stops for a person. */
import { Fault } from "../fault.ts";
import { lockArtifact } from "../releases/artifact-store.ts";
import type { World } from "../world.ts";
import { type DialDeps, nameOfRollout } from "./dial.ts";
import type { IncidentDesk } from "./neighbours.ts";
import { clearGate } from "./one-dial.ts";
import type { ReverseGate } from "./reverse-gate.ts";
import {
  type Canary,
  freeze,
  freezeUnserved,
  type Live,
  type RollingBack,
  type Rollout,
  type Shadow,
  type Stop,
} from "./rollout.ts";
import { moveRollout, type Stored, type Told } from "./rollout-store.ts";

export interface ActDeps extends DialDeps {
  readonly world: World;
  readonly incidents: IncidentDesk;
  readonly reverseGate: ReverseGate;
}

export const ownName = "lastgood";

export function says(rollout: Rollout, event: string, text: string): Told {
  return { actor: nameOfRollout(rollout), event, text };
}

const triesMax = 5;

/** Again where the loop was first: what is meant holds for the rollout as it is, whatever it was a moment ago. */
export async function despiteRaces<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      const raced = error instanceof Fault && error.code === "version_conflict";
      if (!raced || tries >= triesMax) throw error;
    }
  }
}

/** Takes an arrow that moves no pin. */
export async function step(
  { moving: { db }, world }: Pick<ActDeps, "moving" | "world">,
  stored: Stored,
  next: Rollout,
  told: Told,
): Promise<void> {
  await db.begin((tx) => moveRollout(tx, stored, next, world.now(), told));
}

/** What serves stays where it is. */
export async function stopServing(
  { moving: { db }, world }: Pick<ActDeps, "moving" | "world">,
  stored: Stored,
  rollout: Canary | Live | RollingBack,
  stop: Stop,
  told: Told,
): Promise<void> {
  await db.begin(async (tx) => {
    // As every deployment does first: of two who turn the dial one waits for the other.
    await lockArtifact(tx, rollout.artifact);
    await clearGate(tx, world, rollout);
    await moveRollout(tx, stored, freeze(rollout, stop), stop.at, told);
  });
}

/** It cannot go on by itself: it stays where it is, and a person is called. */
export async function stopFor(
  deps: ActDeps,
  stored: Stored,
  rollout: Shadow | Canary | RollingBack,
  because: string,
): Promise<void> {
  const { id, environment, artifact } = rollout;
  const at = deps.world.now();
  const incident = await deps.incidents.reportStuck({
    ...{ rollout: id, environment, artifact, because },
  });
  const stop = { by: ownName, why: because, at, incident };
  const told = {
    ...{ actor: ownName, event: "rollout.frozen", text: `${because}; see ${incident}` },
    details: { incident },
  };
  if (rollout.phase === "shadow") await step(deps, stored, freezeUnserved(rollout, stop), told);
  else await stopServing(deps, stored, rollout, stop, told);
}
