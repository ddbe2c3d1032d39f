/**
 * What people and agents do to rollouts. A person's act is on record as such, and nothing automatic goes past it.
 *
 *   P1. One dial, one rollout that turns it: a second start is refused, and hears who was first.
 *   P2. What was decided on an older state (`expect`) moves nothing, and hears who was first.
 *   P3. Going back is always allowed; review, policy and gate stand only in the way forward.
 *   P4. A loop of rollbacks and redeployments ends: after several in a row only a person begins the next.
 */
import { mayTurn, type RampPlan, type RolloutAction } from "@lastgood/sdk";
import type { Configuration } from "../config/config.ts";
import { Fault } from "../fault.ts";
import type { Pin } from "../releases/pin.ts";
import type { Deploy } from "../releases/pin-desk.ts";
import { nameOf } from "../releases/release.ts";
import { barredLike, requireRelease } from "../releases/release-store.ts";
import type { Tx } from "../store/database.ts";
import { newChangeId, newId } from "../world.ts";
import { type ActDeps, step } from "./acting.ts";
import { asPinned } from "./as-pinned.ts";
import { turnForward } from "./dial.ts";
import { sharesOf, stepsOf } from "./ramp.ts";
import { settingsFor } from "./reverse-gate.ts";
import {
  type Canary,
  type Candidate,
  type Frozen,
  freeze,
  freezeUnserved,
  type Hand,
  hurry,
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
import {
  automaticBacksInARow,
  insertRollout,
  liveOn,
  recordRolloutEvent,
  requireRollout,
  requireUnmoved,
  type Stored,
  turningOn,
} from "./rollout-store.ts";
import { supersedeLive } from "./take-act.ts";
import { beginBack } from "./way-back.ts";

export interface DeskDeps extends ActDeps {
  readonly configuration: Configuration;
  /** The dial's rollouts are looked at now. */
  wake(): void;
}

export interface Start {
  readonly environment: string;
  readonly artifact: string;
  readonly version: string;
  readonly by: string;
  readonly session: string | null;
  readonly because: string;
  readonly ramp: readonly number[] | null;
  readonly holdMs: number | null;
  readonly blueGreen: boolean;
  readonly expect: number | null;
  readonly inFlight: Deploy["inFlight"];
  readonly override: string | null;
  readonly purpose: Rollout["purpose"];
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

  return {
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
      } else if (isTurning(rollout)) await step(deps, stored, freeze(rollout, stop), told);
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
      if (rollout.phase === "rolling-back") {
        const quicker = hurry(rollout, { now: now || rollout.turning.now, unchecked }, world.now());
        await step(deps, stored, quicker, { actor: by, event: "rollout.hurried", text: because });
      } else if (isReversible(rollout)) {
        await beginBack(deps, stored, rollout, {
          ...{ by, why: because, incident: null, recovery: null, now, unchecked },
          change: newChangeId(world),
        });
      } else if (
        rollout.phase === "candidate" ||
        rollout.phase === "shadow" ||
        isUnserved(rollout)
      ) {
        const told = { actor: by, event: "rollout.refused", text: because };
        await step(deps, stored, refuse(rollout, by, because), told);
      }
      await settled(deps, rollout, by, because);
      return await after(rollout.id);
    },
  };
}

export type RolloutDesk = ReturnType<typeof createRolloutDesk>;

function isTurning(rollout: Rollout): rollout is Canary | Live | RollingBack {
  const { phase } = rollout;
  return phase === "canary" || phase === "live" || phase === "rolling-back";
}

function isUnserved(rollout: Rollout): rollout is Extract<Rollout, { was: { phase: "shadow" } }> {
  return rollout.phase === "frozen" && rollout.was.phase === "shadow";
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

/** P1, P4. Everything that is wrong is found before anything moves. */
async function startIn(tx: Tx, deps: DeskDeps, order: Start): Promise<Candidate> {
  const { environment, artifact, version, by, because, purpose } = order;
  const { desk, world, configuration } = deps;
  const plan = planOf(configuration, order);
  const pin = await desk.requireDeployable(tx, {
    ...{ environment, artifact, by, because, expect: order.expect, session: order.session },
    ...{ inFlight: order.inFlight, override: order.override },
    wanted: { kind: "all", version },
  });
  await requireFreeDial(tx, order);
  await requireOneServing(tx, order, pin);
  if (purpose === "release" && order.override === null) await requireNotTheSame(tx, order);
  if (!by.startsWith("token:") && purpose === "release") {
    const cap = configuration.current().caps.recoveriesInARow;
    const inARow = await automaticBacksInARow(tx, order);
    if (inARow >= cap) {
      throw new Fault(
        "cap_reached",
        `${inARow} rollouts of ${artifact} in a row went back by themselves: a person looks at it and begins the next, with \`lastgood rollout start ${artifact}:${version}\`.`,
        { context: { artifact, inARow } },
      );
    }
  }
  const startedAt = world.now();
  const rollout: Candidate = {
    ...{ id: newId<RolloutId>(world, "ro"), environment, artifact, candidate: version },
    ...{ purpose, plan, startedBy: by, startedAt, because, hand: null, phase: "candidate" },
  };
  await insertRollout(tx, rollout);
  await recordRolloutEvent(tx, rollout.id, startedAt, {
    ...{ actor: by, event: "rollout.started", details: { plan } },
    text: because === "" ? `rolls out ${version}` : because,
  });
  return rollout;
}

function planOf(configuration: Configuration, order: Start): RampPlan {
  const settings = settingsFor(configuration, order.artifact);
  const holdMs = order.holdMs ?? settings.hold;
  const flip = [0, 100];
  return {
    ramp: stepsOf(order.blueGreen ? flip : (order.ramp ?? settings.ramp), holdMs),
    reverse: order.blueGreen ? stepsOf([100], 0) : stepsOf(settings.reverse, settings.reverseHold),
    ...{ bakeMs: settings.bake, holdback: settings.holdback, automatic: settings.automatic },
  };
}

async function requireFreeDial(tx: Tx, order: Start): Promise<void> {
  const other = await turningOn(tx, order);
  if (other === null) return;
  const { id, candidate, startedBy, startedAt, phase } = other.rollout;
  throw new Fault(
    "target_busy",
    `${startedBy} is rolling out ${order.artifact}:${candidate} in ${order.environment} since ${startedAt.toISOString()} (${id}, ${phase}): wait for it, or turn it back with \`lastgood rollout back ${id}\`.`,
    { context: { rollout: id, startedBy } },
  );
}

/** A ramp goes from one release to another; only a holdback of our own may stand beside it. */
async function requireOneServing(tx: Tx, order: Start, pin: Pin | null): Promise<void> {
  const { artifact, environment, version } = order;
  if (pin === null) {
    throw new Fault(
      "state_forbids",
      `Nothing of ${artifact} is pinned in ${environment} that could serve the rest: deploy the first release with \`lastgood deploy ${artifact}:${version}\`.`,
    );
  }
  const main = pin.shares.toSorted((one, other) => other.share - one.share)[0];
  if (main?.version === version) {
    throw new Fault("state_forbids", `${artifact}:${version} is what is pinned already.`);
  }
  if (pin.shares.length === 1) return;
  const live = await liveOn(tx, order);
  if (live?.rollout.candidate === main?.version) return;
  const shares = pin.shares.map(({ version, share }) => `${version}:${share}`).join(" ");
  throw new Fault(
    "state_forbids",
    `${artifact} is split by hand in ${environment} (${shares}): a ramp begins from one release; deploy one of them to everybody first.`,
  );
}

/** What was rolled back does not come again under another version. */
async function requireNotTheSame(tx: Tx, { artifact, version }: Start): Promise<void> {
  const release = await requireRelease(tx, artifact, version);
  const like = await barredLike(tx, artifact, release.digest);
  if (like === null || like === version) return;
  throw new Fault(
    "was_rolled_back",
    `${nameOf(release)} has the content of ${artifact}:${like}, which was rolled back: publish what is mended, or lift it with \`lastgood releases lift ${artifact}:${like} --because …\`.`,
    { context: { artifact, version, like } },
  );
}
