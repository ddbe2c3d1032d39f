/** SQL of the reverts that were planned here. */
import type { ChangeId } from "../../ids.ts";
import type { Query } from "../../store/database.ts";

export interface PlannedRevert {
  readonly repository: string;
  readonly commit: string;
  readonly branch: string;
  readonly from: string;
  /** Newest first. */
  readonly commits: readonly string[];
  readonly message: string;
  readonly datedAt: Date;
  readonly incident: string | null;
  readonly because: string;
  readonly reverts: readonly ChangeId[];
  readonly deliver: "push" | "branch";
}

/** A planned revert whose change has been fixed: it is being applied, or was. */
export interface ClaimedRevert extends PlannedRevert {
  readonly change: ChangeId;
  readonly actor: string;
  readonly reason: string;
}

/** The same plan made again is the same row. */
export async function insertRevert(db: Query, revert: PlannedRevert): Promise<void> {
  await db`
    insert into reverts ${db({
      repository: revert.repository,
      commit_id: revert.commit,
      branch: revert.branch,
      from_id: revert.from,
      commits: [...revert.commits],
      message: revert.message,
      dated_at: revert.datedAt,
      incident: revert.incident,
      because: revert.because,
      reverts: [...revert.reverts],
      deliver: revert.deliver,
    })} on conflict (repository, commit_id) do nothing`;
}

/** Fixes the change that the revert is recorded under. A claim that is in the ledger already stands. */
export async function claimRevert(
  db: Query,
  repository: string,
  commit: string,
  by: { readonly change: ChangeId; readonly actor: string; readonly reason: string },
): Promise<ClaimedRevert | null> {
  const [row] = await db<Row[]>`
    with claim as (
      select exists (select from changes c where c.id = r.change_id) as stands
      from reverts r where r.repository = ${repository} and r.commit_id = ${commit})
    update reverts set
      change_id = case when claim.stands then change_id else ${by.change}::uuid end,
      actor = case when claim.stands then actor else ${by.actor} end,
      reason = case when claim.stands then reason else ${by.reason} end
    from claim
    where repository = ${repository} and commit_id = ${commit}
    returning reverts.*`;
  return row === undefined ? null : (toRevert(row) as ClaimedRevert);
}

/** Of these commits, those that are reverts planned here. */
export async function findReverts(
  db: Query,
  repository: string,
  commits: readonly string[],
): Promise<readonly (PlannedRevert | ClaimedRevert)[]> {
  const rows = await db<Row[]>`
    select * from reverts
    where repository = ${repository} and commit_id = any(${[...commits]}::text[])`;
  return rows.map(toRevert);
}

interface Row {
  repository: string;
  commit_id: string;
  branch: string;
  from_id: string;
  commits: string[];
  message: string;
  dated_at: Date;
  incident: string | null;
  because: string;
  reverts: ChangeId[];
  deliver: "push" | "branch";
  change_id: ChangeId | null;
  actor: string | null;
  reason: string | null;
}

function toRevert(row: Row): PlannedRevert | ClaimedRevert {
  const planned: PlannedRevert = {
    repository: row.repository,
    commit: row.commit_id,
    branch: row.branch,
    from: row.from_id,
    commits: row.commits,
    message: row.message,
    datedAt: row.dated_at,
    incident: row.incident,
    because: row.because,
    reverts: row.reverts,
    deliver: row.deliver,
  };
  if (row.change_id === null) return planned;
  return { ...planned, change: row.change_id, actor: row.actor ?? "", reason: row.reason ?? "" };
}
