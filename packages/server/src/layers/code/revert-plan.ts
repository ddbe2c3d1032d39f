/**
 * Plans the revert of commits of one repository: reads the remote and our mirror, and moves nothing.
 */
import type { Configuration } from "../../config/config.ts";
import { Fault } from "../../fault.ts";
import type { CodeMirror } from "../../git/bare-mirror.ts";
import { branchCheckedOut } from "../../git/push.ts";
import type { FullCommit } from "../../git/read-commits.ts";
import type { Revert } from "../../git/revert.ts";
import type { Change } from "../../ledger/change.ts";
import type { Db } from "../../store/database.ts";
import { emptyPlan, type Plan, untouched } from "../layer.ts";
import { agentOf } from "./commit-change.ts";
import { isDeclarative, type MigrationPlan, planMigrations } from "./migrations.ts";
import { readMigrator } from "./migrator.ts";
import type { Repository } from "./repositories.ts";
import { recordedAmong, whenRewritten } from "./repositories-store.ts";
import { oneLine, revertDate, revertMessage } from "./revert-message.ts";
import { newestFirst } from "./revert-order.ts";
import { insertRevert } from "./reverts-store.ts";
import { baseOf, type HeldBack, type HeldCommit, joinOnto } from "./under-held.ts";

export interface RevertPlanDeps {
  readonly db: Db;
  readonly configuration: Configuration;
  readonly heldBack: HeldBack;
}

export interface RevertWish {
  readonly repository: Repository;
  /** Commits to take back, in any order. */
  readonly commits: readonly string[];
  readonly since: Date;
  readonly incident: string | null;
  readonly because: string;
}

/**
 * Faults: `layer_unreachable`, `not_on_branch`, `history_rewritten`, `branch_checked_out`,
 * `nothing_to_revert`. What conflicts is part of the plan.
 */
export async function planRevert(
  deps: RevertPlanDeps,
  mirror: CodeMirror,
  wish: RevertWish,
  signal: AbortSignal,
): Promise<Plan<"code">> {
  const { repository } = wish;
  const tip = await mirror.fetch(signal);
  if (tip === null) throw notOnBranch(repository, wish.commits, "the branch has no commits");
  await requireOnBranch(deps.db, mirror, repository, tip, wish.commits);
  await requirePushable(mirror, repository);
  const wanted = await newestFirst(deps.db, mirror, tip, wish.commits);
  const base = await baseOf(mirror, deps.heldBack, tip, wanted);
  if (base.kind === "none") {
    return { ...emptyPlan, conflicts: [`${repository.name}: ${base.because}`] };
  }
  const from = base.kind === "tip" ? tip : base.commit;
  const commits = await mirror.readCommits(wanted, signal);
  const datedAt = revertDate(wish.since, await mirror.commit(from));
  let message = "";
  const revert = await mirror.computeRevert(
    {
      tip: from,
      commits: wanted,
      at: datedAt,
      message: (reverted) => {
        const taken = commits.filter(({ id }) => reverted.includes(id));
        message = revertMessage(taken as [FullCommit, ...FullCommit[]], wish);
        return message;
      },
    },
    signal,
  );
  if (revert.kind === "nothing") throw nothingToRevert(repository, commits);
  if (revert.kind === "conflicts") {
    return await conflicting(deps, mirror, repository, from, revert.commit, revert.files);
  }
  const migrations = await migrationsOf(deps, mirror, repository, from, revert.commit);
  if (migrations.kind === "blocked") return { ...emptyPlan, conflicts: migrations.because };
  const under = await underHeld(mirror, repository, base, { tip, revert, at: datedAt }, signal);
  if (under !== null && "conflicts" in under) {
    const { commit, files } = under.conflicts;
    return await conflicting(deps, mirror, repository, tip, commit, files);
  }
  await mirror.keep("plans", revert.commit);
  const taken = commits.filter(({ id }) => revert.reverted.includes(id));
  const recorded = await recordedAmong(deps.db, repository.name, revert.reverted);
  await insertRevert(deps.db, {
    repository: repository.name,
    commit: revert.commit,
    branch: repository.branch,
    from,
    commits: revert.reverted,
    message,
    datedAt,
    incident: wish.incident,
    because: oneLine(wish.because, 1_000),
    reverts: [...recorded.values()].map(({ change }) => change),
    deliver: repository.deliver,
  });
  return planOf(deps, repository, { from, to: revert.commit, under, taken, migrations });
}

/** What waits on top of the revert, and the merge that is pushed for it. */
interface Under {
  readonly tip: string;
  readonly merge: string;
  readonly held: readonly HeldCommit[];
}

/** Null where the revert is itself the new tip, or is merged by whoever accepts it. */
async function underHeld(
  mirror: CodeMirror,
  { deliver }: Repository,
  base: Awaited<ReturnType<typeof baseOf>>,
  { tip, revert, at }: { tip: string; revert: Extract<Revert, { kind: "reverted" }>; at: Date },
  signal: AbortSignal,
): Promise<Under | { readonly conflicts: { commit: string; files: readonly string[] } } | null> {
  if (base.kind !== "under" || deliver === "branch") return null;
  const wish = { tip, revert: revert.commit, commits: revert.reverted, at };
  const joined = await joinOnto(mirror, wish, signal);
  if (joined.kind === "conflicts") return { conflicts: joined };
  await mirror.keep("plans", joined.merge);
  return { tip, merge: joined.merge, held: base.held };
}

interface Made {
  readonly from: string;
  readonly to: string;
  readonly under: Under | null;
  readonly taken: readonly FullCommit[];
  readonly migrations: MigrationPlan;
}

function planOf(
  { configuration }: RevertPlanDeps,
  repository: Repository,
  { from, to, under, taken, migrations }: Made,
): Plan<"code"> {
  const { agents } = configuration.current();
  const { name, branch, deliver } = repository;
  const downs = migrations.kind === "down" ? migrations.migrations : [];
  const list = taken.map((commit) => titleOf(commit, agentOf(commit, agents))).join("; ");
  const waits = under?.held.map(({ because }) => because).join("; ");
  const says =
    deliver === "push"
      ? `revert on ${branch} of ${name}: ${list}${waits === undefined ? "" : ` (kept on the branch, and not served yet: ${waits})`}`
      : `offer as ${offeredBranch(to)} of ${name}, to be merged into ${branch}, the revert of: ${list}`;
  return {
    steps: [
      {
        layer: "code",
        stage: "restore",
        action: {
          do: "revert",
          repository: name,
          branch,
          from,
          to,
          commits: taken.map(({ id }) => id),
          deliver,
          ...(under === null ? {} : { onto: { tip: under.tip, merge: under.merge } }),
          ...(downs.length === 0 ? {} : { migrations: downs }),
        },
        says,
      },
    ],
    losses: [
      ...taken.map(
        (commit) =>
          `${name}: ${titleOf(commit, agentOf(commit, agents))} is taken back${pathsOf(commit)}`,
      ),
      ...downs.map(({ path }) => `${name}: what the migration ${path} made in the database`),
    ],
    conflicts: [],
    gaps: [],
    // A down may drop what no revert of ours brings back.
    reversible: downs.length === 0,
    touches: { ...untouched, commits: taken.length },
  };
}

/** The branch under which a revert is offered where policy forbids to push it. */
export function offeredBranch(revert: string): string {
  return `lastgood/revert-${revert.slice(0, 12)}`;
}

async function conflicting(
  { configuration }: RevertPlanDeps,
  mirror: CodeMirror,
  repository: Repository,
  tip: string,
  commit: string,
  files: readonly string[],
): Promise<Plan<"code">> {
  const { agents } = configuration.current();
  const short = commit.slice(0, 12);
  const lines = await Promise.all(
    files.slice(0, 50).map(async (file) => {
      const later = await mirror.touching(commit, tip, [file]);
      const whose = later.map((each) => titleOf(each, agentOf(each, agents))).join("; ");
      return `${repository.name}: taking back ${short} conflicts in ${file}, changed later by ${whose || "what it was merged with"}`;
    }),
  );
  const more =
    files.length > 50 ? [`${repository.name}: and in ${files.length - 50} more files`] : [];
  const none = files.length === 0 ? [`${repository.name}: taking back ${short} conflicts`] : [];
  return { ...emptyPlan, conflicts: [...lines, ...more, ...none] };
}

async function migrationsOf(
  { configuration }: RevertPlanDeps,
  mirror: CodeMirror,
  repository: Repository,
  tip: string,
  revert: string,
): Promise<MigrationPlan> {
  const config = repository.migrations;
  if (config === null || isDeclarative(configuration.current(), repository.name)) {
    return { kind: "none" };
  }
  const changes = await mirror.pathsBetween(tip, revert);
  const question = { repository: repository.name, changes, config };
  if (planMigrations({ ...question, migrator: { unreadable: "" } }).kind === "none") {
    return { kind: "none" };
  }
  const migrator = await readMigrator(config).then(
    (rows) => ({ rows }),
    (error) => {
      if (!(error instanceof Fault)) throw error;
      return { unreadable: error.message };
    },
  );
  return planMigrations({ ...question, migrator });
}

async function requirePushable(mirror: CodeMirror, repository: Repository): Promise<void> {
  if (repository.deliver === "branch") return;
  if ((await mirror.checkedOutBranches()).includes(repository.branch)) {
    throw branchCheckedOut(repository.name, repository.branch);
  }
}

async function requireOnBranch(
  db: Db,
  mirror: CodeMirror,
  repository: Repository,
  tip: string,
  commits: readonly string[],
): Promise<void> {
  for (const commit of commits) {
    if ((await mirror.has(commit)) && (await mirror.isAncestor(commit, tip))) continue;
    const rewritten = await whenRewritten(db, repository.name, commit);
    if (rewritten === null)
      throw notOnBranch(repository, [commit], "it is not part of its history");
    throw new Fault(
      "history_rewritten",
      `${commit.slice(0, 12)} was on ${repository.branch} of ${repository.name} until that branch's history was rewritten (seen ${rewritten.toISOString()}): it is gone from there, and there is nothing to revert. The commits that were lost are in \`lastgood changes --target ${repository.name}\`.`,
    );
  }
}

/** The commits that the changes made; a rewritten history is no commit that could be taken back. */
export function commitsOf(repository: Repository, changes: readonly Change[]): readonly string[] {
  return changes.map((change) => {
    if (change.kind === "history-rewritten" || change.to === null) {
      throw new Fault(
        "history_rewritten",
        `The change ${change.id} rewrote the history of ${repository.branch} of ${repository.name}, and Lastgood never rewrites a history: push the former tip ${change.from ?? ""} again by hand. Its commits are kept in Lastgood's own mirror.`,
      );
    }
    return change.to;
  });
}

function notOnBranch(repository: Repository, commits: readonly string[], why: string): Fault {
  const ids = commits.map((commit) => commit.slice(0, 12)).join(", ");
  return new Fault(
    "not_on_branch",
    `${ids} is not on ${repository.branch} of ${repository.name} (${why}), so there is nothing there to take back: see \`lastgood changes --target ${repository.name}\`.`,
    { context: { repository: repository.name, commits } },
  );
}

function nothingToRevert(repository: Repository, commits: readonly FullCommit[]): Fault {
  const ids = commits.map(({ id }) => id.slice(0, 12)).join(", ");
  return new Fault(
    "nothing_to_revert",
    `Taking back ${ids} would alter nothing on ${repository.branch} of ${repository.name}: it is empty, or was taken back already.`,
    { context: { repository: repository.name } },
  );
}

function titleOf(commit: FullCommit, agent: string): string {
  return `${commit.id.slice(0, 12)} "${oneLine(commit.subject, 100)}" by ${agent}`;
}

function pathsOf({ paths }: FullCommit): string {
  if (paths.length === 0) return "";
  const more = paths.length > 5 ? ` and ${paths.length - 5} more` : "";
  return ` (${paths.slice(0, 5).join(", ")}${more})`;
}
