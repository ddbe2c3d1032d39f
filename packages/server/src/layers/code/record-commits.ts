/**
 * Turns what a branch gained into changes of the ledger.
 *
 *   R1. A commit is recorded once: `repository_commits` names its change, in the same transaction.
 *   R2. The position moves to a tip when every commit up to it is recorded and what is barred among them
 *       was reported. Killed anywhere, the next look finds what is missing, and reports again.
 *   R3. Changes of one repository have strictly increasing times, oldest commit first.
 *   R4. A revert of ours is recorded under the change that was fixed before it was pushed.
 *   R5. A commit that marks a task is a checkpoint of its agent. A revert of ours is nobody's progress.
 */
import { parseCheckpoint } from "@lastgood/sdk";
import { type Checkpoint, recordPushed } from "../../checkpoints/checkpoint-store.ts";
import type { Config } from "../../config/config.ts";
import type { CodeMirror } from "../../git/bare-mirror.ts";
import type { Commit } from "../../git/mirror.ts";
import type { FullCommit } from "../../git/read-commits.ts";
import { type ChangeId, uuidV7 } from "../../ids.ts";
import type { NewChange } from "../../ledger/change.ts";
import { recordChanges } from "../../ledger/ledger-store.ts";
import type { Db, Query } from "../../store/database.ts";
import type { World } from "../../world.ts";
import { changeOf, timesOf } from "./commit-change.ts";
import {
  commitsWithPatches,
  insertCommits,
  lastChangeAt,
  lockPosition,
  type Position,
  type RecordedCommit,
  recordedAmong,
  writePosition,
} from "./repositories-store.ts";
import { type ClaimedRevert, findReverts, type PlannedRevert } from "./reverts-store.ts";

export interface SeenCommit {
  readonly commit: Commit;
  readonly change: ChangeId;
}

export interface RecordDeps {
  readonly db: Db;
  readonly world: World;
  readonly agents: Config["agents"];
}

/** What a look at the remote found, against what was recorded up to then. */
export interface Gain {
  readonly before: Position | null;
  readonly tip: string | null;
  /** Commits that may be new, oldest first. */
  readonly ids: readonly string[];
  readonly history: boolean;
  /** The branch no longer holds its former tip: the commits that it lost, newest last. */
  readonly dropped: readonly string[] | null;
}

const historyMax = 500;
const batch = 200;

/** Compares the branch with the position. Reads only our mirror. */
export async function gainOf(
  mirror: CodeMirror,
  before: Position | null,
  tip: string | null,
): Promise<Gain> {
  const known = before !== null && before.branch === mirror.branch ? before : null;
  const nothing = { before, tip, ids: [], history: false, dropped: null };
  const upTo = (from: string | null, limit: number) =>
    tip === null ? Promise.resolve([]) : mirror.idsBetween(from, tip, limit);
  if (known === null) return { ...nothing, ids: await upTo(null, historyMax), history: true };
  if (known.tip === tip) return nothing;
  if (known.tip === null) return { ...nothing, ids: await upTo(null, historyMax) };
  if (tip !== null && (await mirror.isAncestor(known.tip, tip))) {
    return { ...nothing, ids: await upTo(known.tip, Number.MAX_SAFE_INTEGER) };
  }
  if (!(await mirror.has(known.tip))) {
    return { ...nothing, ids: await upTo(null, historyMax), dropped: [] };
  }
  await mirror.keep("dropped", known.tip);
  const dropped = tip === null ? [] : await mirror.idsBetween(tip, known.tip, 1_000);
  return { ...nothing, ids: await upTo(known.tip, Number.MAX_SAFE_INTEGER), dropped };
}

/** Records the gain's commits. Returns what was new, oldest first. */
export async function recordGain(
  deps: RecordDeps,
  mirror: CodeMirror,
  gain: Gain,
  signal: AbortSignal,
): Promise<readonly SeenCommit[]> {
  const seen: SeenCommit[] = [];
  for (let at = 0; at < gain.ids.length; at += batch) {
    signal.throwIfAborted();
    const ids = gain.ids.slice(at, at + batch);
    const recorded = await recordedAmong(deps.db, mirror.repository, ids);
    const commits = await mirror.readCommits(
      ids.filter((id) => !recorded.has(id)),
      signal,
    );
    seen.push(...(await deps.db.begin((tx) => recordBatch(tx, deps, mirror, gain, commits))));
  }
  return seen;
}

/** Moves the position to the gain's tip, unless another machine has moved it meanwhile. */
export async function settleGain(
  { db, world }: RecordDeps,
  mirror: CodeMirror,
  gain: Gain,
): Promise<void> {
  const { repository, branch } = mirror;
  await db.begin(async (tx) => {
    const position = await lockPosition(tx, repository);
    if (position?.tip !== gain.before?.tip || position?.branch !== gain.before?.branch) return;
    const now = world.now();
    if (gain.dropped !== null) {
      const after = (await lastChangeAt(tx, repository))?.getTime() ?? 0;
      const at = new Date(Math.max(now.getTime(), after + 1));
      const id = uuidV7(at, world.randomBytes(10));
      await recordChanges(tx, [rewrittenChange(mirror, gain, at, id)]);
    }
    await writePosition(tx, repository, { branch, tip: gain.tip }, now);
  });
}

async function recordBatch(
  tx: Query,
  { world, agents }: RecordDeps,
  mirror: CodeMirror,
  gain: Gain,
  read: readonly FullCommit[],
): Promise<readonly SeenCommit[]> {
  const { repository } = mirror;
  await lockPosition(tx, repository);
  const already = await recordedAmong(tx, repository, idsOf(read));
  const commits = read.filter(({ id }) => !already.has(id));
  const now = world.now();
  const after = await lastChangeAt(tx, repository);
  const times = timesOf(commits, { now, after, history: gain.history });
  const ours = await findReverts(tx, repository, idsOf(commits));
  const latest = await latestByPatch(tx, repository, commits);
  const recorded: RecordedCommit[] = [];
  const changes: NewChange[] = [];
  const checkpoints: Checkpoint[] = [];
  for (const [index, commit] of commits.entries()) {
    const at = times[index] ?? now;
    const own = ours.find((each) => each.commit === commit.id);
    const id = claimOf(own) ?? (uuidV7(at, world.randomBytes(10)) as ChangeId);
    const takenBack = latest.get(commit.inversePatchId ?? "");
    const reverts = own?.reverts ?? (takenBack === undefined ? [] : [takenBack]);
    const change = changeOf(commit, { repository, agents, id, at, history: gain.history, reverts });
    changes.push(own === undefined ? change : asOurs(change, own));
    if (own === undefined) checkpoints.push(...checkpointOf(commit, change, now));
    recorded.push({
      commit: commit.id,
      change: id,
      patchId: commit.patchId,
      inversePatchId: commit.inversePatchId,
    });
    if (commit.patchId !== null) latest.set(commit.patchId, id);
  }
  await recordChanges(tx, changes);
  await insertCommits(tx, repository, recorded);
  await recordPushed(tx, checkpoints);
  return commits.map((commit, index) => ({ commit, change: recorded[index]?.change as ChangeId }));
}

/** R5. */
function checkpointOf(commit: FullCommit, change: NewChange, now: Date): readonly Checkpoint[] {
  const marks = parseCheckpoint(commit.message);
  if (marks.task === null && marks.subtask === null) return [];
  const { authorName, authorEmail, committedAt } = commit;
  return [
    {
      ...marks,
      ...{ agent: change.agent, commit: commit.id, repository: change.target },
      session: change.session ?? null,
      at: committedAt > now ? now : committedAt,
      author: `${authorName} <${authorEmail}>`.slice(0, 400),
    },
  ];
}

/** By patch: the change that brought it last. */
async function latestByPatch(
  tx: Query,
  repository: string,
  commits: readonly FullCommit[],
): Promise<Map<string, ChangeId>> {
  const inverses = commits.map(({ inversePatchId }) => inversePatchId).filter((id) => id !== null);
  const known = await commitsWithPatches(tx, repository, inverses);
  return new Map(known.toReversed().map(({ patchId, change }) => [patchId ?? "", change]));
}

/** The change under which a revert of ours was to be recorded before it was pushed. */
function claimOf(own: PlannedRevert | ClaimedRevert | undefined): ChangeId | undefined {
  return own !== undefined && "change" in own && own.deliver === "push" ? own.change : undefined;
}

function asOurs(change: NewChange, own: PlannedRevert | ClaimedRevert): NewChange {
  const { history: _, ...details } = change.details ?? {};
  return {
    ...change,
    from: own.from,
    ...("change" in own ? { agent: own.actor } : {}),
    details: { ...details, revert: true, reverted: own.commits, incident: own.incident },
  };
}

function rewrittenChange(mirror: CodeMirror, gain: Gain, at: Date, id: string): NewChange {
  const lost = gain.dropped?.length ?? 0;
  return {
    id: id as ChangeId,
    at,
    layer: "code",
    kind: "history-rewritten",
    target: mirror.repository,
    // Git does not say who moved the branch, and a guess would blame somebody.
    agent: "unknown",
    from: gain.before?.tip ?? null,
    to: gain.tip,
    reason:
      gain.tip === null
        ? `the branch ${mirror.branch} was removed`
        : `the branch ${mirror.branch} was moved to a history without ${lost} of its commits`,
    details: { branch: mirror.branch, dropped: gain.dropped ?? [] },
  };
}

function idsOf(commits: readonly FullCommit[]): readonly string[] {
  return commits.map(({ id }) => id);
}
