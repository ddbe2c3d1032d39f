/**
 * Makes plans: asks every layer what putting these changes back would mean, and records the answer.
 * Nothing here moves the world.
 */
import { createHash } from "node:crypto";
import type { Configuration } from "../config/config.ts";
import { Fault } from "../fault.ts";
import type { RecoveryId } from "../ids.ts";
import { canonical } from "../json/canonical.ts";
import type { Layer, LayerKind, Layers, Plan, Step, Undo } from "../layers/layer.ts";
import type { Query } from "../store/database.ts";
import { newChangeId, newId, type World } from "../world.ts";
import { blastRadius, combine, digestible, inOrder, targetsOf } from "./plan.ts";
import type { Recovery, RecoveryPlan } from "./recovery.ts";
import { insertRecovery, requireRecovery } from "./recovery-store.ts";

/** What a code revert means for what runs: the services of the repository serve the revert. */
export type PlanServe = (service: string, to: string) => Promise<Plan<"runtime">>;

export interface PlannerDeps {
  readonly world: World;
  readonly configuration: Configuration;
  readonly layers: Layers;
  readonly planServe: PlanServe;
}

export interface PlanRequest {
  readonly undo: Undo;
  readonly plannedBy: string;
  readonly automatic: boolean;
  readonly replaces: RecoveryId | null;
}

const planMsMax = 60_000;

export function createPlanner({ world, configuration, layers, planServe }: PlannerDeps) {
  async function planUndo(undo: Undo): Promise<Plan> {
    const signal = AbortSignal.timeout(planMsMax);
    const plans = await Promise.all(
      Object.values(layers).map((layer: Layer<LayerKind>) => layer.plan(undo, signal)),
    );
    const planned = combine(plans);
    return combine([planned, ...(await plansToServe(planned.steps))]);
  }

  /** A code revert that goes straight to the branch is served by every service of the repository. */
  async function plansToServe(steps: readonly Step[]): Promise<readonly Plan[]> {
    const services = Object.entries(configuration.current().services);
    const pairs = steps.flatMap((step) =>
      step.layer === "code" && step.action.deliver === "push"
        ? services
            .filter(([, service]) => service.repository === step.action.repository)
            .filter(([, service]) => service.runtime !== undefined)
            .map(([name]) => ({ name, to: step.action.to }))
        : [],
    );
    return await Promise.all(pairs.map(({ name, to }) => planServe(name, to)));
  }

  async function record(
    db: Query,
    plan: Plan,
    request: PlanRequest & { readonly undoes: RecoveryId | null },
  ): Promise<Recovery> {
    const id = newId<RecoveryId>(world, "rec");
    const digest = createHash("sha256")
      .update(canonical(digestible(request.undo, plan)))
      .digest("hex");
    const full: RecoveryPlan = {
      ...plan,
      blastRadius: blastRadius(plan),
      undoWith: `lastgood recover undo ${id}`,
    };
    await insertRecovery(db, {
      ...request,
      id,
      plan: full,
      digest,
      targets: [...new Set(plan.steps.flatMap(targetsOf))],
      plannedAt: world.now(),
      steps: plan.steps.map((step) => ({ step, changeId: newChangeId(world) })),
    });
    return await requireRecovery(db, id);
  }

  return {
    /** Plans what undoes these changes. `nothing_to_revert` when no layer has anything to do. */
    async plan(db: Query, request: PlanRequest): Promise<Recovery> {
      const plan = await planUndo(request.undo);
      if (plan.steps.length === 0 && plan.conflicts.length === 0) {
        throw new Fault(
          "nothing_to_revert",
          `No layer has anything to put back for ${request.undo.changes.join(", ") || "this"}: ${plan.gaps.join(" ") || "see `lastgood changes`."}`,
        );
      }
      return await record(db, plan, { ...request, undoes: null });
    },

    /** Plans what takes a recovery back: its steps that took, newest first, each the other way round. */
    async planUndoOf(
      db: Query,
      recovery: Recovery,
      plannedBy: string,
      replaces: RecoveryId | null = null,
    ): Promise<Recovery> {
      const signal = AbortSignal.timeout(planMsMax);
      const plans: Plan[] = [];
      const applied = recovery.steps.filter(
        ({ state }) => state === "applied" || state === "verified",
      );
      const codeMoves = applied.some(({ step }) => step.layer === "code");
      for (const { step } of applied.toReversed()) {
        // What ran goes where the code goes: to the commit that takes the revert back.
        if (step.layer === "runtime" && codeMoves) continue;
        plans.push(await layerOf(layers, step).undo(step, signal));
      }
      const back = combine(plans);
      const plan = combine([back, ...(await plansToServe(back.steps))]);
      if (plan.steps.length === 0) {
        throw new Fault(
          "nothing_to_revert",
          `Recovery ${recovery.id} moved nothing that could be taken back.`,
        );
      }
      const because = `takes back recovery ${recovery.id}`;
      return await record(
        db,
        { ...plan, steps: inOrder(plan.steps) },
        {
          undo: { ...recovery.undo, changes: [], because },
          plannedBy,
          automatic: false,
          replaces,
          undoes: recovery.id,
        },
      );
    },
  };
}

export type Planner = ReturnType<typeof createPlanner>;

/** The layer of a step. The pairing of kind and step is what `Layers` guarantees. */
export function layerOf(layers: Layers, step: Step): Layer<LayerKind> {
  return layers[step.layer] as Layer<LayerKind>;
}
