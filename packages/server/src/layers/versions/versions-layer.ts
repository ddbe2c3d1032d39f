/** Pins as a layer that can be put back: a release goes by pinning the one before it, never by an edit. */
import type { PinShare } from "@lastgood/sdk";
import { Fault } from "../../fault.ts";
import type { IncidentId } from "../../ids.ts";
import { countFollowing } from "../../releases/consumer-store.ts";
import { type MoveDeps, movePin } from "../../releases/move-pin.ts";
import { backTo, isSame, type Pin, sayShares } from "../../releases/pin.ts";
import { broughtSince } from "../../releases/pin-desk.ts";
import { findPin, pinHistory, pinsOfChanges } from "../../releases/pin-store.ts";
import { barsInForce, insertBars, liftBars } from "../../releases/release-store.ts";
import type { Impassable } from "../../rollouts/passable.ts";
import type { TurnBack } from "../../rollouts/turn-back.ts";
import type { Query } from "../../store/database.ts";
import {
  type ApplyContext,
  emptyPlan,
  type Layer,
  type Plan,
  type Step,
  type Undo,
  untouched,
} from "../layer.ts";
import { isAstray, verifyPin, verifyTurned } from "./verify-pin.ts";

type Action = Step<"versions">["action"];

/** How dials are turned, where rollouts turn them. */
export interface Dials {
  readonly turnBack: TurnBack;
  readonly impassable: Impassable;
}

export function createVersionsLayer(deps: MoveDeps, dials: Dials | null = null): Layer<"versions"> {
  const { db } = deps;
  const turnBack = dials?.turnBack ?? null;
  return {
    kind: "versions",
    async plan({ changes, incident }: Undo) {
      if (changes.length === 0) return emptyPlan;
      const undone = await pinsOfChanges(db, changes);
      const pinsOfDials = Map.groupBy(
        undone,
        ({ environment, artifact }) => `${environment}/${artifact}`,
      );
      const plans: Plan<"versions">[] = [];
      for (const pins of pinsOfDials.values()) {
        const planned = await planBack(db, pins, incident);
        plans.push(turnBack === null ? planned : await byItsRollout(turnBack, planned));
      }
      return joined(plans);
    },
    async apply({ action }, context, signal) {
      if (action.do === "move-pin") {
        if (dials !== null) await requirePassable(db, dials, action, signal);
        return await apply(deps, action, context);
      }
      const { rollout, incident } = action;
      const { changeId: change, actor, reason: because } = context;
      const order = { rollout, change, actor, because, incident };
      if (!(await requireDials(turnBack).begin(order))) await bar(deps, action, context);
    },
    async verify({ action }, signal) {
      return action.do === "turn-back"
        ? await verifyTurned(db, requireDials(turnBack), action, signal)
        : await verifyPin(db, action, signal);
    },
    async undo({ action }) {
      const { environment, artifact, to, bars, lifts } = action;
      const now = await findPin(db, environment, artifact);
      if (now === null || !isSame(now.shares, to)) {
        return { ...emptyPlan, conflicts: [movedSince(now, to, artifact)] };
      }
      return await stepTo(db, now, action.from.shares, {
        ...{ bars: lifts, lifts: bars, incident: null, reverts: [now.change] },
      });
    },
  };
}

/** No pin moves to what cannot serve: a person is called instead, at once. */
async function requirePassable(
  db: Query,
  { impassable }: Dials,
  { environment, artifact, to }: Action,
  signal: AbortSignal,
): Promise<void> {
  const now = await findPin(db, environment, artifact);
  const served = new Set(now?.shares.map(({ version }) => version));
  const gaining = to.map(({ version }) => version).filter((version) => !served.has(version));
  const found = await impassable({ environment, artifact }, gaining, signal);
  if (found !== null) throw new Fault("state_forbids", `nothing was moved: ${found.because}`);
}

function requireDials(turnBack: TurnBack | null): TurnBack {
  if (turnBack !== null) return turnBack;
  throw new Error("a rollout is to be turned back, and there are no rollouts");
}

/** What a rollout brought goes back by that rollout, and never past a person who decided about it. */
async function byItsRollout(turnBack: TurnBack, plan: Plan<"versions">): Promise<Plan<"versions">> {
  const [step] = plan.steps;
  if (step === undefined) return plan;
  const { action } = step;
  const turned = await turnBack.turningOf(action);
  const [only] = action.to;
  const isItsOwn =
    turned !== null &&
    action.to.length === 1 &&
    only?.version === turned.prior &&
    action.from.shares.some(({ version }) => version === turned.candidate);
  if (!isItsOwn) return plan;
  const { rollout, heldBy, candidate, prior } = turned;
  const conflict = `${heldBy}: nothing automatic goes past that; a person turns it back with \`lastgood rollout back ${rollout}\``;
  return {
    ...plan,
    conflicts: heldBy === null ? plan.conflicts : [...plan.conflicts, conflict],
    steps: [
      {
        ...step,
        says: `turn ${action.artifact} in ${action.environment} back from ${candidate} to ${prior}, by the reverse gate and ramp of ${rollout}`,
        action: { ...action, do: "turn-back", rollout },
      },
    ],
  };
}

/** Where the pin goes once these changes of it (oldest first) are taken back. */
async function planBack(
  db: Query,
  undone: readonly Pin[],
  incident: IncidentId | null,
): Promise<Plan<"versions">> {
  const [first] = undone;
  if (first === undefined) return emptyPlan;
  const { environment, artifact } = first;
  const history = await pinHistory(db, environment, artifact);
  const [now] = history;
  const gained = new Set(undone.flatMap((pin) => pin.gained));
  const brought = now?.shares.filter(({ version }) => gained.has(version)) ?? [];
  // It is gone already: whoever moved the pin since has taken it back.
  if (now === undefined || brought.length === 0) return emptyPlan;
  const bars = await barsInForce(db, artifact);
  const changes = undone.map(({ change }) => change);
  const barred = bars.filter(({ change }) => !changes.includes(change));
  const before = history.filter(({ epoch }) => epoch < first.epoch);
  const to = backTo([now, ...before], [...gained], new Set(barred.map(({ version }) => version)));
  if (to === null) {
    const what = sayShares(brought);
    const conflict = `${artifact} has nothing to go back to in ${environment}: nothing good was pinned before ${what}; deploy the version that you want`;
    return { ...emptyPlan, conflicts: [conflict] };
  }
  const others = takenAlong(history, to, undone);
  if (others.length > 0) {
    const later = others.map(({ by, shares }) => `${by} pinned ${sayShares(shares)}`).join(", ");
    const conflict = `${artifact} in ${environment} was moved since (${later}), and would go back too: undo that as well, or deploy the version that you want`;
    return { ...emptyPlan, conflicts: [conflict] };
  }
  const stays = new Set(to.shares.map(({ version }) => version));
  const deployed = undone.filter(({ did }) => did === "deploy").flatMap((pin) => pin.gained);
  return await stepTo(db, now, to.shares, {
    bars: [...new Set(deployed)].filter((version) => !stays.has(version)),
    lifts: bars
      .filter(({ version, change }) => stays.has(version) && changes.includes(change))
      .map(({ version }) => version),
    ...{ incident, reverts: broughtSince(history, to) },
  });
}

/** Later changes by others that brought something which is pinned still, and would not stay. */
function takenAlong(history: readonly Pin[], to: Pin, undone: readonly Pin[]): readonly Pin[] {
  const ours = new Set(undone.flatMap((pin) => pin.gained));
  const stays = new Set([...ours, ...to.shares.map(({ version }) => version)]);
  const now = new Set(history[0]?.shares.map(({ version }) => version));
  const last = Math.max(...undone.map(({ epoch }) => epoch));
  return history.filter(
    ({ epoch, gained }) =>
      epoch > last && gained.some((version) => now.has(version) && !stays.has(version)),
  );
}

async function stepTo(
  db: Query,
  { environment, artifact, epoch, shares }: Pin,
  to: readonly PinShare[],
  rest: Pick<Action, "bars" | "lifts" | "incident" | "reverts">,
): Promise<Plan<"versions">> {
  const { following, behind } = await countFollowing(db, { environment, artifact, epoch });
  const consumers = following + behind;
  const unseen = `nobody says that they follow the pin of ${artifact} in ${environment}: whether its release is used cannot be read back`;
  return {
    ...emptyPlan,
    steps: [
      {
        layer: "versions",
        stage: "restore",
        says: `pin ${sayShares(to)} of ${artifact} in ${environment} instead of ${sayShares(shares)}`,
        action: { do: "move-pin", environment, artifact, from: { epoch, shares }, to, ...rest },
      },
    ],
    gaps: consumers === 0 ? [unseen] : [],
    touches: { ...untouched, consumers },
  };
}

async function apply(deps: MoveDeps, action: Action, context: ApplyContext): Promise<void> {
  const { changeId, actor, reason } = context;
  const { environment, artifact, from, to, reverts } = action;
  const move = {
    ...{ environment, artifact, change: changeId, by: actor, because: reason },
    ...({ did: "recovery", expect: from.epoch } as const),
    decide: async () => ({ shares: to, reverts }),
  };
  try {
    await movePin(deps, move, (tx, { at }) => noteBars(tx, deps, action, context, at));
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "version_conflict") throw error;
    const history = await pinHistory(deps.db, environment, artifact);
    // It was moved before a crash, and others have moved it on since.
    if (history.some(({ change }) => change === changeId)) return;
    const now = history[0] ?? null;
    if (now === null || isAstray(action, now)) {
      throw new Fault("plan_stale", movedSince(now, from.shares, artifact), { cause: error });
    }
    await bar(deps, action, context);
  }
}

/** Somebody put it back meanwhile, or moved on from it: what is left is to refuse what went. */
async function bar(deps: MoveDeps, action: Action, context: ApplyContext): Promise<void> {
  await deps.db.begin((tx) => noteBars(tx, deps, action, context, deps.world.now()));
}

async function noteBars(
  tx: Query,
  { world }: MoveDeps,
  { artifact, bars, lifts, incident }: Action,
  { changeId: change, actor: by, reason: because }: ApplyContext,
  at: Date,
): Promise<void> {
  await liftBars(tx, artifact, lifts, { at, by, because });
  await insertBars(tx, world, artifact, bars, { incident, because, by, at, change });
}

function movedSince(now: Pin | null, planned: readonly PinShare[], artifact: string): string {
  const is = now === null ? "not pinned" : `${sayShares(now.shares)}, by ${now.by}`;
  return `${artifact} has been moved since from ${sayShares(planned)}: it is ${is}`;
}

function joined(plans: readonly Plan<"versions">[]): Plan<"versions"> {
  return {
    ...emptyPlan,
    steps: plans.flatMap((plan) => plan.steps),
    conflicts: plans.flatMap((plan) => plan.conflicts),
    gaps: plans.flatMap((plan) => plan.gaps),
    touches: {
      ...untouched,
      consumers: plans.reduce((sum, { touches }) => sum + touches.consumers, 0),
    },
  };
}
