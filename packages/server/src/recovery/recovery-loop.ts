/**
 * Takes up every recovery that is under way and drives it to its end, whoever began it.
 *
 *   Q1. One runner per recovery: a lease, renewed while it runs. Who loses it stops at its next word.
 *   Q2. What one runner leaves, the next finds within the lease's time.
 *   Q3. One that is called off, here or at another server, stops waiting at the next turn.
 */
import type { Logger } from "pino";
import { Fault, faults } from "../fault.ts";
import type { IncidentId, RecoveryId } from "../ids.ts";
import { recordEvent } from "../ledger/timeline.ts";
import { type Loop, startLoop } from "../loop.ts";
import { whileHolding } from "../store/lease.ts";
import type { LeftBehind } from "./after-crash.ts";
import { markLettingGo, recoveriesLettingGo } from "./call-off-store.ts";
import type { Contradiction } from "./contradiction.ts";
import { letGo } from "./let-go.ts";
import { movedAgainst } from "./moved-against.ts";
import { onlyFrees, phasesEnded } from "./phases.ts";
import { asHarmless } from "./plan.ts";
import type { Planner } from "./planner.ts";
import type { JournalStep, Recovery, RecoveryEvent, RecoveryListener } from "./recovery.ts";
import {
  beginRecovery,
  moveRecovery,
  recoveriesUnderWay,
  replanCount,
  requireRecovery,
} from "./recovery-store.ts";
import { endRecovery, type Outcome, type RunnerDeps, runRecovery } from "./runner.ts";

export interface RecoveryLoopDeps extends Omit<RunnerDeps, "progressed"> {
  readonly log: Logger;
  readonly planner: Planner;
  /** Names this process among those that share the database. */
  readonly holder: string;
  /** What was under way before this process: null where it is taken up at once. */
  readonly leftBehind: LeftBehind | null;
  /** Told of each phase, possibly twice after a restart. */
  readonly told: RecoveryListener;
  /** Waits, within bounds, until what was interrupted goes on; returns what was seen. */
  resumed(recovery: Recovery, signal: AbortSignal): Promise<string>;
  /** Calls a person, once, and returns the incident that it is. */
  contradicted(contradiction: Contradiction): Promise<IncidentId>;
}

const leaseMs = 5_000;
const waitingMs = 5_000;
const replansMax = 5;

export function startRecoveryLoop(deps: RecoveryLoopDeps): Loop {
  const { db, log, leftBehind } = deps;
  const underWay = new Map<RecoveryId, UnderWay>();
  const waitUntil = new Map<RecoveryId, number>();

  /** Beside the turns, one piece of work per recovery at a time. */
  function begin(
    id: RecoveryId,
    signal: AbortSignal,
    work: (stopped: AbortSignal) => Promise<void>,
  ): void {
    if (underWay.has(id)) return;
    const stop = new AbortController();
    const ended = work(stop.signal)
      .catch((error: unknown) => {
        if (signal.aborted) return;
        log.error({ err: error, recovery: id }, "a recovery's turn failed; it is taken up again");
      })
      .finally(() => underWay.delete(id));
    underWay.set(id, { ended, stop });
  }

  const loop = startLoop({
    name: "recoveries",
    everyMs: 500,
    log,
    async run(signal) {
      await leftBehind?.look();
      const running = await recoveriesUnderWay(db);
      for (const [id, { stop }] of underWay) if (!running.includes(id)) stop.abort(calledOff);
      for (const id of running) {
        if (leftBehind?.has(id) || (waitUntil.get(id) ?? 0) > performance.now()) continue;
        begin(id, signal, async (stopped) => {
          const outcome = await drive(deps, id, signal, stopped);
          if (outcome?.kind === "waiting") waitUntil.set(id, performance.now() + waitingMs);
          else waitUntil.delete(id);
        });
      }
      for (const id of await recoveriesLettingGo(db)) {
        begin(id, signal, () => leave(deps, id, signal));
      }
    },
  });
  return {
    wake: loop.wake,
    async stop() {
      await loop.stop();
      await Promise.all([...underWay.values()].map(({ ended }) => ended));
    },
  };
}

interface UnderWay {
  readonly ended: Promise<void>;
  readonly stop: AbortController;
}

const calledOff = new Error("the recovery is not under way any more");

/** Null: another runner has it. */
async function drive(
  deps: RecoveryLoopDeps,
  id: RecoveryId,
  stopping: AbortSignal,
  stopped: AbortSignal,
): Promise<Outcome | null> {
  const { db } = deps;
  return await whileHolding(db, heldBy(deps, id), stopping, async (lease, signal) => {
    const told = { ...deps, progressed: progressed.bind(null, deps, signal) };
    const outcome = await runRecovery(told, id, lease, signal, stopped);
    await conclude(deps, id, outcome);
    return outcome;
  });
}

/** Frees what a recovery holds that did not come to its end. */
async function leave(deps: RecoveryLoopDeps, id: RecoveryId, stopping: AbortSignal): Promise<void> {
  await whileHolding(deps.db, heldBy(deps, id), stopping, async (lease, signal) => {
    await letGo(deps, id, lease, signal);
  });
}

function heldBy({ holder }: RecoveryLoopDeps, id: RecoveryId) {
  return { name: `recovery:${id}`, holder, ttlMs: leaseMs };
}

async function conclude(deps: RecoveryLoopDeps, id: RecoveryId, outcome: Outcome): Promise<void> {
  if (outcome.kind === "again" || outcome.kind === "stopped") return;
  if (outcome.kind === "waiting") return await sayWaiting(deps, id, outcome.because);
  if (outcome.kind === "stale") return await planAgain(deps, id, outcome.because);
  if (!(await endRecovery(deps, id, outcome))) return;
  if (outcome.kind === "failed") await fail(deps, id, outcome.because);
  await deps.reached?.(id, "ended");
}

/** R5. The new plan takes over in one transaction: there is always exactly one under way. */
async function planAgain(deps: RecoveryLoopDeps, id: RecoveryId, because: string): Promise<void> {
  const { db, world } = deps;
  const before = await requireRecovery(db, id);
  const contradiction = await movedAgainst(deps.db, before);
  if (contradiction !== null) {
    const calledFor = await deps.contradicted(contradiction);
    return await giveUp(deps, id, `${contradiction.because}; see ${calledFor}`, calledFor);
  }
  const again = await planInPlaceOf(deps, before, because);
  if (typeof again === "string") return await giveUp(deps, id, again);
  if (!asHarmless(before.plan, again.plan)) {
    await moveRecovery(db, again.id, ["planned"], "awaiting-approval", { because });
    const approve = `approve it with \`lastgood approve ${again.id}\``;
    const why = `the world moved, and the new plan ${again.id} costs more: ${approve}`;
    return await giveUp(deps, id, why);
  }
  await db.begin(async (tx) => {
    const ended = { because, endedAt: world.now() };
    if (!(await moveRecovery(tx, id, ["running"], "superseded", ended))) {
      // It was called off meanwhile, and what takes its place with it.
      return await moveRecovery(tx, again.id, ["planned"], "refused", ended);
    }
    await beginRecovery(tx, again.id, {
      actor: before.runBy ?? before.plannedBy,
      at: world.now(),
      from: ["planned"],
    });
    if (before.incident !== null) {
      await recordEvent(tx, before.incident, {
        at: world.now(),
        actor: "lastgood",
        event: "recovery.planned-again",
        text: `${again.id} replaces ${id}: ${because}`,
        key: `replanned-${id}`,
      });
    }
    return true;
  });
}

/** The same wish planned on the world as it is now; or why it cannot be. */
async function planInPlaceOf(
  { db, planner }: RecoveryLoopDeps,
  before: Recovery,
  because: string,
): Promise<Recovery | string> {
  const { id: replaces, undo, plannedBy, automatic, undoes } = before;
  if ((await replanCount(db, replaces)) >= replansMax) {
    return `the world moved ${replansMax} times under the plan: ${because}`;
  }
  try {
    if (undoes === null) return await planner.plan(db, { undo, plannedBy, automatic, replaces });
    return await planner.planUndoOf(db, await requireRecovery(db, undoes), plannedBy, replaces);
  } catch (error) {
    if (!(error instanceof Fault) || faults[error.code].retry === "later") throw error;
    return `the world moved (${because}) and cannot be planned again: ${error.message}`;
  }
}

async function giveUp(
  deps: RecoveryLoopDeps,
  id: RecoveryId,
  because: string,
  calledFor?: IncidentId,
): Promise<void> {
  if (await endRecovery(deps, id, { kind: "failed", because })) {
    await fail(deps, id, because, calledFor);
  }
}

/** Shown where people look: on the recovery, and once in the incident. */
async function sayWaiting({ db, world }: RecoveryLoopDeps, id: RecoveryId, because: string) {
  await moveRecovery(db, id, ["running"], "running", { because });
  const { incident } = await requireRecovery(db, id);
  if (incident === null) return;
  const at = world.now();
  const told = { at, actor: `recovery:${id}`, event: "recovery.waits", text: because };
  await recordEvent(db, incident, { ...told, key: `waits-${id}-${because}`.slice(0, 300) });
}

async function fail(
  deps: RecoveryLoopDeps,
  id: RecoveryId,
  because: string,
  calledFor?: IncidentId,
): Promise<void> {
  const recovery = await requireRecovery(deps.db, id);
  const states = recovery.steps.map(({ step, state }) => `${step.says}: ${state}`).join("; ");
  await tell(deps, recovery, "failed", `${because}. Steps: ${states}.`, calledFor);
}

async function progressed(
  deps: RecoveryLoopDeps,
  signal: AbortSignal,
  recovery: Recovery,
  done: JournalStep,
  left: readonly JournalStep[],
): Promise<void> {
  const { db, world } = deps;
  if (recovery.incident !== null) {
    await recordEvent(db, recovery.incident, {
      at: world.now(),
      actor: `recovery:${recovery.id}`,
      event: "step.verified",
      text: done.step.says,
      key: `${recovery.id}-step-${done.index}`,
    });
  }
  const next = left[0]?.step.stage ?? null;
  if (recovery.incident !== null && onlyFrees(done.step.stage, next)) {
    // What earlier ones of the incident hold still is held for nothing any more.
    await markLettingGo(db, recovery.incident);
  }
  for (const phase of phasesEnded(done.step.stage, next)) {
    const says = phase === "resumed" ? await deps.resumed(recovery, signal) : sayings[phase];
    await tell(deps, recovery, phase, says);
  }
}

const sayings = {
  contained: "The damage is contained: the hand that did it and what depends on it are held",
  restored: "What was changed is back, and runs",
  verified: "The signals are back at their baseline",
} as const;

async function tell(
  { world, told }: RecoveryLoopDeps,
  { id, incident }: Recovery,
  kind: RecoveryEvent["kind"],
  says: string,
  calledFor?: IncidentId,
): Promise<void> {
  const event = { recovery: id, incident, kind, at: world.now(), says };
  await told(calledFor === undefined ? event : { ...event, calledFor });
}
