/**
 * How a recovery turns a dial back: it asks for it, and reads how far it is. The rollout's own loop moves the
 * pin, so that a drill, a person and an incident all take the same way.
 */
import { Fault } from "../fault.ts";
import type { ChangeId, IncidentId, RecoveryId } from "../ids.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { despiteRaces } from "./acting.ts";
import { hurry, isOpen, isReversible, type Rollout } from "./rollout.ts";
import { findRollout, moveRollout, requireRollout, servingOn } from "./rollout-store.ts";
import { beginBack } from "./way-back.ts";

export interface TurnBack {
  /** The rollout that brought this release to the dial and can take it back; null: there is none. */
  turningOf(dial: {
    readonly environment: string;
    readonly artifact: string;
  }): Promise<TurnedDial | null>;
  /**
   * Asks for it; done already, or under way, it is left alone. False: others have put another release in its place,
   * and there is nothing to turn. Faults `plan_stale` where it may not go back any more.
   */
  begin(order: {
    readonly rollout: string;
    readonly change: ChangeId;
    readonly actor: string;
    readonly because: string;
    readonly incident: IncidentId | null;
  }): Promise<boolean>;
  read(
    rollout: string,
  ): Promise<
    { readonly kind: "back" } | { readonly kind: "under-way" | "stopped"; readonly says: string }
  >;
}

export interface TurnedDial {
  readonly rollout: string;
  readonly candidate: string;
  readonly prior: string;
  /** A person's word that holds it where it is; null: nobody's. */
  readonly heldBy: string | null;
}

interface TurnBackDeps {
  readonly db: Db;
  readonly world: World;
  /** The dials are looked at now. */
  wake(): void;
}

export function createTurnBack({ db, world, wake }: TurnBackDeps): TurnBack {
  return {
    async turningOf(dial) {
      const open = await servingOn(db, dial);
      if (open === null || open.rollout.purpose === "drill") return null;
      const { rollout } = open;
      if (!isReversible(rollout) && rollout.phase !== "rolling-back") return null;
      const { id, candidate, prior } = rollout;
      return { rollout: id, candidate, prior: prior.version, heldBy: heldBy(rollout) };
    },

    begin: ({ rollout: id, change, actor, because, incident }) =>
      despiteRaces(async () => {
        const stored = await requireRollout(db, id);
        const { rollout } = stored;
        if (rollout.phase === "rolled-back") return true;
        if (!isOpen(rollout)) return false;
        const held = heldBy(rollout);
        if (held !== null) throw new Fault("plan_stale", `${held}, after this was planned.`);
        const recovery = recoveryIn(actor);
        if (rollout.phase === "rolling-back") {
          if (rollout.turning.recovery === recovery) {
            wake();
            return true;
          }
          const at = world.now();
          const joined = hurry(rollout, { recovery, incident, change }, at);
          const told = { actor, event: "rollout.joined", text: because };
          await db.begin((tx) => moveRollout(tx, stored, joined, at, told));
          wake();
          return true;
        }
        if (!isReversible(rollout)) {
          throw new Fault(
            "plan_stale",
            `The rollout ${id} is ${rollout.phase} and does not go back any more.`,
          );
        }
        await beginBack({ moving: { db }, world }, stored, rollout, {
          ...{ why: because, by: actor, incident, recovery, change, now: false, unchecked: false },
        });
        wake();
        return true;
      }),

    async read(id) {
      const stored = await findRollout(db, id);
      if (stored === null) return { kind: "stopped", says: `there is no rollout ${id}` };
      const { rollout } = stored;
      if (rollout.phase === "rolled-back") return { kind: "back" };
      if (rollout.phase === "rolling-back") return { kind: "under-way", says: sayWay(rollout) };
      const says = `the rollout ${id} is ${rollout.phase}`;
      return {
        kind: "stopped",
        says: rollout.phase === "frozen" ? `${says}: ${rollout.why}` : says,
      };
    },
  };
}

/** Frozen by a person, or overruled by one. */
export function heldBy(rollout: Rollout): string | null {
  if (rollout.phase === "frozen" && rollout.by.startsWith("token:")) {
    return `${rollout.by} froze it: ${rollout.why}`;
  }
  return rollout.hand === null ? null : `${rollout.hand.by} ${rollout.hand.did} it`;
}

function sayWay(rollout: Extract<Rollout, { phase: "rolling-back" }>): string {
  return `${rollout.percent} % are on ${rollout.prior.version}`;
}

function recoveryIn(actor: string): RecoveryId | null {
  const [, id] = /^recovery:(.+)$/.exec(actor) ?? [];
  return id === undefined ? null : (id as RecoveryId);
}
