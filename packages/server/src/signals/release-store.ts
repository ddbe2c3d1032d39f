/** The SQL of judged releases. */
import type { Db, Json, Query, Tx } from "../store/database.ts";
import type { Trial } from "./release-trial.ts";
import type { ReleaseFloor, ReleaseVerdict, ReleaseVerdictKind } from "./release-verdict.ts";

export interface SavedTrial {
  readonly environment: string;
  readonly artifact: string;
  /** Tells a trial that asked for something else, or was written in another form. */
  readonly fingerprint: string;
  readonly trial: Trial;
}

export interface FixedFloor {
  readonly environment: string;
  readonly artifact: string;
  readonly version: string;
  readonly signal: string;
  readonly dimension: string | null;
  readonly floor: ReleaseFloor;
}

export interface SaidVerdict {
  readonly environment: string;
  readonly artifact: string;
  readonly version: string;
  readonly at: Date;
  readonly verdict: ReleaseVerdict;
}

/** What happened since the last write. */
export interface JudgeNews {
  readonly trials: readonly SavedTrial[];
  readonly ended: readonly { readonly environment: string; readonly artifact: string }[];
  readonly floors: readonly FixedFloor[];
  readonly verdicts: readonly SaidVerdict[];
}

/** All of it, or nothing, and only where `fence` lets it. The trials are as they are when this is called. */
export async function saveNews(
  db: Db,
  { trials: living, ended, floors, verdicts }: JudgeNews,
  at: Date,
  fence: (tx: Tx) => Promise<void>,
): Promise<void> {
  const trials = living.map(({ trial, ...place }) => ({ ...place, json: JSON.stringify(trial) }));
  await db.begin(async (tx) => {
    await tx`set local statement_timeout = '10s'`;
    await fence(tx);
    await deleteTrials(tx, ended);
    await insertTrials(tx, trials, at);
    await insertFloors(tx, floors);
    await insertVerdicts(tx, verdicts);
  });
}

async function deleteTrials(tx: Tx, ended: JudgeNews["ended"]): Promise<void> {
  for (const { environment, artifact } of ended) {
    await tx`
      delete from release_trials where environment = ${environment} and artifact = ${artifact}`;
  }
}

async function insertTrials(
  tx: Tx,
  trials: readonly (Omit<SavedTrial, "trial"> & { readonly json: string })[],
  at: Date,
): Promise<void> {
  for (const { environment, artifact, fingerprint, json } of trials) {
    await tx`
      insert into release_trials (environment, artifact, fingerprint, trial, updated_at)
      values (${environment}, ${artifact}, ${fingerprint}, ${json}::text::jsonb, ${at})
      on conflict (environment, artifact) do update set
        fingerprint = excluded.fingerprint, trial = excluded.trial, updated_at = excluded.updated_at`;
  }
}

async function insertFloors(tx: Tx, floors: readonly FixedFloor[]): Promise<void> {
  if (floors.length === 0) return;
  await tx`
    insert into release_floors ${tx(
      floors.map(({ floor, ...place }) => ({
        ...{ ...place, m: floor.m, origin: floor.origin as unknown as Json },
        ...{ of_version: floor.of, fixed_at: new Date(floor.at) },
      })),
    )}`;
}

async function insertVerdicts(tx: Tx, verdicts: readonly SaidVerdict[]): Promise<void> {
  if (verdicts.length === 0) return;
  await tx`
    insert into release_verdicts ${tx(
      verdicts.map(({ verdict, ...place }) => ({
        ...{ ...place, kind: verdict.kind, verdict: verdict as unknown as Json },
      })),
    )}`;
}

export async function loadTrials(db: Query): Promise<readonly SavedTrial[]> {
  return await db<SavedTrial[]>`
    select environment, artifact, fingerprint, trial from release_trials`;
}

/** Changes of what was said of an artifact's candidates, newest first. */
export async function readReleaseVerdicts(
  db: Query,
  environment: string,
  artifact: string,
): Promise<readonly { version: string; at: Date; kind: ReleaseVerdictKind; says: string }[]> {
  return await db<{ version: string; at: Date; kind: ReleaseVerdictKind; says: string }[]>`
    select version, at, kind, verdict->>'says' as says
    from release_verdicts where environment = ${environment} and artifact = ${artifact}
    order by id desc limit 100`;
}

/** Floors of an artifact's releases, newest first. */
export async function readReleaseFloors(
  db: Query,
  environment: string,
  artifact: string,
): Promise<readonly FixedFloor[]> {
  const rows = await db<
    (Omit<FixedFloor, "floor"> & Pick<ReleaseFloor, "m" | "origin" | "of"> & { at: Date })[]
  >`
    select environment, artifact, version, signal, dimension, m, origin, of_version as of,
           fixed_at as at
    from release_floors where environment = ${environment} and artifact = ${artifact}
    order by id desc limit 200`;
  return rows.map(({ m, origin, of, at, ...place }) => ({
    ...place,
    floor: { m, origin, of, at: at.getTime() },
  }));
}
