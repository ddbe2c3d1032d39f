/** SQL of registered repositories, of how far each was watched, and of the commits recorded. */
import type { ChangeId } from "../../ids.ts";
import type { Query } from "../../store/database.ts";

export interface RegisteredRow {
  readonly name: string;
  readonly url: string;
  readonly branch: string;
  readonly deliver: "push" | "branch";
  readonly credentials: string | null;
  readonly pollMs: number;
}

/** False where the name is taken. */
export async function insertRepository(
  db: Query,
  row: RegisteredRow & { readonly registeredBy: string; readonly registeredAt: Date },
): Promise<boolean> {
  const inserted = await db`
    insert into repositories ${db({
      name: row.name,
      url: row.url,
      branch: row.branch,
      deliver: row.deliver,
      credentials: row.credentials,
      poll_ms: row.pollMs,
      registered_by: row.registeredBy,
      registered_at: row.registeredAt,
    })} on conflict (name) do nothing returning name`;
  return inserted.length > 0;
}

export async function deleteRepository(db: Query, name: string): Promise<boolean> {
  return (await db`delete from repositories where name = ${name} returning name`).length > 0;
}

export async function listRepositories(db: Query): Promise<readonly RegisteredRow[]> {
  return await db<RegisteredRow[]>`
    select name, url, branch, deliver, credentials, poll_ms as "pollMs"
    from repositories order by name`;
}

export interface Position {
  readonly branch: string;
  readonly tip: string | null;
}

/**
 * Locks the repository until the transaction ends, and returns its position; null for one that was never
 * looked at.
 */
export async function lockPosition(tx: Query, repository: string): Promise<Position | null> {
  await tx`select pg_advisory_xact_lock(hashtextextended(${`repository:${repository}`}, 6))`;
  const [row] = await tx<Position[]>`
    select branch, tip from repository_positions where repository = ${repository}`;
  return row ?? null;
}

export async function readPosition(db: Query, repository: string): Promise<Position | null> {
  const [row] = await db<Position[]>`
    select branch, tip from repository_positions where repository = ${repository}`;
  return row ?? null;
}

export async function writePosition(
  tx: Query,
  repository: string,
  { branch, tip }: Position,
  lookedAt: Date,
): Promise<void> {
  await tx`
    insert into repository_positions as p (repository, branch, tip, looked_at)
    values (${repository}, ${branch}, ${tip}, ${lookedAt})
    on conflict (repository) do update set
      branch = excluded.branch, tip = excluded.tip, looked_at = excluded.looked_at`;
}

/** When the last change of the repository was recorded: the next one is later. */
export async function lastChangeAt(tx: Query, repository: string): Promise<Date | null> {
  const [row] = await tx<{ at: Date }[]>`
    select at from changes where layer = 'code' and target = ${repository}
    order by at desc limit 1`;
  return row?.at ?? null;
}

/** When the branch was seen to have lost the commit by a rewritten history; null when it was not. */
export async function whenRewritten(
  db: Query,
  repository: string,
  commit: string,
): Promise<Date | null> {
  const [row] = await db<{ at: Date }[]>`
    select at from changes
    where layer = 'code' and target = ${repository} and kind = 'history-rewritten'
      and details->'dropped' ? ${commit}
    order by at desc limit 1`;
  return row?.at ?? null;
}

export interface RecordedCommit {
  readonly commit: string;
  readonly change: ChangeId;
  readonly patchId: string | null;
  readonly inversePatchId: string | null;
}

export async function insertCommits(
  tx: Query,
  repository: string,
  commits: readonly RecordedCommit[],
): Promise<void> {
  if (commits.length === 0) return;
  await tx`
    insert into repository_commits ${tx(
      commits.map(({ commit, change, patchId, inversePatchId }) => ({
        repository,
        commit_id: commit,
        change_id: change,
        patch_id: patchId,
        inverse_patch_id: inversePatchId,
      })),
    )} on conflict (repository, commit_id) do nothing`;
}

/** Which of these commits are recorded already. */
export async function recordedAmong(
  db: Query,
  repository: string,
  commits: readonly string[],
): Promise<ReadonlyMap<string, RecordedCommit>> {
  const rows = await db<RecordedCommit[]>`
    select commit_id as commit, change_id as change, patch_id as "patchId",
           inverse_patch_id as "inversePatchId"
    from repository_commits
    where repository = ${repository} and commit_id = any(${[...commits]}::text[])`;
  return new Map(rows.map((row) => [row.commit, row]));
}

/** Recorded commits with one of these patches, newest first. */
export async function commitsWithPatches(
  db: Query,
  repository: string,
  patchIds: readonly string[],
): Promise<readonly RecordedCommit[]> {
  if (patchIds.length === 0) return [];
  return await db<RecordedCommit[]>`
    select r.commit_id as commit, r.change_id as change, r.patch_id as "patchId",
           r.inverse_patch_id as "inversePatchId"
    from repository_commits r join changes c on c.id = r.change_id
    where r.repository = ${repository} and r.patch_id = any(${[...patchIds]}::text[])
    order by c.at desc, c.id desc`;
}
