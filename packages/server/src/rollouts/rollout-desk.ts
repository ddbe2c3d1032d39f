/**
 * What people and agents do to rollouts. A person's act is on record as such, and nothing automatic goes past it.
 *
 *   P1. What was decided on an older state (`expect`) moves nothing, and hears who was first.
 *   P2. Going back is always allowed; review, policy and gate stand only in the way forward.
 */
import { mayTurn, type RolloutAction } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import { newChangeId } from "../world.ts";
import { type ActDeps, despiteRaces, step, stopServing } from "./acting.ts";
import { asPinned } from "./as-pinned.ts";
import { turnForward } from "./dial.ts";
import { supersedeLive } from "./one-dial.ts";
import { sharesOf } from "./ramp.ts";
import {
  type Canary,
  type Frozen,
  freezeUnserved,
  type Hand,
  hurry,
  isAtGate,
  isReversible,
  type Live,
  promote,
  type RollingBack,
  type Rollout,
  type RolloutId,
  refuse,
  thaw,
  thawUnserved,
} from "./rollout.ts";
import { type Start, type StartDeps, startIn } from "./rollout-start.ts";
import { requireRollout, requireUnmoved, type Stored } from "./rollout-store.ts";
import { heldBy } from "./turn-back.ts";
import { beginBack } from "./way-back.ts";

export interface DeskDeps extends ActDeps, StartDeps {
  /** The dial's rollouts are looked at now. */
  wake(): void;
}

export interface TurnOrder {
  readonly by: string;
  readonly because: string;
  readonly expect?: number | undefined;
}

export interface BackOrder extends TurnOrder {
  readonly now: boolean;
  readonly unchecked: boolean;
}

export function createRolloutDesk(deps: DeskDeps) {
  const { moving, world } = deps;
  const { db } = moving;
  const isPerson = (by: string) => by.startsWith("token:");
  const handOf = (by: string, did: string): Hand | null =>
    isPerson(by) ? { by, did, at: world.now() } : null;

  async function taken(id: string, action: RolloutAction, expect?: number): Promise<Stored> {
    const stored = await requireRollout(db, id);
    await requireUnmoved(db, stored, expect);
    const { phase } = stored.rollout;
    if (mayTurn(action, phase)) return stored;
    throw new Fault(
      "state_forbids",
      `The rollout ${stored.rollout.id} is ${phase}, which does not allow ${action}: see \`lastgood rollout show ${stored.rollout.id}\`.`,
    );
  }

  async function after(id: RolloutId): Promise<Stored> {
    deps.wake();
    return await requireRollout(db, id);
  }

  const desk = {
    async start(order: Start): Promise<Stored> {
      const rollout = await db.begin((tx) => startIn(tx, deps, order));
      return await after(rollout.id);
    },

    async freeze(id: string, { by, because, expect }: TurnOrder): Promise<Stored> {
      const stored = await taken(id, "freeze", expect);
      const { rollout } = stored;
      const stop = { by, why: because, at: world.now(), incident: null };
      const told = { actor: by, event: "rollout.frozen", text: because };
      if (rollout.phase === "shadow") {
        await step(deps, stored, freezeUnserved(rollout, stop), told);
      } else if (isTurning(rollout)) await stopServing(deps, stored, rollout, stop, told);
      return await after(rollout.id);
    },

    async resume(id: string, { by, because, expect }: TurnOrder): Promise<Stored> {
      const stored = await taken(id, "resume", expect);
      const { rollout } = stored;
      if (rollout.phase !== "frozen") return stored;
      const told = { actor: by, event: "rollout.resumed", text: because };
      if (!("prior" in rollout)) await step(deps, stored, thawUnserved(rollout), told);
      else {
        // Who goes on with what Lastgood stopped overrules it, from then on.
        const hand = isPerson(rollout.by) ? null : handOf(by, "resumed");
        await step(deps, stored, await thawed(deps, rollout, hand), told);
      }
      await settled(deps, rollout, by, because);
      return await after(rollout.id);
    },

    async promote(id: string, { by, because, expect }: TurnOrder): Promise<Stored> {
      const stored = await taken(id, "promote", expect);
      const { rollout } = stored;
      const turning = rollout.phase === "frozen" && "prior" in rollout ? rollout.was : rollout;
      if (!isTurning(turning)) {
        throw new Fault(
          "state_forbids",
          `The rollout ${rollout.id} serves nobody yet: it is promoted by the gate, or deployed by hand.`,
        );
      }
      const pin = await asPinned(db, turning);
      await turnForward(deps, stored, {
        ...{ by, because, shares: sharesOf(turning.prior.version, turning.candidate, 100) },
        expect: pin?.epoch ?? 0,
        told: { actor: by, event: "rollout.promoted", text: because },
        next: (stand) => promote(turning, 100, stand, handOf(by, "promoted")),
        alongside: (tx) => supersedeLive(tx, world, rollout),
        override: because,
      });
      await settled(deps, rollout, by, because);
      return await after(rollout.id);
    },

    /** By hand, over whatever Lastgood means to do. */
    async back(id: string, { by, because, expect, now, unchecked }: BackOrder): Promise<Stored> {
      const stored = await taken(id, "back", expect);
      const { rollout } = stored;
      const held = isPerson(by) ? null : heldBy(rollout);
      if (held !== null) {
        throw new Fault(
          "frozen",
          `${by} may not turn ${rollout.id} back: ${held}. A person turns it back with \`lastgood rollout back ${rollout.id}\`.`,
          { context: { rollout: rollout.id } },
        );
      }
      if (rollout.phase === "rolling-back") {
        // A person takes over what went back by itself: neither a freeze nor who took the incident stops them.
        const own = isPerson(by) ? { by, recovery: null } : {};
        const quicker = hurry(
          rollout,
          { now: now || rollout.turning.now, unchecked, ...own },
          world.now(),
        );
        await step(deps, stored, quicker, { actor: by, event: "rollout.hurried", text: because });
      } else if (isReversible(rollout)) {
        await beginBack(deps, stored, rollout, {
          ...{ by, why: because, incident: null, recovery: null, now, unchecked },
          change: newChangeId(world),
        });
      } else if (isAtGate(rollout)) {
        const told = { actor: by, event: "rollout.refused", text: because };
        await step(deps, stored, refuse(rollout, by, because), told);
      }
      await settled(deps, rollout, by, because);
      return await after(rollout.id);
    },
  };
  /** Who does not say which state it was decided on means it as it is. */
  const insistent =
    <Order extends TurnOrder>(act: (id: string, order: Order) => Promise<Stored>) =>
    (id: string, order: Order) =>
      order.expect === undefined ? despiteRaces(() => act(id, order)) : act(id, order);
  return {
    start: desk.start,
    freeze: insistent(desk.freeze),
    resume: insistent(desk.resume),
    promote: insistent(desk.promote),
    back: insistent(desk.back),
  };
}

export type RolloutDesk = ReturnType<typeof createRolloutDesk>;

function isTurning(rollout: Rollout): rollout is Canary | Live | RollingBack {
  const { phase } = rollout;
  return phase === "canary" || phase === "live" || phase === "rolling-back";
}

/** What a person was called for is decided. */
async function settled(deps: DeskDeps, rollout: Rollout, by: string, because: string) {
  if (rollout.phase === "frozen") await deps.incidents.stuckOver(rollout.id, by, because);
}

/** Where it goes on is what the pin says now, as long as it is made of these two releases. */
async function thawed({ moving, world }: DeskDeps, rollout: Frozen, hand: Hand | null) {
  const at = world.now();
  const pin = await asPinned(moving.db, rollout);
  const { was } = rollout;
  if (pin === null || pin.epoch === was.stand.epoch) {
    return thaw(rollout, hand, { at, epoch: was.stand.epoch });
  }
  const percent = was.phase === "rolling-back" ? 100 - pin.percent : pin.percent;
  return { ...thaw(rollout, hand, { at, epoch: pin.epoch }), percent };
}
