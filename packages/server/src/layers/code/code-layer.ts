/**
 * What agents committed, put back by reverts.
 *
 *   L1. The revert is a commit that exists, in our own repository alone, when the plan is made: what is
 *       applied is that very commit, and applying it again makes no other.
 *   L2. The branch moves from the planned tip to the revert (or to its merge, where something waits on the
 *       tip: under-held.ts) and from nowhere else.
 *   L3. The change under which the revert is recorded is fixed before the push, so that whoever sees the
 *       commit first records the same change.
 *   L4. What a revert takes back is barred before the push, so that bringing it again at once is seen;
 *       taking a revert of ours back lifts what it barred.
 */
import { Fault } from "../../fault.ts";
import type { Change } from "../../ledger/change.ts";
import { findChanges } from "../../ledger/ledger-store.ts";
import { emptyPlan, type Layer, type Plan, untouched } from "../layer.ts";
import { type ApplyDeps, applyRevert } from "./apply-revert.ts";
import { commitsOf, offeredBranch, planRevert } from "./revert-plan.ts";
import { findReverts } from "./reverts-store.ts";
import { verifyRevert } from "./verify-revert.ts";

export function createCodeLayer(deps: ApplyDeps): Layer<"code"> {
  const { db, mirrors, repositories } = deps;
  return {
    kind: "code",

    async plan(undo, signal) {
      const limit = Math.max(1, undo.changes.length);
      const changes = await findChanges(db, { ids: undo.changes, limit });
      const ours = changes.filter((change) => change.layer === "code");
      const plans: Plan<"code">[] = [];
      for (const [name, group] of Map.groupBy(ours, (change) => change.target)) {
        const alone = group.length === undo.changes.length;
        const { since, incident, because } = undo;
        plans.push(await planGroup(deps, name, group, alone, { since, incident, because }, signal));
      }
      return together(plans);
    },

    apply: (step, context, signal) => applyRevert(deps, step.action, context, signal),

    async verify(step, signal) {
      const { migrations } = await repositories.find(step.action.repository);
      const mirror = await mirrors.of(step.action.repository);
      return await verifyRevert(mirror, step.action, migrations, signal);
    },

    async undo(step, signal) {
      const { action } = step;
      const mirror = await mirrors.of(action.repository);
      const tip = await mirror.fetch(signal);
      if (tip === null || !(await mirror.isAncestor(action.to, tip))) {
        const where = `${action.branch} of ${action.repository}`;
        const gap =
          action.deliver === "branch"
            ? `${offeredBranch(action.to)} is not merged into ${where}: close its pull request and remove it.`
            : `the revert ${action.to.slice(0, 12)} is not on ${where}: there is nothing to take back.`;
        return { ...emptyPlan, gaps: [gap] };
      }
      const [own] = await findReverts(db, action.repository, [action.to]);
      const plan = await planRevert(
        deps,
        mirror,
        {
          repository: await repositories.find(action.repository),
          commits: [action.to],
          since: own?.datedAt ?? (await mirror.commit(action.to)).committedAt,
          incident: own?.incident ?? null,
          because: "the revert itself is taken back",
        },
        signal,
      );
      const downs = (action.migrations ?? []).map(
        ({ path }) =>
          `${action.repository}: the migration ${path} was undone, and is applied again only by its migrator.`,
      );
      return { ...plan, gaps: [...plan.gaps, ...downs] };
    },
  };
}

type Why = { readonly since: Date; readonly incident: string | null; readonly because: string };

/**
 * What stands in the way of one repository is thrown where the undo is about that alone. Beside other
 * things it becomes part of the plan, so that the plan shows all there is.
 */
async function planGroup(
  deps: ApplyDeps,
  name: string,
  changes: readonly Change[],
  alone: boolean,
  why: Why,
  signal: AbortSignal,
): Promise<Plan<"code">> {
  try {
    const repository = await deps.repositories.find(name);
    const commits = commitsOf(repository, changes);
    const mirror = await deps.mirrors.of(name);
    return await planRevert(deps, mirror, { repository, commits, ...why }, signal);
  } catch (error) {
    if (alone || !(error instanceof Fault) || error.code === "layer_unreachable") throw error;
    const line = `${name}: ${error.message} [${error.code}]`;
    return error.code === "nothing_to_revert"
      ? { ...emptyPlan, gaps: [line] }
      : { ...emptyPlan, conflicts: [line] };
  }
}

function together(plans: readonly Plan<"code">[]): Plan<"code"> {
  return {
    steps: plans.flatMap((plan) => plan.steps),
    losses: plans.flatMap((plan) => plan.losses),
    conflicts: plans.flatMap((plan) => plan.conflicts),
    gaps: plans.flatMap((plan) => plan.gaps),
    reversible: plans.every((plan) => plan.reversible),
    touches: {
      ...untouched,
      commits: plans.reduce((total, plan) => total + plan.touches.commits, 0),
    },
  };
}
