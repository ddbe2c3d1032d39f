/** SQL of the bars, and the questions other rooms ask of them. */
import type { IncidentId, RepositoryName } from "../../ids.ts";
import type { Query } from "../../store/database.ts";
import { newUuid, type World } from "../../world.ts";
import { type Bar, type BarredCommit, barredOf } from "./bar.ts";
import { recordedAmong } from "./repositories-store.ts";
import { findReverts } from "./reverts-store.ts";

export interface NewBar {
  readonly repository: string;
  readonly commit: string;
  readonly patchId: string | null;
  readonly subject: string;
  readonly revertCommit: string;
  readonly incident: string | null;
  readonly because: string;
  readonly barredBy: string;
}

/** Bars commits; one that the same revert has barred already, lifted or not, is left as it is. */
export async function barCommits(db: Query, world: World, bars: readonly NewBar[]): Promise<void> {
  if (bars.length === 0) return;
  await db`
    insert into bars ${db(
      bars.map((bar) => ({
        id: newUuid(world),
        repository: bar.repository,
        commit_id: bar.commit,
        patch_id: bar.patchId,
        subject: bar.subject,
        revert_commit: bar.revertCommit,
        incident: bar.incident,
        because: bar.because,
        barred_by: bar.barredBy,
        barred_at: world.now(),
      })),
    )} on conflict (repository, revert_commit, commit_id) do nothing`;
}

/** Takes away the bars of a revert that never reached its branch. */
export async function unbar(db: Query, repository: string, revert: string): Promise<void> {
  await db`
    delete from bars
    where repository = ${repository} and revert_commit = ${revert} and lifted_at is null`;
}

/**
 * Those of the commits, oldest first, that bring back what is barred in the repository, and that no later
 * one of them takes back again.
 */
export async function barredAmong(
  db: Query,
  repository: string,
  commits: readonly { readonly id: string; readonly patchId: string | null }[],
): Promise<readonly BarredCommit[]> {
  await liftBarsOfClosed(db);
  const bars = await listBars(db, { repository, lifted: false, limit: 10_000 });
  if (bars.length === 0 || commits.length === 0) return [];
  const ids = commits.map(({ id }) => id);
  const recorded = await recordedAmong(db, repository, ids);
  const reverts = await findReverts(db, repository, ids);
  const candidates = commits.map(({ id, patchId }) => ({
    id,
    patchId: patchId ?? recorded.get(id)?.patchId ?? null,
    inversePatchId: recorded.get(id)?.inversePatchId ?? null,
    reverted: reverts.find((each) => each.commit === id)?.commits ?? [],
  }));
  return barredOf(candidates, bars);
}

export interface BarFilter {
  readonly repository?: string | undefined;
  readonly incident?: string | undefined;
  /** False: only those in force. */
  readonly lifted: boolean;
  readonly limit: number;
}

/** Newest first. */
export async function listBars(db: Query, filter: BarFilter): Promise<readonly Bar[]> {
  const rows = await db<Row[]>`
    select * from bars where true
      ${filter.repository === undefined ? db`` : db`and repository = ${filter.repository}`}
      ${filter.incident === undefined ? db`` : db`and incident = ${filter.incident}`}
      ${filter.lifted ? db`` : db`and lifted_at is null`}
    order by barred_at desc, id desc limit ${filter.limit}`;
  return rows.map(toBar);
}

export interface Lift {
  readonly at: Date;
  readonly by: string;
  readonly because: string;
}

/** Null where there is no such bar; one that was lifted before stays as it was. */
export async function liftBar(db: Query, id: string, lift: Lift): Promise<Bar | null> {
  await db`
    update bars set lifted_at = ${lift.at}, lifted_by = ${lift.by}, lifted_because = ${lift.because}
    where id = ${id} and lifted_at is null`;
  const [row] = await db<Row[]>`select * from bars where id = ${id}`;
  return row === undefined ? null : toBar(row);
}

/** What was rolled back for an incident that is closed may come again. */
export async function liftBarsOfClosed(db: Query): Promise<void> {
  await db`
    update bars b set lifted_at = i.closed_at, lifted_by = 'lastgood',
                      lifted_because = 'the incident ' || i.id || ' is closed'
    from incidents i
    where i.id = b.incident and i.state = 'closed' and b.lifted_at is null`;
}

/** A revert is taken back by `undone`: what it barred may come again, unless that is taken back too. */
export async function liftBarsOfRevert(
  db: Query,
  repository: string,
  revert: string,
  undone: { readonly commit: string; readonly at: Date; readonly by: string },
): Promise<void> {
  const because = `its revert was taken back by ${undone.commit}`;
  await db`
    update bars set lifted_at = ${undone.at}, lifted_by = ${undone.by}, lifted_because = ${because}
    where repository = ${repository} and revert_commit = ${revert} and lifted_at is null`;
  await db`
    update bars set lifted_at = null, lifted_by = null, lifted_because = null
    where repository = ${repository}
      and lifted_because = ${`its revert was taken back by ${revert}`}`;
}

interface Row {
  id: string;
  repository: RepositoryName;
  commit_id: string;
  patch_id: string | null;
  subject: string;
  revert_commit: string;
  incident: IncidentId | null;
  because: string;
  barred_by: string;
  barred_at: Date;
  lifted_at: Date | null;
  lifted_by: string | null;
  lifted_because: string | null;
}

function toBar(row: Row): Bar {
  return {
    id: row.id,
    repository: row.repository,
    commit: row.commit_id,
    revertCommit: row.revert_commit,
    patchId: row.patch_id,
    subject: row.subject,
    incident: row.incident,
    because: row.because,
    barredBy: row.barred_by,
    barredAt: row.barred_at,
    lifted:
      row.lifted_at === null
        ? null
        : { at: row.lifted_at, by: row.lifted_by ?? "", because: row.lifted_because ?? "" },
  };
}
