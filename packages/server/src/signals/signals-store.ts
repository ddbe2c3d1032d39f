import type { Db, Json, Query, Tx } from "../store/database.ts";
import type { Bucket } from "./history.ts";
import type { RuleState } from "./rule-judge.ts";
import type { Sample } from "./sample.ts";
import type { Verdict, VerdictKind } from "./verdict.ts";

/** What came of one signal between two writes, oldest first. */
export interface SampleChunk {
  readonly service: string;
  readonly signal: string;
  readonly samples: readonly Sample[];
}

export interface ClosedBucket extends Bucket {
  readonly service: string;
  readonly signal: string;
}

/** The state of a rule's detector at one sample. */
export interface Point<Kind extends string = VerdictKind> {
  readonly rule: string;
  readonly dimension: string | null;
  readonly at: Date;
  readonly kind: Kind;
  readonly samples: number;
  readonly evidence: number;
  readonly threshold: number;
  readonly floor: number | null;
  readonly level: number | null;
}

export interface SavedState {
  readonly rule: string;
  readonly fingerprint: string;
  readonly state: RuleState;
}

const rowsPerInsert = 1_000;

export async function insertChunks(db: Tx, chunks: readonly SampleChunk[]): Promise<void> {
  await inParts(chunks, async (part) => {
    await db`
      insert into signal_chunks ${db(
        part.map(({ service, signal, samples }) => ({
          service,
          signal,
          from_at: new Date(samples[0]?.at ?? 0),
          until_at: new Date(samples.at(-1)?.at ?? 0),
          n: samples.length,
          samples: samples.map(packed) as Json,
        })),
      )}`;
  });
}

/** A sample as an array: [at, ok, value, key, dimensions, hard], and of a release [release, environment]. */
export function packed({
  at,
  ok,
  value,
  key,
  dimensions,
  hard,
  release,
  environment,
}: Sample): unknown[] {
  const common = [at, ok, value, key, dimensions, hard];
  return release == null ? common : [...common, release, environment ?? null];
}

export type Packed = [
  number,
  boolean | null,
  number | null,
  string | null,
  Record<string, string> | null,
  Sample["hard"],
  release?: string | null,
  environment?: string | null,
];

export async function insertBuckets(db: Tx, buckets: readonly ClosedBucket[]): Promise<void> {
  await inParts(buckets, async (part) => {
    await db`
      insert into signal_buckets
        (service, signal, at, span_ms, n, judged, good, measured, measured_values)
      select b.service, b.signal, to_timestamp(b.at / 1000.0), b."spanMs", b.n, b.judged, b.good, b.measured, b."values"
      from jsonb_to_recordset(${db.json(part.map((each) => ({ ...each })) as Json)}) as b(
        service text, signal text, at double precision, "spanMs" int, n int, judged int, good int, measured int,
        "values" double precision[])
      on conflict do nothing`;
  });
}

export async function insertVerdicts(db: Tx, verdicts: readonly Verdict[]): Promise<void> {
  await inParts(verdicts, async (part) => {
    await db`
      insert into rule_verdicts ${db(
        part.map((verdict) => ({
          rule: verdict.rule,
          service: verdict.service,
          dimension: verdict.dimension,
          at: verdict.at,
          kind: verdict.kind,
          verdict: { ...verdict } as unknown as Json,
        })),
      )}`;
  });
}

export async function insertPoints(db: Tx, points: readonly Point<string>[]): Promise<void> {
  await inParts(points, async (part) => {
    await db`insert into rule_trajectories ${db(part.map((point) => ({ ...point })))}`;
  });
}

export async function saveStates(db: Tx, states: readonly SavedState[], at: Date): Promise<void> {
  if (states.length === 0) return;
  await db`
    insert into rule_states ${db(
      states.map(({ rule, fingerprint, state }) => ({
        rule,
        fingerprint,
        state: state as unknown as Json,
        updated_at: at,
      })),
    )}
    on conflict (rule) do update set
      fingerprint = excluded.fingerprint, state = excluded.state, updated_at = excluded.updated_at`;
}

async function inParts<T>(
  rows: readonly T[],
  write: (part: readonly T[]) => Promise<void>,
): Promise<void> {
  for (let from = 0; from < rows.length; from += rowsPerInsert) {
    await write(rows.slice(from, from + rowsPerInsert));
  }
}

/**
 * Keeps what is promised and no more: 1,000 samples a signal, 1,000 points a rule, buckets of ten seconds
 * for a day and of a minute for 90.
 */
export async function trimSignals(db: Query, now: Date): Promise<void> {
  await db`
    delete from signal_chunks c using (
      select id, sum(n) over (partition by service, signal order by id desc) - n as newer
      from signal_chunks) as r
    where c.id = r.id and r.newer >= 1000`;
  await db`
    with old as (
      delete from signal_buckets
      where span_ms < 60000 and at < date_trunc('minute', ${now}::timestamptz - interval '1 day')
      returning *, date_trunc('minute', at) as minute),
    counted as (
      select service, signal, minute, sum(n) as n, sum(judged) as judged, sum(good) as good,
             sum(measured) as measured
      from old group by service, signal, minute),
    measured as (
      -- Turn by turn from each of the ten-second buckets, so that none of them fills the minute.
      select service, signal, minute, (array_agg(v order by turn, at))[1:32] as measured_values
      from old, unnest(measured_values) with ordinality as u (v, turn)
      group by service, signal, minute)
    insert into signal_buckets
      (service, signal, at, span_ms, n, judged, good, measured, measured_values)
    select service, signal, minute, 60000, c.n, c.judged, c.good, c.measured,
           coalesce(m.measured_values, '{}')
    from counted c left join measured m using (service, signal, minute)
    on conflict do nothing`;
  await db`delete from signal_buckets where at < ${now}::timestamptz - interval '90 days'`;
  await db`
    delete from rule_trajectories t using (
      select id, case when dimension is null then 1000 else 200 end as kept,
             row_number() over (partition by rule, dimension order by id desc) as place
      from rule_trajectories) as r
    where t.id = r.id and r.place > r.kept`;
  // Of releases (whose names have a `/`): there is no end to them.
  await db`
    delete from signal_chunks
    where service like '%/%' and until_at < ${now}::timestamptz - interval '90 days'`;
  await db`
    delete from rule_trajectories
    where rule like '%/%' and at < ${now}::timestamptz - interval '90 days'`;
  await db`delete from reports where at < ${now}::timestamptz - interval '90 days'`;
}

export async function loadStates(db: Query): Promise<readonly SavedState[]> {
  return await db<SavedState[]>`select rule, fingerprint, state from rule_states`;
}

/** Chunks of the kept samples, oldest first. Those of releases are stored under names with a `/`. */
export async function loadChunks(
  db: Query,
  of: "services" | "releases",
): Promise<readonly SampleChunk[]> {
  const rows = await db<StoredChunk[]>`
    select service, signal, samples from signal_chunks
    where (position('/' in service) > 0) = ${of === "releases"} order by id`;
  return rows.map(toChunk);
}

interface StoredChunk {
  readonly service: string;
  readonly signal: string;
  readonly samples: readonly Packed[];
}

function toChunk({ service, signal, samples }: StoredChunk): SampleChunk {
  return { service, signal, samples: samples.map((each) => unpacked(service, signal, each)) };
}

export function unpacked(
  service: string,
  signal: string,
  [at, ok, value, key, dimensions, hard, release, environment]: Packed,
): Sample {
  const common = { service, signal, at, ok, value, key, dimensions, hard };
  return release == null ? common : { ...common, release, environment: environment ?? null };
}

/** Buckets since a moment, oldest first. */
export async function loadBuckets(db: Query, since: Date): Promise<readonly ClosedBucket[]> {
  const rows = await db<(Omit<ClosedBucket, "at" | "values"> & { at: Date; values: number[] })[]>`
    select service, signal, at, span_ms as "spanMs", n, judged, good, measured,
           measured_values as values, 1 as stride
    from signal_buckets where at >= ${since} order by at`;
  return rows.map((row) => ({ ...row, at: row.at.getTime() }));
}

/** The points of a rule, or of a signal of a release, oldest first: 1,000 of the whole, 200 of each segment. */
export async function readTrajectory<Kind extends string = VerdictKind>(
  db: Query,
  rule: string,
): Promise<readonly Point<Kind>[]> {
  const rows = await db<Point<Kind>[]>`
    select rule, dimension, at, kind, samples, evidence, threshold, floor, level
    from rule_trajectories where rule = ${rule} order by id desc limit 10000`;
  return rows.toReversed();
}

/** Changes of a rule's verdict, newest first. */
export async function readVerdicts(
  db: Query,
  rule: string,
): Promise<readonly { at: Date; dimension: string | null; kind: VerdictKind; says: string }[]> {
  return await db<{ at: Date; dimension: string | null; kind: VerdictKind; says: string }[]>`
    select at, dimension, kind, verdict->>'says' as says
    from rule_verdicts where rule = ${rule} order by at desc, id desc limit 100`;
}

/** Which of these rules said regression or drift at or after that moment. */
export async function findAlarmedSince(
  db: Query,
  rules: readonly string[],
  since: Date,
): Promise<ReadonlySet<string>> {
  const rows = await db<{ rule: string }[]>`
    select distinct rule from rule_verdicts
    where rule = any(${[...rules]}::text[]) and at >= ${since} and kind in ('regression', 'drift')`;
  return new Set(rows.map(({ rule }) => rule));
}

/** Buckets of one signal since a moment, oldest first, a thousand at a time. */
export function streamBuckets(
  db: Db,
  service: string,
  signal: string,
  since: Date,
): AsyncIterable<readonly Bucket[]> {
  const rows = db<(Omit<Bucket, "at"> & { at: Date })[]>`
    select at, span_ms as "spanMs", n, judged, good, measured, measured_values as values, 1 as stride
    from signal_buckets
    where service = ${service} and signal = ${signal} and at >= ${since}
    order by at`;
  const parts = rows.cursor(rowsPerInsert);
  return {
    async *[Symbol.asyncIterator]() {
      for await (const part of parts) {
        yield part.map((row) => ({ ...row, at: row.at.getTime() }));
      }
    },
  };
}
