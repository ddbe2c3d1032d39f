import { hostname } from "node:os";
import type { Logger } from "pino";
import { Fault } from "../fault.ts";
import type { RecoveryId } from "../ids.ts";
import { recordEvent } from "../ledger/timeline.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { findLeftBehind } from "./after-crash.ts";
import { callOffRecoveries, markLettingGo } from "./call-off-store.ts";
import { contradictionOf } from "./contradiction.ts";
import type { Planner } from "./planner.ts";
import type { Recoveries, Recovery, RecoveryListener } from "./recovery.ts";
import { type RecoveryLoopDeps, startRecoveryLoop } from "./recovery-loop.ts";
import {
  addApproval,
  beginRecovery,
  findRecovery,
  moveRecovery,
  requireRecovery,
} from "./recovery-store.ts";

export interface RecoveriesDeps
  extends Pick<
    RecoveryLoopDeps,
    "layers" | "capture" | "resumed" | "heldBecause" | "contradicted" | "reached" | "stepMs"
  > {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly planner: Planner;
  readonly told: RecoveryListener;
  /** What happens to recoveries under way when this process starts. */
  readonly afterCrash: "continue" | "pause";
  /** Names this process among those that share the database; by default host and process id. */
  readonly holder?: string;
}

export type RecoveryRoom = Awaited<ReturnType<typeof createRecoveries>>;

/** The recovery room: plans, approvals, and the loop that runs what was let go. */
export async function createRecoveries(deps: RecoveriesDeps) {
  const { db, world, planner } = deps;
  const leftBehind = deps.afterCrash === "pause" ? await findLeftBehind(db) : null;
  const holder = deps.holder ?? `${hostname()}:${process.pid}`;
  const loop = startRecoveryLoop({ ...deps, holder, leftBehind });

  async function begin(
    id: RecoveryId,
    digest: string,
    actor: string,
    { from, approve = false }: { from: readonly Recovery["state"][]; approve?: boolean },
  ): Promise<void> {
    const recovery = await requireRecovery(db, id);
    requireDigest(recovery, digest);
    if (recovery.plan.conflicts.length > 0) {
      throw new Fault(
        "revert_conflicts",
        `Recovery ${id} has conflicts and cannot run: ${recovery.plan.conflicts.join("; ")}. Resolve them by hand and plan again.`,
      );
    }
    const at = world.now();
    try {
      await db.begin(async (tx) => {
        if (approve) await addApproval(tx, id, actor);
        await beginRecovery(tx, id, { actor, at, from });
        if (recovery.incident === null) return;
        const event = approve ? "recovery.approved" : "recovery.started";
        const text = `${actor} ${approve ? "approved" : "started"} ${id}`;
        const told = { at, actor, event, text, details: { recovery: id } };
        await recordEvent(tx, recovery.incident, told);
      });
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "target_busy") throw error;
      throw await refused(error, recovery, actor);
    }
    loop.wake();
  }

  /** It only has to wait for the one under way; or the two contradict each other, and a person is called. */
  async function refused(busy: Fault, recovery: Recovery, actor: string): Promise<Fault> {
    const other = await findRecovery(db, `${busy.context.recovery}` as RecoveryId);
    if (other === null) return busy;
    const first = { recovery: other, actor: other.runBy ?? other.plannedBy };
    const contradiction = contradictionOf(first, { recovery, actor });
    if (contradiction === null) return busy;
    const calledFor = await deps.contradicted(contradiction);
    return new Fault(
      "target_busy",
      `${busy.message} The two contradict each other, and a person is called: \`lastgood incident show ${calledFor}\`.`,
      { cause: busy, context: { ...busy.context, contradiction: calledFor } },
    );
  }

  const recoveries: Recoveries = {
    plan: (undo, plannedBy, { automatic = false } = {}) =>
      planner.plan(db, { undo, plannedBy, automatic, replaces: null }),
    run: (id, digest, actor) => begin(id, digest, actor, { from: ["planned", "paused"] }),
    async awaitApproval(id, because) {
      await moveRecovery(db, id, ["planned"], "awaiting-approval", { because });
    },
    find: (id) => findRecovery(db, id),
    async callOff(tx, incident, { because, ...which }) {
      const at = world.now();
      for (const id of await callOffRecoveries(tx, incident, { because, at, ...which })) {
        const text = `${id} goes no further: ${because}`;
        const told = { at, actor: "lastgood", event: "recovery.called-off", text };
        await recordEvent(tx, incident, { ...told, details: { recovery: id } });
      }
      // Who waits in a step hears of it at the loop's next turn: that this is not committed yet is no matter.
      loop.wake();
    },
    letGo: markLettingGo,
  };
  return {
    ...recoveries,
    /** A person lets this very plan run. */
    async approve(id: RecoveryId, digest: string, by: string): Promise<void> {
      await begin(id, digest, by, { from: ["awaiting-approval", "planned"], approve: true });
    },
    async refuse(id: RecoveryId, by: string, because: string): Promise<void> {
      const moved = await moveRecovery(db, id, ["awaiting-approval", "planned"], "refused", {
        because: `${by}: ${because}`,
        endedAt: world.now(),
      });
      if (moved) return;
      const { state } = await requireRecovery(db, id);
      const now =
        state === "verified" ? `lastgood recover undo ${id}` : `lastgood recover show ${id}`;
      throw new Fault(
        "state_forbids",
        `Recovery ${id} is ${state}, and only one that waits can be refused: see \`${now}\`.`,
      );
    },
    async planUndoOf(id: RecoveryId, by: string): Promise<Recovery> {
      return await planner.planUndoOf(db, await requireRecovery(db, id), by);
    },
    /** Why nobody but a person may let it move now (a freeze, a person who took over); null: they may. */
    heldBecause: deps.heldBecause,
    loop,
  };
}

function requireDigest(recovery: Recovery, digest: string): void {
  if (recovery.digest === digest) return;
  throw new Fault(
    "plan_stale",
    `Recovery ${recovery.id} has the digest ${recovery.digest.slice(0, 12)}, not ${digest.slice(0, 12)}: read it again with \`lastgood recover show ${recovery.id}\` and name its digest.`,
  );
}
