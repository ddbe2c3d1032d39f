/**
 * A dial has one rollout that is live, and one that turns it: who goes from one to the other makes room, in the same
 * transaction.
 *
 *   D1. What was live is superseded by what goes live next.
 *   D2. What is live, and is stopped or turned back, takes its dial again: what waited at the gate to be compared with
 *       it gives way. What turns the dial already does not: it is that which has to be stopped.
 */
import { Fault } from "../fault.ts";
import type { Tx } from "../store/database.ts";
import type { World } from "../world.ts";
import { nameOfRollout } from "./dial.ts";
import { isAtGate, type Rollout, refuse, supersede } from "./rollout.ts";
import { liveOn, moveRollout, turningOn } from "./rollout-store.ts";

/** D1. */
export async function supersedeLive(
  tx: Tx,
  world: World,
  next: Pick<Rollout, "id" | "environment" | "artifact" | "candidate">,
): Promise<void> {
  const live = await liveOn(tx, next);
  if (live?.rollout.phase !== "live" || live.rollout.id === next.id) return;
  const why = `${next.candidate} went live in ${next.id}`;
  const superseded = supersede(live.rollout, next.candidate, why);
  const told = { actor: nameOfRollout(next), event: "rollout.superseded", text: why };
  await moveRollout(tx, live, superseded, world.now(), told);
}

/** D2. Faults `target_busy`. */
export async function clearGate(tx: Tx, world: World, rollout: Rollout): Promise<void> {
  if (rollout.phase !== "live") return;
  const other = await turningOn(tx, rollout);
  if (other === null) return;
  const { id, candidate, artifact, phase } = other.rollout;
  if (!isAtGate(other.rollout)) {
    throw new Fault(
      "target_busy",
      `${artifact}:${candidate} turns this dial (${id}, ${phase}), and ${rollout.candidate} is what it goes back to: stop that one with \`lastgood rollout freeze ${id}\`, or turn it back with \`lastgood rollout back ${id}\`.`,
      { context: { rollout: id } },
    );
  }
  const why = `${rollout.candidate}, which it was to be compared with, is stopped or goes back in ${rollout.id}: start it again once that is over`;
  const told = { actor: nameOfRollout(rollout), event: "rollout.refused", text: why };
  await moveRollout(
    tx,
    other,
    refuse(other.rollout, nameOfRollout(rollout), why),
    world.now(),
    told,
  );
}
