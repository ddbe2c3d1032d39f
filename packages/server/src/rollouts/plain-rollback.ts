/**
 * `lastgood rollback`: back at once to what was good before, whatever turns the dial.
 *
 *   W1. Where a rollout has brought what serves, it goes back by that rollout; a drill is ended first.
 *   W2. It passes the reverse gate, or says `unchecked`, which is on record.
 *   W3. It goes back from the pin that was looked at: of two who do so at once, one is refused.
 *   W4. What a rollout does not turn any more (its dial was split by hand) goes back all the same.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Fault } from "../fault.ts";
import { audit } from "../http/audit.ts";
import type { Moved } from "../releases/move-pin.ts";
import { type Pin, requireExpected, rollbackOf } from "../releases/pin.ts";
import type { PinDesk, RollBack } from "../releases/pin-desk.ts";
import { findPin, pinHistory, requirePin } from "../releases/pin-store.ts";
import { barredVersions } from "../releases/release-store.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import type { Impassable } from "./passable.ts";
import { isOpen, isReversible, type RolloutId } from "./rollout.ts";
import type { RolloutDesk } from "./rollout-desk.ts";
import { requireRollout, type Stored, servingOn, turningOn } from "./rollout-store.ts";

export interface PlainRollbackDeps {
  readonly db: Db;
  readonly world: World;
  readonly pins: PinDesk;
  readonly rollouts: RolloutDesk;
  readonly impassable: Impassable;
}

export type PlainRollback = (order: RollBack & { readonly unchecked: boolean }) => Promise<Moved>;

const turnMsMax = 15_000;
const lookEveryMs = 25;

export function createPlainRollback(deps: PlainRollbackDeps): PlainRollback {
  const { db, pins } = deps;
  return async (asked) => {
    const order = { ...asked, because: sayBecause(asked) };
    const { environment, artifact } = order;
    requireExpected(await findPin(db, environment, artifact), order.expect, artifact);
    const drilled = await endDrill(deps, order);
    const history = await pinHistory(db, environment, artifact);
    const [looked = null] = history;
    if (!drilled) requireExpected(looked, order.expect, artifact);
    if (order.unchecked) await recordUnchecked(deps, order);
    const turned = await byRollout(deps, order);
    if (turned !== null) return turned;
    if (!order.unchecked) await requirePassable(deps, order, history);
    return await pins.rollBack({ ...order, expect: looked?.epoch ?? null });
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

/** W1. Null: no rollout turns it, or none any more (W4). */
async function byRollout(
  deps: PlainRollbackDeps,
  order: Parameters<PlainRollback>[0],
): Promise<Moved | null> {
  const { by, because, unchecked, environment, artifact } = order;
  const open = await servingOn(deps.db, order);
  if (open === null) return null;
  if (!isReversible(open.rollout) && open.rollout.phase !== "rolling-back") return null;
  const { id } = open.rollout;
  const why = because === "" ? "rolled back by hand" : because;
  try {
    await deps.rollouts.back(id, { by, because: why, now: true, unchecked });
  } catch (error) {
    if (error instanceof Fault && error.code === "plan_stale") return null;
    throw error;
  }
  const { rollout } = await ended(deps, id, ["frozen"]);
  if (rollout.phase === "frozen") {
    throw new Fault("not_healthy", `Nothing was moved: ${rollout.why}.`, {
      context: { rollout: id },
    });
  }
  return { pin: await requirePin(deps.db, environment, artifact), already: false };
}

/** Whether there was one. */
async function endDrill(deps: PlainRollbackDeps, order: RollBack): Promise<boolean> {
  const open = await turningOn(deps.db, order);
  if (open === null || open.rollout.purpose !== "drill") return false;
  const { id } = open.rollout;
  const because = `${order.by} rolls back`;
  await deps.rollouts.back(id, { by: order.by, because, now: true, unchecked: true });
  await ended(deps, id, []);
  return true;
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
  { db, impassable }: PlainRollbackDeps,
  { environment, artifact }: RollBack,
  history: readonly Pin[],
): Promise<void> {
  const back = rollbackOf(history, await barredVersions(db, artifact));
  const versions = back?.to.shares.map(({ version }) => version) ?? [];
  const { signal } = new AbortController();
  const found = await impassable({ environment, artifact }, versions, signal);
  if (found === null) return;
  const { version, because } = found;
  throw new Fault("not_healthy", `Nothing was moved: ${because}`, {
    context: { artifact, version },
  });
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
