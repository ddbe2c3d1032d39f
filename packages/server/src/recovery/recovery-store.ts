import { Fault } from "../fault.ts";
import type { ChangeId, IncidentId, RecoveryId } from "../ids.ts";
import type { Step, Undo } from "../layers/layer.ts";
import type { Json, Query } from "../store/database.ts";
import { type Lease, requireLease } from "../store/lease.ts";
import type { JournalStep, Recovery, RecoveryPlan, RecoveryState } from "./recovery.ts";

export interface NewRecovery {
  readonly id: RecoveryId;
  readonly undo: Undo;
  readonly plan: RecoveryPlan;
  readonly digest: string;
  readonly targets: readonly string[];
  readonly plannedBy: string;
  readonly plannedAt: Date;
  readonly automatic: boolean;
  readonly replaces: RecoveryId | null;
  readonly undoes: RecoveryId | null;
  readonly steps: readonly { readonly step: Step; readonly changeId: ChangeId }[];
}

/** Records a plan with its journal, all steps pending. */
export async function insertRecovery(db: Query, recovery: NewRecovery): Promise<void> {
  const { undo, plan, steps, plannedBy, plannedAt, targets, ...row } = recovery;
  await db`
    insert into recoveries ${db({
      ...row,
      incident: undo.incident,
      undo: undo as unknown as Json,
      plan: plan as unknown as Json,
      targets: [...targets],
      state: "planned",
      planned_by: plannedBy,
      planned_at: plannedAt,
    })}`;
  if (steps.length === 0) return;
  await db`
    insert into recovery_steps ${db(
      steps.map(({ step, changeId }, index) => ({
        recovery: recovery.id,
        index,
        step: step as unknown as Json,
        change_id: changeId,
        state: "pending",
      })),
    )}`;
}

/** Whether this change is a step of a recovery that was verified. */
export async function isVerifiedStep(db: Query, change: ChangeId): Promise<boolean> {
  const rows = await db`
    select 1 from recovery_steps s join recoveries r on r.id = s.recovery
    where s.change_id = ${change} and r.state = 'verified'`;
  return rows.length > 0;
}

export async function findRecovery(db: Query, id: RecoveryId): Promise<Recovery | null> {
  const [found] = await selectRecoveries(db, db`where r.id = ${id}`, 1);
  return found ?? null;
}

export async function requireRecovery(db: Query, id: RecoveryId): Promise<Recovery> {
  const found = await findRecovery(db, id);
  if (found !== null) return found;
  throw new Fault(
    "not_found",
    `There is no recovery ${id.slice(0, 80)}: list them with \`lastgood recover list\`.`,
  );
}

/** Newest first. */
export async function listRecoveries(
  db: Query,
  { incident, limit }: { incident: IncidentId | null; limit: number },
): Promise<readonly Recovery[]> {
  return await selectRecoveries(
    db,
    incident === null ? db`` : db`where r.incident = ${incident}`,
    limit,
  );
}

/** Those that a runner must take up: under way, whoever began them. Oldest first. */
export async function recoveriesUnderWay(db: Query): Promise<readonly RecoveryId[]> {
  const rows = await db<{ id: RecoveryId }[]>`
    select id from recoveries where state = 'running' order by started_at`;
  return rows.map((row) => row.id);
}

/** How often the recovery that `id` replaces, and those before it, were planned again. */
export async function replanCount(db: Query, id: RecoveryId): Promise<number> {
  const [row] = await db<{ count: number }[]>`
    with recursive chain as (
      select id, replaces from recoveries where id = ${id}
      union all
      select r.id, r.replaces from recoveries r join chain c on r.id = c.replaces
    )
    select count(*) - 1 as count from chain`;
  return row?.count ?? 0;
}

/** How many began since then that no person asked for or approved. One that was planned again counts once. */
export async function automaticRuns(db: Query, since: Date): Promise<number> {
  const [row] = await db<{ count: number }[]>`
    select count(*) as count from recoveries
    where automatic and started_at > ${since} and replaces is null
      and not exists (select from unnest(approvals) as by where by like 'token:%')`;
  return row?.count ?? 0;
}

/**
 * Lets the recovery run, unless another that is under way moves one of the same targets (`target_busy`).
 * One transaction under one advisory lock, so that two cannot both find the way free.
 */
export async function beginRecovery(
  db: Query,
  id: RecoveryId,
  { actor, at, from }: { actor: string; at: Date; from: readonly RecoveryState[] },
): Promise<void> {
  await db`select pg_advisory_xact_lock(hashtext('recoveries'))`;
  const [busy] = await db<{ id: string; target: string }[]>`
    select other.id, shared.target from recoveries mine
    join recoveries other on other.state in ('running', 'paused') and other.id <> mine.id
      and other.id is distinct from mine.replaces
    cross join lateral (
      select unnest(mine.targets) intersect select unnest(other.targets)
    ) as shared (target)
    where mine.id = ${id} limit 1`;
  if (busy !== undefined) {
    throw new Fault(
      "target_busy",
      `${busy.id} is already moving ${busy.target}: wait for it, or look at it with \`lastgood recover show ${busy.id}\`.`,
      { context: { recovery: busy.id, target: busy.target } },
    );
  }
  const moved = await db`
    update recoveries
    set state = 'running', run_by = ${actor}, started_at = coalesce(started_at, ${at}), because = ''
    where id = ${id} and state = any(${[...from]})`;
  if (moved.count === 0) {
    const { state } = await requireRecovery(db, id);
    throw new Fault(
      "state_forbids",
      `Recovery ${id} is ${state} and cannot be run: plan a new one with \`lastgood recover plan\`.`,
    );
  }
}

/** Moves the state by an arrow; false when it was not in `from`. */
export async function moveRecovery(
  db: Query,
  id: RecoveryId,
  from: readonly RecoveryState[],
  to: RecoveryState,
  { because = "", endedAt = null }: { because?: string; endedAt?: Date | null } = {},
): Promise<boolean> {
  const moved = await db`
    update recoveries set state = ${to}, because = ${because}, ended_at = ${endedAt}
    where id = ${id} and state = any(${[...from]})`;
  return moved.count > 0;
}

/** Adds the approver once and returns all of them. */
export async function addApproval(db: Query, id: RecoveryId, by: string): Promise<string[]> {
  const [row] = await db<{ approvals: string[] }[]>`
    update recoveries
    set approvals = case when ${by} = any(approvals) then approvals else approvals || ${by}::text end
    where id = ${id} returning approvals`;
  return row?.approvals ?? [];
}

export async function markCaptured(db: Query, id: RecoveryId, at: Date): Promise<void> {
  await db`update recoveries set captured_at = ${at} where id = ${id} and captured_at is null`;
}

export async function isCaptured(db: Query, id: RecoveryId): Promise<boolean> {
  const rows = await db`select 1 from recoveries where id = ${id} and captured_at is not null`;
  return rows.length > 0;
}

/** Begins a step, or goes on with it; false where the recovery is in none of these states (any more). */
export async function beginStep(
  db: Query,
  lease: Lease,
  recovery: RecoveryId,
  { index, at, whileIn }: { index: number; at: Date; whileIn: readonly RecoveryState[] },
): Promise<boolean> {
  await requireLease(db, lease);
  const [row] = await db<{ state: RecoveryState }[]>`
    select state from recoveries where id = ${recovery} for share`;
  if (row === undefined || !whileIn.includes(row.state)) return false;
  await db`
    update recovery_steps set state = 'running', started_at = ${at}
    where recovery = ${recovery} and index = ${index} and state = 'pending'`;
  return true;
}

type StepMove =
  | { readonly to: "applied"; readonly at: Date }
  | { readonly to: "verified" | "failed"; readonly at: Date; readonly observed: readonly string[] };

/** Writes a step's state, refused (`fenced`) if the lease has gone to another runner. */
export async function moveStep(
  db: Query,
  lease: Lease,
  recovery: RecoveryId,
  index: number,
  move: StepMove,
): Promise<void> {
  const set = {
    state: move.to,
    ...(move.to === "applied" ? { applied_at: move.at } : {}),
    ...("observed" in move ? { observed: [...move.observed], ended_at: move.at } : {}),
  };
  await requireLease(db, lease);
  await db`
    update recovery_steps set ${db(set)} where recovery = ${recovery} and index = ${index}`;
}

interface Row extends Omit<Recovery, "undo" | "steps"> {
  undo: Omit<Undo, "since"> & { since: string };
  steps: (Omit<JournalStep, "startedAt" | "endedAt"> & {
    startedAt: string | null;
    endedAt: string | null;
  })[];
}

async function selectRecoveries(
  db: Query,
  where: ReturnType<Query>,
  limit: number,
): Promise<readonly Recovery[]> {
  const rows = await db<Row[]>`
    select r.id, r.incident, r.undo, r.plan, r.digest, r.state, r.because, r.automatic,
           r.planned_by as "plannedBy", r.run_by as "runBy", r.approvals, r.planned_at as "plannedAt",
           r.started_at as "startedAt", r.ended_at as "endedAt", r.replaces, r.undoes,
           coalesce((select jsonb_agg(jsonb_build_object(
               'index', s.index, 'step', s.step, 'changeId', s.change_id, 'state', s.state,
               'observed', s.observed, 'startedAt', s.started_at, 'endedAt', s.ended_at)
               order by s.index)
             from recovery_steps s where s.recovery = r.id), '[]') as steps
    from recoveries r ${where}
    order by r.planned_at desc, r.id desc
    limit ${limit}`;
  return rows.map((row) => ({
    ...row,
    undo: { ...row.undo, since: new Date(row.undo.since) },
    steps: row.steps.map((step) => ({
      ...step,
      startedAt: dateOf(step.startedAt),
      endedAt: dateOf(step.endedAt),
    })),
  }));
}

function dateOf(text: string | null): Date | null {
  return text === null ? null : new Date(text);
}

/** The one that an incident came down to: the last that was not replaced. */
export async function latestRecovery(db: Query, incident: IncidentId): Promise<Recovery | null> {
  const [found] = await selectRecoveries(
    db,
    db`where r.incident = ${incident} and r.state <> 'superseded'`,
    1,
  );
  return found ?? null;
}
