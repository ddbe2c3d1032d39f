/**
 * A rollout takes an artifact from the release that served before to a candidate, a share of the keys at a
 * time. Pure.
 *
 *     candidate ─> shadow ─> canary ─> live ─> superseded
 *         └────┬─────┘          └───┬───┘
 *              v                    ├──> frozen   (thaws to where it was, or goes back)
 *           refused                 v
 *                             rolling-back ─> rolled-back
 *
 *   R1. A phase that can go back holds `prior`, the release it goes back to, and since which epoch it served.
 *   R2. Nothing leaves `superseded`, `refused` or `rolled-back`.
 *   R3. One function per arrow, named for the arrow. Nothing else makes a phase.
 *   R4. What a person decided is held in `hand`, and kept by every arrow: nothing automatic goes past it.
 */
import type { RampPlan } from "@lastgood/sdk";
import type { ChangeId, Id, IncidentId, RecoveryId } from "../ids.ts";

export type RolloutId = Id<"rollout">;

/** A person's own act on the dial. */
export interface Hand {
  readonly by: string;
  readonly at: Date;
  readonly did: string;
}

/** The release that served before, alone, and the epoch since which it did. */
export interface Prior {
  readonly version: string;
  readonly epoch: number;
}

/** Where a dial stands: since when, and under which epoch of the pin. */
export interface Stand {
  readonly at: Date;
  readonly epoch: number;
}

interface Common {
  readonly id: RolloutId;
  readonly environment: string;
  readonly artifact: string;
  readonly candidate: string;
  readonly purpose: "release" | "drill";
  readonly plan: RampPlan;
  readonly startedBy: string;
  readonly startedAt: Date;
  readonly because: string;
  readonly hand: Hand | null;
}
type Back = { readonly prior: Prior };

export type Candidate = Common & { readonly phase: "candidate" };
export type Shadow = Common & { readonly phase: "shadow" };
export type Refused = Common & {
  readonly phase: "refused";
  readonly why: string;
  readonly by: string;
};
/** Serves `percent` of the keys: step `step` of the ramp. 0: it is started, and serves nobody. */
export type Canary = Common &
  Back & {
    readonly phase: "canary";
    readonly step: number;
    readonly percent: number;
    readonly stand: Stand;
  };
export type Live = Common &
  Back & {
    readonly phase: "live";
    readonly percent: number;
    readonly stand: Stand;
    readonly bakedAt: Date | null;
  };
type Stopped = {
  readonly phase: "frozen";
  readonly why: string;
  readonly by: string;
  readonly at: Date;
  readonly incident: IncidentId | null;
};
/** Nothing moves until somebody decides. */
export type Frozen = Common & Back & Stopped & { readonly was: Canary | Live | RollingBack };
/** Frozen before it served anybody: there is nothing to put back. */
export type FrozenUnserved = Common & Stopped & { readonly was: Shadow };
export type Superseded = Common & {
  readonly phase: "superseded";
  readonly by: string;
  readonly why: string;
};

/** Who turns it back, and on what account. */
export interface Turning {
  readonly why: string;
  readonly by: string;
  readonly incident: IncidentId | null;
  readonly recovery: RecoveryId | null;
  /** The change that ends it in the ledger, fixed before the first move. */
  readonly change: ChangeId;
  /** Without the reverse ramp. */
  readonly now: boolean;
  /** Without the reverse gate. */
  readonly unchecked: boolean;
}
/** Serves `percent` of the keys by the release before: the same dial, run backward. */
export type RollingBack = Common &
  Back & {
    readonly phase: "rolling-back";
    readonly percent: number;
    readonly stand: Stand;
    readonly turning: Turning;
    /** Whether the way back was found passable; nothing moves before. */
    readonly passed: boolean;
  };
export type RolledBack = Common &
  Back & {
    readonly phase: "rolled-back";
    readonly stand: Stand;
    readonly turning: Turning;
  };

export type Reversible = Canary | Live | Frozen;
export type Rollout =
  | Candidate
  | Shadow
  | Refused
  | Canary
  | Live
  | Frozen
  | FrozenUnserved
  | Superseded
  | RollingBack
  | RolledBack;

export function beginShadow(rollout: Candidate): Shadow {
  return { ...common(rollout), phase: "shadow" };
}

export function refuse(
  rollout: Candidate | Shadow | FrozenUnserved,
  by: string,
  why: string,
): Refused {
  return { ...common(rollout), phase: "refused", by, why };
}

/** The gate let it through: the first step of its ramp. */
export function admit(rollout: Shadow, prior: Prior, percent: number, stand: Stand): Canary {
  return { ...common(rollout), prior, phase: "canary", step: 0, percent, stand };
}

export function raise(rollout: Canary, step: number, percent: number, stand: Stand): Canary {
  return { ...rollout, step, percent, stand };
}

/** Everybody, or all but the holdback. By a person (`hand`) also past the rest of the ramp, or of the way back. */
export function promote(
  rollout: Canary | Live | RollingBack,
  percent: number,
  stand: Stand,
  hand: Hand | null = null,
): Live {
  const { prior } = rollout;
  return {
    ...common(rollout),
    hand: hand ?? rollout.hand,
    ...{ prior, phase: "live", percent, stand, bakedAt: null },
  };
}

/** The close look is over; what is live goes on being watched. */
export function bake(rollout: Live, at: Date): Live {
  return { ...rollout, bakedAt: at };
}

export interface Stop {
  readonly by: string;
  readonly why: string;
  readonly at: Date;
  readonly incident: IncidentId | null;
}

export function freeze(was: Canary | Live | RollingBack, stop: Stop): Frozen {
  return { ...common(was), prior: was.prior, ...stop, phase: "frozen", was };
}

/** Before it served anybody. */
export function freezeUnserved(was: Shadow, stop: Stop): FrozenUnserved {
  return { ...common(was), ...stop, phase: "frozen", was };
}

/** Goes on where it was; its hold begins anew. */
export function thaw(
  rollout: Frozen,
  hand: Hand | null,
  stand: Stand,
): Canary | Live | RollingBack {
  return { ...rollout.was, hand: hand ?? rollout.hand, stand };
}

export function thawUnserved(rollout: FrozenUnserved): Shadow {
  return rollout.was;
}

/** Another release serves in its place: `prior` is dropped, and with it the way back. */
export function supersede(
  rollout: Canary | Live | Frozen | RollingBack,
  by: string,
  why: string,
): Superseded {
  return { ...common(rollout), phase: "superseded", by, why };
}

/** The dial is turned the other way; the reverse gate comes first. */
export function rollBack(rollout: Reversible, turning: Turning, at: Date): RollingBack {
  const { prior } = rollout;
  const at0 = rollout.phase === "frozen" ? rollout.was : rollout;
  const percent = at0.phase === "rolling-back" ? at0.percent : 100 - at0.percent;
  const stand = { at, epoch: at0.stand.epoch };
  // What a drill goes back to serves the rest already.
  const passed = turning.unchecked || rollout.purpose === "drill";
  return { ...common(rollout), prior, phase: "rolling-back", percent, stand, turning, passed };
}

/** More of the way at once, or without the gate: what is asked for while it goes back already. */
export function hurry(rollout: RollingBack, turning: Partial<Turning>, at: Date): RollingBack {
  return {
    ...rollout,
    turning: { ...rollout.turning, ...turning },
    passed: rollout.passed || turning.unchecked === true,
    stand: { ...rollout.stand, at },
  };
}

/** The release before is whole, and starts. */
export function pass(rollout: RollingBack, at: Date): RollingBack {
  return { ...rollout, passed: true, stand: { ...rollout.stand, at } };
}

/** `percent` of the keys go to the release before. */
export function turn(rollout: RollingBack, percent: number, stand: Stand): RollingBack {
  return { ...rollout, percent, stand };
}

export function finishRollback(rollout: RollingBack, stand: Stand): RolledBack {
  const { prior, turning } = rollout;
  return { ...common(rollout), prior, phase: "rolled-back", stand, turning };
}

/** For rollouts that come from outside the type system: a row, a request. */
export function isReversible(rollout: Rollout): rollout is Reversible {
  if (rollout.phase === "frozen") return "prior" in rollout;
  return rollout.phase === "canary" || rollout.phase === "live";
}

/** Whether it has turned the dial, and holds it: what only waits at its gate has not. */
export function isServing(rollout: Rollout): rollout is Canary | Live | Frozen | RollingBack {
  return isReversible(rollout) || rollout.phase === "rolling-back";
}

/** Whether it serves nobody yet, and may: it waits for the gate, or at it. */
export function isAtGate(rollout: Rollout): rollout is Candidate | Shadow | FrozenUnserved {
  if (rollout.phase === "frozen") return !("prior" in rollout);
  return rollout.phase === "candidate" || rollout.phase === "shadow";
}

/** Whether it can still change. */
export function isOpen(rollout: Rollout): boolean {
  return !["refused", "superseded", "rolled-back"].includes(rollout.phase);
}

/** The candidate's share of the keys. */
export function percentOf(rollout: Rollout): number {
  switch (rollout.phase) {
    case "canary":
    case "live":
      return rollout.percent;
    case "rolling-back":
      return 100 - rollout.percent;
    case "frozen":
      return percentOf(rollout.was);
    case "candidate":
    case "shadow":
    case "refused":
    case "superseded":
    case "rolled-back":
      return 0;
  }
}

/** Total by construction: a phase added above makes this stop compiling. */
export function headline(rollout: Rollout): string {
  switch (rollout.phase) {
    case "candidate":
      return "waits for the gate";
    case "shadow":
      return "at the gate: sees inputs, serves nobody";
    case "refused":
      return `refused by ${rollout.by}: ${rollout.why}`;
    case "canary":
      return `serves ${rollout.percent} %, ${rollout.prior.version} the rest`;
    case "live":
      return `serves ${rollout.percent} %${rollout.bakedAt === null ? ", looked at closely" : ""}; goes back to ${rollout.prior.version}`;
    case "frozen":
      return `frozen at ${percentOf(rollout)} % by ${rollout.by}: ${rollout.why}`;
    case "superseded":
      return `superseded by ${rollout.by}: ${rollout.why}`;
    case "rolling-back":
      return rollout.passed
        ? `going back, ${rollout.percent} % on ${rollout.prior.version}: ${rollout.turning.why}`
        : `going back, ${rollout.prior.version} is looked at first: ${rollout.turning.why}`;
    case "rolled-back":
      return `back on ${rollout.prior.version}: ${rollout.turning.why}`;
  }
}

function common(rollout: Common): Common {
  const { id, environment, artifact, candidate, purpose, plan } = rollout;
  const { startedBy, startedAt, because, hand } = rollout;
  return {
    ...{ id, environment, artifact, candidate, purpose, plan },
    ...{ startedBy, startedAt, because, hand },
  };
}
