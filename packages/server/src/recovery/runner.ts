/**
 * Runs one recovery through its journal.
 *
 *   R1. A step is `running` in the journal before anything moves, `applied` after, `verified` only when
 *       the world was read afresh. Killed anywhere, the next runner calls `apply` again: layers leave
 *       alone what is done.
 *   R2. Every write to the journal carries the lease: a runner that lost it is fenced at its next word.
 *   R3. The first step that does not take stops the rest.
 *   R4. The bad window is captured before the first step.
 *   R5. A world that moved is planned again, at most `replansMax` times, and only a plan that costs
 *       nothing new goes on by itself.
 *   R6. A recovery that is not under way any more (called off, paused) begins no further step.
 */
import { Fault, faults } from "../fault.ts";
import type { RecoveryId } from "../ids.ts";
import { type Layers, type Step, settleMsMax, type Verification } from "../layers/layer.ts";
import type { Db } from "../store/database.ts";
import type { Lease } from "../store/lease.ts";
import type { World } from "../world.ts";
import { layerOf } from "./planner.ts";
import type { JournalStep, Recovery, RecoveryState } from "./recovery.ts";
import {
  beginStep,
  isCaptured,
  markCaptured,
  moveRecovery,
  moveStep,
  requireRecovery,
} from "./recovery-store.ts";

export type Outcome =
  | { readonly kind: "verified" }
  | { readonly kind: "failed"; readonly because: string }
  /** The world moved under the plan: it must be planned again. */
  | { readonly kind: "stale"; readonly because: string }
  /** Something needed is away: the same step is tried again. */
  | { readonly kind: "again"; readonly because: string }
  /** Somebody outside must act first: the same step is looked at again after a while. */
  | { readonly kind: "waiting"; readonly because: string }
  /** R6. */
  | { readonly kind: "stopped" };

/** A point of the journal that was just passed; tests hold the runner there. */
export type JournalPoint = `${number}:${"running" | "applied" | "verified"}` | "captured" | "ended";

export interface RunnerDeps {
  readonly db: Db;
  readonly world: World;
  readonly layers: Layers;
  /** Takes what will be gone once the recovery begins. */
  capture(recovery: Recovery): Promise<void>;
  /** Told after each step that was verified, with the steps that are left. */
  progressed(recovery: Recovery, done: JournalStep, left: readonly JournalStep[]): Promise<void>;
  /** Why an automatic recovery must not take its next step (a freeze, a person who took over); null: it may. */
  heldBecause(recovery: Recovery): Promise<string | null>;
  reached?(recovery: RecoveryId, point: JournalPoint): Promise<void>;
  /** How long a step may take. By default minutes, and more where it waits for the world to settle. */
  readonly stepMs?: number;
}

const stepMsMax = 180_000;
/** What a step that waits for the world has beside its waiting. */
const settledMs = 30_000;
/** How long a step is tried again while something it needs is away. */
const patienceMs = 120_000;

export async function runRecovery(
  deps: RunnerDeps,
  id: RecoveryId,
  lease: Lease,
  signal: AbortSignal,
  stopped: AbortSignal,
): Promise<Outcome> {
  const { db, world } = deps;
  const recovery = await requireRecovery(db, id);
  if (!(await isCaptured(db, id))) {
    await deps.capture(recovery);
    await markCaptured(db, id, world.now());
    await deps.reached?.(id, "captured");
  }
  for (const journal of recovery.steps) {
    if (journal.state !== "verified") {
      const held = recovery.automatic ? await deps.heldBecause(recovery) : null;
      if (held !== null) return { kind: "waiting", because: held };
      const turn = { recovery, journal, lease, signal, stopped };
      const outcome = await takeStep(deps, { ...turn, whileIn: ["running"] });
      if (outcome !== null) return outcome;
    }
    // Told again after a restart: a runner may have died between the journal's word and this one.
    await deps.progressed(recovery, journal, recovery.steps.slice(journal.index + 1));
  }
  return { kind: "verified" };
}

interface StepTurn {
  readonly recovery: Recovery;
  readonly journal: JournalStep;
  readonly lease: Lease;
  readonly signal: AbortSignal;
  /** R6: what only waits and looks is broken off; what moves something comes to its end. */
  readonly stopped?: AbortSignal;
  readonly whileIn: readonly RecoveryState[];
}

/** Null: it is verified. */
export async function takeStep(
  deps: Omit<RunnerDeps, "progressed">,
  { recovery, journal, lease, signal, stopped, whileIn }: StepTurn,
): Promise<Exclude<Outcome, { kind: "verified" }> | null> {
  const { db, world, layers } = deps;
  const reached = deps.reached ?? (async () => {});
  const { index, step } = journal;
  const stepMs = deps.stepMs ?? stepMsOf(step);
  const time = AbortSignal.timeout(stepMs);
  const within = AbortSignal.any([signal, time]);
  const looking = stopped === undefined ? within : AbortSignal.any([within, stopped]);
  const write = (move: Parameters<typeof moveStep>[4]) =>
    db.begin((tx) => moveStep(tx, lease, recovery.id, index, move));
  try {
    const begun = { index, at: world.now(), whileIn };
    if (!(await db.begin((tx) => beginStep(tx, lease, recovery.id, begun)))) {
      return { kind: "stopped" };
    }
    await reached(recovery.id, `${index}:running`);
    await layerOf(layers, step).apply(
      step,
      {
        changeId: journal.changeId,
        actor: `recovery:${recovery.id}`,
        reason: recovery.undo.because,
      },
      within,
    );
    await write({ to: "applied", at: world.now() });
    await reached(recovery.id, `${index}:applied`);
    const verification = await layerOf(layers, step).verify(step, looking);
    if (verification.ok === "waiting") {
      return { kind: "waiting", because: `"${step.says}" waits for ${verification.waitsFor}` };
    }
    await write(verdictOf(verification, world.now()));
    await reached(recovery.id, `${index}:verified`);
    return verification.ok
      ? null
      : { kind: "failed", because: failureOf(step, verification.differences) };
  } catch (error) {
    if (stopped?.aborted === true && !(error instanceof Fault)) return { kind: "stopped" };
    const outcome =
      time.aborted && !signal.aborted && !isFenced(error)
        ? ({ kind: "failed", because: tookTooLong(step, stepMs, error) } as const)
        : outcomeOf(error, journal, world.now(), signal);
    if (outcome.kind === "failed") {
      await write({ to: "failed", at: world.now(), observed: [outcome.because] });
    }
    return outcome;
  }
}

function verdictOf(verification: Exclude<Verification, { ok: "waiting" }>, at: Date) {
  return verification.ok
    ? { to: "verified" as const, at, observed: verification.observed }
    : { to: "failed" as const, at, observed: verification.differences };
}

function stepMsOf({ stage }: Step): number {
  return stage === "settle" ? settleMsMax + settledMs : stepMsMax;
}

/** It would take as long again: a person hears of it, rather than that it is repeated for ever. */
function tookTooLong(step: Step, stepMs: number, error: unknown): string {
  const last = error instanceof Fault ? `: ${error.message}` : "";
  return failureOf(step, [`it took longer than its ${stepMs / 1_000} s [timed_out]${last}`]);
}

/** Another runner has it, or the store is away: neither says anything of the step. */
function isFenced(error: unknown): boolean {
  return error instanceof Fault && (error.code === "fenced" || error.code === "store_unreachable");
}

/** A fault of the layer decides the recovery; anything else (a bug, the store away) is the loop's to report and repeat. */
function outcomeOf(
  error: unknown,
  { step, startedAt }: JournalStep,
  now: Date,
  stopping: AbortSignal,
): Exclude<Outcome, { kind: "verified" }> {
  if (stopping.aborted || !(error instanceof Fault)) throw error;
  if (isFenced(error)) throw error;
  if (error.code === "plan_stale") return { kind: "stale", because: error.message };
  const triedMs = now.getTime() - (startedAt ?? now).getTime();
  if (faults[error.code].retry === "later" && triedMs < patienceMs) {
    return { kind: "again", because: error.message };
  }
  return { kind: "failed", because: failureOf(step, [error.message]) };
}

function failureOf(step: Step, differences: readonly string[]): string {
  return `"${step.says}" did not take: ${differences.join("; ")}`;
}

/** Ends the recovery in the journal. False when another runner already did, or it was called off. */
export async function endRecovery(
  { db, world }: Pick<RunnerDeps, "db" | "world">,
  id: RecoveryId,
  outcome: Extract<Outcome, { kind: "verified" | "failed" }>,
): Promise<boolean> {
  return await moveRecovery(db, id, ["running"], outcome.kind, {
    because: outcome.kind === "failed" ? outcome.because : "",
    endedAt: world.now(),
  });
}
