/**
 * Applies a planned revert. May be called again after a crash at any line: each part looks first.
 */
import { Fault } from "../../fault.ts";
import type { CodeMirror } from "../../git/bare-mirror.ts";
import type { CodeMirrors } from "../../git/open-mirrors.ts";
import { recordChanges } from "../../ledger/ledger-store.ts";
import type { World } from "../../world.ts";
import type { ApplyContext, Step } from "../layer.ts";
import { barCommits, liftBarsOfRevert, type NewBar, unbar } from "./bars-store.ts";
import { isApplied } from "./migrations.ts";
import { readMigrator, runDowns } from "./migrator.ts";
import type { Repositories } from "./repositories.ts";
import { lockPosition } from "./repositories-store.ts";
import { offeredBranch, type RevertPlanDeps } from "./revert-plan.ts";
import { type ClaimedRevert, claimRevert, findReverts } from "./reverts-store.ts";
import { restoreJoin } from "./under-held.ts";
import type { Watch } from "./watch-loop.ts";

export interface ApplyDeps extends RevertPlanDeps {
  readonly world: World;
  readonly mirrors: CodeMirrors;
  readonly repositories: Repositories;
  readonly watch: Pick<Watch, "look">;
}

type Revert = Step<"code">["action"];

/** Pushes or offers the revert, records it, bars what it takes back, undoes its migrations. */
export async function applyRevert(
  deps: ApplyDeps,
  action: Revert,
  context: ApplyContext,
  signal: AbortSignal,
): Promise<void> {
  const { db, mirrors } = deps;
  const mirror = await mirrors.of(action.repository);
  if (mirror.branch !== action.branch) throw stale(action, "is not watched any more");
  await restoreRevert(deps, mirror, action, signal);
  const by = { change: context.changeId, actor: context.actor, reason: context.reason };
  const claimed = await claimRevert(db, action.repository, action.to, by);
  if (claimed === null) throw unknownRevert(action);
  await bar(deps, mirror, action, claimed);
  try {
    if (action.deliver === "push") await pushRevert(mirror, action, signal);
    else await offerRevert(mirror, action, signal);
  } catch (error) {
    // It will never be what rolls them back: another plan bars them again.
    if (error instanceof Fault && error.code === "plan_stale") {
      await unbar(db, action.repository, action.to);
    }
    throw error;
  }
  if (action.deliver === "push") await deps.watch.look(action.repository, signal);
  else await recordOffer(deps, action, claimed);
  await liftUndone(deps, action, claimed);
  await undoMigrations(deps, mirror, action, signal);
}

/** What is pushed is in our repository, or made there again from what was stored (L1). */
async function restoreRevert(
  { db }: ApplyDeps,
  mirror: CodeMirror,
  action: Revert,
  signal: AbortSignal,
): Promise<void> {
  const wanted = [action.to, ...(action.onto === undefined ? [] : [action.onto.merge])];
  const here = async () => (await Promise.all(wanted.map(mirror.has))).every(Boolean);
  if (await here()) return;
  await mirror.fetch(signal);
  if (await here()) return;
  const [planned] = await findReverts(db, action.repository, [action.to]);
  if (planned === undefined || !(await mirror.has(planned.from))) throw unknownRevert(action);
  const { from: tip, commits, datedAt: at, message } = planned;
  const made = await mirror.computeRevert({ tip, commits, at, message: () => message }, signal);
  if (made.kind !== "reverted" || made.commit !== action.to) throw unknownRevert(action);
  await mirror.keep("plans", made.commit);
  if (action.onto === undefined) return;
  const wish = { tip: action.onto.tip, revert: made.commit, commits: made.reverted, at };
  await restoreJoin(mirror, action.onto.merge, wish, signal);
}

async function pushRevert(mirror: CodeMirror, action: Revert, signal: AbortSignal): Promise<void> {
  const { branch, from, to, onto } = action;
  const move = onto === undefined ? { at: from, to } : { at: onto.tip, to: onto.merge };
  const tip = await mirror.fetch(signal);
  if (tip === move.at) {
    const pushed = await mirror.push(move.to, branch, move.at, signal);
    if (pushed === "pushed") return;
  }
  const now = await mirror.fetch(signal);
  if (now !== null && (await mirror.isAncestor(to, now))) return;
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
  { db, world }: ApplyDeps,
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
  { db, world }: ApplyDeps,
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
  await barCommits(db, world, bars);
}

/** What the reverts that are taken back had barred may come again. */
async function liftUndone(
  { db, world }: ApplyDeps,
  { repository, commits, to }: Revert,
  { actor }: ClaimedRevert,
): Promise<void> {
  const undone = { commit: to, at: world.now(), by: actor };
  for (const { commit } of await findReverts(db, repository, commits)) {
    await db.begin((tx) => liftBarsOfRevert(tx, repository, commit, undone));
  }
}

/** The migrations' own downs, for those that the migrator still holds as applied. */
async function undoMigrations(
  { repositories }: ApplyDeps,
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
    `${action.branch} of ${action.repository} ${how}, and the revert was planned on ${(action.onto?.tip ?? action.from).slice(0, 12)}: plan again.`,
    { context: { repository: action.repository, from: action.from } },
  );
}

function unknownRevert(action: Revert): Fault {
  return new Fault(
    "plan_stale",
    `The planned revert ${action.to.slice(0, 12)} of ${action.repository} is not known here, and cannot be made again: plan again.`,
  );
}
