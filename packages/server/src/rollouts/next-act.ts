/**
 * What a rollout does next by itself. Pure: where it stands, what the judge says, what the clock says.
 *
 *   A1. Nothing but a hold that is over and a verdict that allows it raises a share. Few data: it waits.
 *   A2. A regression is told at once, whatever the hold; the incident decides what follows.
 *   A3. A pin that somebody else moved is yielded to: people's decisions are not turned back.
 *   A4. What fell along with what served before is told too: nothing is turned back for it, and nothing raised.
 *   A5. A drill turns round at the end of its one step, or at once when anything looks worse.
 */
import type { PinShare } from "@lastgood/sdk";
import type { ReleaseVerdict } from "./neighbours.ts";
import { holdBackMs, nextBack, stepAfter } from "./ramp.ts";
import type { Canary, Frozen, Live, RollingBack, Rollout } from "./rollout.ts";

export interface Seen {
  readonly now: Date;
  /** The pin in force; null: none. */
  readonly pin: {
    readonly epoch: number;
    readonly shares: readonly PinShare[];
    readonly by: string;
    readonly because: string;
  } | null;
  /** Null: nothing watches it. */
  readonly verdict: ReleaseVerdict | null;
  /** A freeze, or a person who took over; null: neither. */
  readonly held: string | null;
}

export type Act =
  | { readonly kind: "rest" }
  | { readonly kind: "wait"; readonly because: string }
  | { readonly kind: "begin" }
  | { readonly kind: "judge" }
  | { readonly kind: "raise"; readonly step: number; readonly percent: number }
  | { readonly kind: "promote" }
  | { readonly kind: "bake" }
  | { readonly kind: "report" | "report-drift"; readonly verdict: ReleaseVerdict }
  | { readonly kind: "turn-round"; readonly because: string }
  | { readonly kind: "freeze"; readonly because: string }
  | { readonly kind: "look-back" }
  | { readonly kind: "turn"; readonly percent: number }
  | { readonly kind: "finish" }
  | { readonly kind: "yield"; readonly to: Yielded };

/** What somebody else made of the dial. */
export type Yielded =
  | { readonly kind: "promoted" | "turned-back"; readonly by: string; readonly epoch: number }
  | { readonly kind: "replaced"; readonly by: string; readonly release: string }
  | { readonly kind: "moved"; readonly by: string; readonly because: string };

export function nextAct(rollout: Rollout, seen: Seen): Act {
  switch (rollout.phase) {
    case "candidate":
      return { kind: "begin" };
    case "shadow":
      return heldOr(seen, { kind: "judge" });
    case "canary":
      return yieldOr(rollout, rollout, seen, () => nextForCanary(rollout, seen));
    case "live":
      return yieldOr(rollout, rollout, seen, () => nextForLive(rollout, seen));
    case "rolling-back":
      return yieldOr(rollout, rollout, seen, () => nextForRollingBack(rollout, seen));
    case "frozen":
      return "prior" in rollout ? nextForFrozen(rollout, seen) : { kind: "rest" };
    case "refused":
    case "superseded":
    case "rolled-back":
      return { kind: "rest" };
  }
}

function heldOr({ held }: Seen, act: Act): Act {
  return held === null ? act : { kind: "wait", because: held };
}

/** A3. The newest pin of the artifact is the one that the rollout made itself, or it yields. */
function yieldOr(
  rollout: Canary | Live | RollingBack | Frozen,
  { stand }: Canary | Live | RollingBack,
  { pin }: Seen,
  otherwise: () => Act,
): Act {
  if (pin === null || pin.epoch <= stand.epoch) return otherwise();
  const to = yieldedTo(rollout, pin);
  // The next rollout has just begun to turn the dial of what is live: that is seen with the next look.
  const byNext = rollout.phase === "live" && to.kind === "moved" && isRolloutName(pin.by);
  return byNext ? { kind: "rest" } : { kind: "yield", to };
}

function yieldedTo(
  { candidate, prior }: Canary | Live | RollingBack | Frozen,
  pin: NonNullable<Seen["pin"]>,
): Yielded {
  const [only] = pin.shares;
  const { by, epoch } = pin;
  if (only !== undefined && pin.shares.length === 1) {
    if (only.version === candidate) return { kind: "promoted", by, epoch };
    if (only.version === prior.version) return { kind: "turned-back", by, epoch };
    return { kind: "replaced", by, release: only.version };
  }
  const shares = pin.shares.map(({ version, share }) => `${version}:${share}`).join(" ");
  const why = pin.because === "" ? "" : ` (${pin.because})`;
  return { kind: "moved", by, because: `${by} pinned ${shares}${why}` };
}

function isRolloutName(by: string): boolean {
  return by.startsWith("rollout:");
}

function nextForCanary(rollout: Canary, seen: Seen): Act {
  const { verdict } = seen;
  const { plan, step, stand, purpose } = rollout;
  if (verdict?.kind === "regression" || verdict?.kind === "drift") {
    if (purpose === "drill") return { kind: "turn-round", because: verdict.says };
    return { kind: verdict.kind === "drift" ? "report-drift" : "report", verdict };
  }
  if (seen.held !== null) return { kind: "wait", because: seen.held };
  const untilMs = stand.at.getTime() + (plan.ramp[step]?.holdMs ?? 0) - seen.now.getTime();
  if (untilMs > 0)
    return { kind: "wait", because: `held for another ${Math.ceil(untilMs / 1_000)} s` };
  if (purpose === "drill") return { kind: "turn-round", because: "the drill turns it back" };
  // What serves nobody yet can have no samples.
  if (rollout.percent > 0 && verdict !== null && verdict.kind !== "well") {
    return { kind: "wait", because: verdict.says };
  }
  const next = stepAfter(plan, step);
  if (next === null || next.percent === 100) return { kind: "promote" };
  return { kind: "raise", step: step + 1, percent: next.percent };
}

function nextForLive({ plan, stand, bakedAt }: Live, { verdict, now }: Seen): Act {
  if (verdict?.kind === "regression") return { kind: "report", verdict };
  if (verdict?.kind === "drift") return { kind: "report-drift", verdict };
  if (bakedAt === null && now.getTime() - stand.at.getTime() >= plan.bakeMs) {
    return { kind: "bake" };
  }
  return { kind: "rest" };
}

function nextForRollingBack(rollout: RollingBack, { verdict, now, held }: Seen): Act {
  const { plan, percent, stand, turning, passed, purpose } = rollout;
  // A freeze stops what goes back by itself; what a person turned back goes on.
  if (held !== null && !turning.by.startsWith("token:")) return { kind: "wait", because: held };
  if (!passed) return { kind: "look-back" };
  const dueMs = stand.at.getTime() + holdBackMs(plan, percent) - now.getTime();
  if (!turning.now && percent < 100 && dueMs > 0) {
    return { kind: "wait", because: `held for another ${Math.ceil(dueMs / 1_000)} s` };
  }
  // The release before suffers alike: what it would be turned back to is no better.
  if (!turning.now && verdict?.controlIsWell === false && purpose === "release") {
    return {
      kind: "freeze",
      because: `${rollout.prior.version} is not well either: ${verdict.says}`,
    };
  }
  const next = nextBack(plan, percent, turning.now);
  return next.percent >= 100 ? { kind: "finish" } : { kind: "turn", percent: next.percent };
}

/**
 * What is frozen moves by nobody but a person, or the recovery that it waits for: it only sees that somebody
 * moved the pin, and tells the incident that it lasts, which may have been asked to look again.
 */
function nextForFrozen(rollout: Frozen, seen: Seen): Act {
  const { verdict } = seen;
  const act = yieldOr(rollout, rollout.was, seen, () => ({ kind: "rest" }) as const);
  if (act.kind === "yield" && act.to.kind !== "moved") return act;
  if (rollout.was.phase === "rolling-back") return { kind: "rest" };
  if (rollout.purpose === "drill") return { kind: "rest" };
  if (verdict?.kind === "drift") return { kind: "report-drift", verdict };
  const lasts = verdict?.kind === "regression";
  const isOurs = rollout.incident !== null && !rollout.by.startsWith("token:");
  return lasts && isOurs ? { kind: "report", verdict } : { kind: "rest" };
}
