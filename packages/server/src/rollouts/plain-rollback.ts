/**
 * `lastgood rollback`: back at once to what was good before, whatever turns the dial.
 *
 *   W1. Where a rollout has brought what serves, it goes back by that rollout; a drill is ended first.
 *   W2. It passes the reverse gate, or says `unchecked`, which is on record.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Fault } from "../fault.ts";
import { audit } from "../http/audit.ts";
import type { Moved } from "../releases/move-pin.ts";
import { requireExpected, rollbackOf } from "../releases/pin.ts";
import type { PinDesk, RollBack } from "../releases/pin-desk.ts";
import { findPin, pinHistory, requirePin } from "../releases/pin-store.ts";
import { barredVersions } from "../releases/release-store.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import type { ReverseGate } from "./reverse-gate.ts";
import { isOpen, isReversible, type RolloutId } from "./rollout.ts";
import type { RolloutDesk } from "./rollout-desk.ts";
import { openOn, requireRollout, type Stored } from "./rollout-store.ts";

export interface PlainRollbackDeps {
  readonly db: Db;
  readonly world: World;
  readonly pins: PinDesk;
  readonly rollouts: RolloutDesk;
  readonly reverseGate: ReverseGate;
}

export type PlainRollback = (order: RollBack & { readonly unchecked: boolean }) => Promise<Moved>;

const turnMsMax = 15_000;
const lookEveryMs = 25;

export function createPlainRollback(deps: PlainRollbackDeps): PlainRollback {
  const { db, pins } = deps;
  return async (asked) => {
    const order = { ...asked, because: sayBecause(asked) };
    requireExpected(
      await findPin(db, order.environment, order.artifact),
      order.expect,
      order.artifact,
    );
    await endDrill(deps, order);
    const open = await openOn(db, order);
    const serves =
      open !== null && (isReversible(open.rollout) || open.rollout.phase === "rolling-back");
    if (order.unchecked) await recordUnchecked(deps, order);
    if (open !== null && serves) return await byRollout(deps, open, order);
    if (!order.unchecked) await requirePassable(deps, order);
    return await pins.rollBack({ ...order, expect: null });
  };
}

/** W2. With the pin itself: whoever reads its history sees that nobody looked. */
export function sayBecause({
  because,
  unchecked,
}: {
  readonly because: string;
  readonly unchecked: boolean;
}): string {
  if (!unchecked) return because;
  return because === "" ? "unchecked" : `unchecked: ${because}`;
}

/** W1. */
async function byRollout(
  deps: PlainRollbackDeps,
  { rollout: { id } }: Stored,
  { by, because, unchecked, environment, artifact }: Parameters<PlainRollback>[0],
): Promise<Moved> {
  const why = because === "" ? "rolled back by hand" : because;
  await deps.rollouts.back(id, { by, because: why, now: true, unchecked });
  const { rollout } = await ended(deps, id, ["frozen"]);
  if (rollout.phase === "frozen") {
    throw new Fault("not_healthy", `Nothing was moved: ${rollout.why}.`, {
      context: { rollout: id },
    });
  }
  return { pin: await requirePin(deps.db, environment, artifact), already: false };
}

async function endDrill(deps: PlainRollbackDeps, order: RollBack): Promise<void> {
  const open = await openOn(deps.db, order);
  if (open === null || open.rollout.purpose !== "drill") return;
  const { id } = open.rollout;
  const because = `${order.by} rolls back`;
  await deps.rollouts.back(id, { by: order.by, because, now: true, unchecked: true });
  await ended(deps, id, []);
}

async function ended(
  { db }: PlainRollbackDeps,
  id: RolloutId,
  also: readonly string[],
): Promise<Stored> {
  const deadline = performance.now() + turnMsMax;
  for (;;) {
    const stored = await requireRollout(db, id);
    if (!isOpen(stored.rollout) || also.includes(stored.rollout.phase)) return stored;
    if (performance.now() >= deadline) {
      throw new Fault(
        "timed_out",
        `${id} did not go back within ${turnMsMax / 1_000} s: follow it with \`lastgood rollout show ${id} --follow\`.`,
      );
    }
    await pause(lookEveryMs);
  }
}

/** W2. */
async function requirePassable(
  { db, reverseGate }: PlainRollbackDeps,
  { environment, artifact }: RollBack,
): Promise<void> {
  const history = await pinHistory(db, environment, artifact);
  const back = rollbackOf(history, await barredVersions(db, artifact));
  for (const { version } of back?.to.shares ?? []) {
    const { signal } = new AbortController();
    const { ok, says } = await reverseGate({ environment, artifact, version }, signal);
    if (ok) continue;
    throw new Fault(
      "not_healthy",
      `Nothing was moved: ${artifact}:${version} is not passable (${says}). Mend it, or go without looking: \`lastgood rollback ${artifact} --unchecked\`.`,
      { context: { artifact, version } },
    );
  }
}

async function recordUnchecked(
  { db, world }: PlainRollbackDeps,
  { by, because, environment, artifact }: RollBack,
): Promise<void> {
  await audit(db, {
    ...{ at: world.now(), actor: by, action: "rollback.unchecked", outcome: "done", because },
    target: `${environment}/${artifact}`,
  });
}
