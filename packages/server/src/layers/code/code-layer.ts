/**
 * What agents committed, put back by reverts.
 *
 *   L1. The revert is a commit that exists, in our own repository alone, when the plan is made: what is
 *       applied is that very commit, and applying it again makes no other.
 *   L2. The branch moves from the planned tip to the revert and from nowhere else.
 *   L3. The change under which the revert is recorded is fixed before the push, so that whoever sees the
 *       commit first records the same change.
 *   L4. What a revert took back is barred; taking a revert of ours back lifts what it barred.
 */
import { Fault } from "../../fault.ts";
import type { CodeMirror } from "../../git/bare-mirror.ts";
import type { CodeMirrors } from "../../git/open-mirrors.ts";
import type { Change } from "../../ledger/change.ts";
import { findChanges, recordChanges } from "../../ledger/ledger-store.ts";
import type { World } from "../../world.ts";
import { emptyPlan, type Layer, type Plan, type Step, untouched } from "../layer.ts";
import { barCommits, liftBarsOfRevert, type NewBar } from "./bars-store.ts";
import { isApplied } from "./migrations.ts";
import { readMigrator, runDowns } from "./migrator.ts";
import type { Repositories } from "./repositories.ts";
import { lockPosition } from "./repositories-store.ts";
import { commitsOf, offeredBranch, planRevert, type RevertPlanDeps } from "./revert-plan.ts";
import { type ClaimedRevert, claimRevert, findReverts } from "./reverts-store.ts";
import { verifyRevert } from "./verify-revert.ts";
import type { Watch } from "./watch-loop.ts";

export interface CodeLayerDeps extends RevertPlanDeps {
  readonly world: World;
  readonly mirrors: CodeMirrors;
  readonly repositories: Repositories;
  readonly watch: Pick<Watch, "look">;
}

type Revert = Step<"code">["action"];

export function createCodeLayer(deps: CodeLayerDeps): Layer<"code"> {
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

    async apply(step, context, signal) {
      const { action } = step;
      const mirror = await mirrors.of(action.repository);
      if (mirror.branch !== action.branch) throw stale(action, "is not watched any more");
      await restoreRevert(deps, mirror, action, signal);
      const by = { change: context.changeId, actor: context.actor, reason: context.reason };
      const claimed = await claimRevert(db, action.repository, action.to, by);
      if (claimed === null) throw unknownRevert(action);
      if (action.deliver === "push") {
        await pushRevert(mirror, action, signal);
        await deps.watch.look(action.repository, signal);
      } else {
        await offerRevert(mirror, action, signal);
        await recordOffer(deps, action, claimed);
      }
      await bar(deps, mirror, action, claimed);
      await undoMigrations(deps, mirror, action, signal);
    },

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
  deps: CodeLayerDeps,
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

/** The planned commit is in our repository, or made there again from what was stored (L1). */
async function restoreRevert(
  { db }: CodeLayerDeps,
  mirror: CodeMirror,
  action: Revert,
  signal: AbortSignal,
): Promise<void> {
  if (await mirror.has(action.to)) return;
  await mirror.fetch(signal);
  if (await mirror.has(action.to)) return;
  const [planned] = await findReverts(db, action.repository, [action.to]);
  if (planned === undefined || !(await mirror.has(planned.from))) throw unknownRevert(action);
  const made = await mirror.computeRevert(
    {
      tip: planned.from,
      commits: planned.commits,
      at: planned.datedAt,
      message: () => planned.message,
    },
    signal,
  );
  if (made.kind !== "reverted" || made.commit !== action.to) throw unknownRevert(action);
  await mirror.keep("plans", made.commit);
}

async function pushRevert(mirror: CodeMirror, action: Revert, signal: AbortSignal): Promise<void> {
  const tip = await mirror.fetch(signal);
  if (tip === action.from) {
    const pushed = await mirror.push(action.to, action.branch, action.from, signal);
    if (pushed === "pushed") return;
  }
  const now = await mirror.fetch(signal);
  if (now !== null && (await mirror.isAncestor(action.to, now))) return;
  throw stale(action, `is at ${now?.slice(0, 12) ?? "nothing"} now`);
}

async function offerRevert(mirror: CodeMirror, action: Revert, signal: AbortSignal): Promise<void> {
  const branch = offeredBranch(action.to);
  const tip = await mirror.fetch(signal);
  if (tip !== null && (await mirror.isAncestor(action.to, tip))) return;
  if (tip === null || !(await mirror.isAncestor(action.from, tip))) {
    throw stale(action, "no longer holds the commit that the revert stands on");
  }
  const there = await mirror.remoteTip(branch, signal);
  if (there === action.to) return;
  const pushed =
    there === null ? await mirror.push(action.to, branch, null, signal) : ("moved" as const);
  if (pushed === "pushed" || (await mirror.remoteTip(branch, signal)) === action.to) return;
  throw new Fault(
    "plan_stale",
    `${branch} of ${action.repository} exists with other commits: remove it, and plan again.`,
  );
}

/** The offer is a change of its own; the revert becomes one when it is merged. */
async function recordOffer(
  { db, world }: CodeLayerDeps,
  action: Revert,
  claimed: ClaimedRevert,
): Promise<void> {
  await db.begin(async (tx) => {
    await lockPosition(tx, action.repository);
    await recordChanges(tx, [
      {
        id: claimed.change,
        at: world.now(),
        layer: "code",
        kind: "revert-offered",
        target: action.repository,
        agent: claimed.actor,
        from: action.from,
        to: action.to,
        reason: claimed.reason,
        details: { branch: offeredBranch(action.to), into: action.branch, commits: action.commits },
      },
    ]);
  });
}

async function bar(
  { db, world }: CodeLayerDeps,
  mirror: CodeMirror,
  action: Revert,
  claimed: ClaimedRevert,
): Promise<void> {
  const { repository, to } = action;
  const ours = new Set(
    (await findReverts(db, repository, action.commits)).map((each) => each.commit),
  );
  const commits = await mirror.readCommits(action.commits.filter((commit) => !ours.has(commit)));
  const common = {
    repository,
    revertCommit: to,
    incident: claimed.incident,
    because: claimed.because,
    barredBy: claimed.actor,
  };
  const bars: NewBar[] = [];
  for (const { id, parents, patchId, subject } of commits) {
    // A merge has no patch id of its own: against its mainline it has what a squash of it would have.
    const mainline = parents[0];
    const patch =
      patchId ?? (mainline === undefined ? null : await mirror.patchIdBetween(mainline, id));
    bars.push({ ...common, commit: id, patchId: patch, subject });
  }
  const turned = await mirror.patchIdBetween(to, action.from);
  if (bars.length > 0 && !bars.some(({ patchId }) => patchId === turned)) {
    bars.push({
      ...common,
      commit: to,
      patchId: turned,
      subject: "the whole of it, applied again",
    });
  }
  await db.begin(async (tx) => {
    await barCommits(tx, world, bars);
    for (const revert of ours) {
      const undone = { commit: to, at: world.now(), by: claimed.actor };
      await liftBarsOfRevert(tx, repository, revert, undone);
    }
  });
}

/** The migrations' own downs, for those that the migrator still holds as applied. */
async function undoMigrations(
  { repositories }: CodeLayerDeps,
  mirror: CodeMirror,
  action: Revert,
  signal: AbortSignal,
): Promise<void> {
  const planned = action.migrations ?? [];
  if (planned.length === 0) return;
  const { migrations: config } = await repositories.find(action.repository);
  if (config === null) throw stale(action, "has no `migrations` in lastgood.yaml any more");
  const rows = await readMigrator(config);
  const left = planned.filter((file) => isApplied(file, rows));
  if (left.length === 0) return;
  await runDowns({ mirror, revision: action.from, migrations: left, config }, signal);
}

function stale(action: Revert, how: string): Fault {
  return new Fault(
    "plan_stale",
    `${action.branch} of ${action.repository} ${how}, and the revert was planned on ${action.from.slice(0, 12)}: plan again.`,
    { context: { repository: action.repository, from: action.from } },
  );
}

function unknownRevert(action: Revert): Fault {
  return new Fault(
    "plan_stale",
    `The planned revert ${action.to.slice(0, 12)} of ${action.repository} is not known here, and cannot be made again: plan again.`,
  );
}
