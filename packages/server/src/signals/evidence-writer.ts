/**
 * Writes what the detectors saw and said to PostgreSQL, behind their back: judging never waits for it.
 *
 *   E1. Coalesced: everything since the last write goes in one transaction.
 *   E2. Bounded: while PostgreSQL is away the buffers keep the newest `rowsMax` records of each kind and
 *       `samplesMax` samples; what they drop is the oldest, and is counted.
 *   E3. What a failed write held is put back in front of what came since.
 */
import type { Db } from "../store/database.ts";
import { recentMax } from "./history.ts";
import type { Sample } from "./sample.ts";
import {
  type ClosedBucket,
  insertBuckets,
  insertChunks,
  insertPoints,
  insertVerdicts,
  type Point,
  type SavedState,
  saveStates,
} from "./signals-store.ts";
import type { Verdict } from "./verdict.ts";

const rowsMax = 10_000;
const samplesMax = 50_000;

export interface EvidenceWriter {
  /** `service`: the name that it is stored under, where it is not its own service's. */
  sample(sample: Sample, service?: string): void;
  bucket(bucket: ClosedBucket): void;
  verdict(verdict: Verdict): void;
  point(point: Point<string>): void;
  /** Writes all of it, and these states; throws, with everything kept, when PostgreSQL is away. */
  flush(states: readonly SavedState[], at: Date): Promise<void>;
  /** Records dropped so far. */
  dropped(): number;
}

interface Pending {
  /** By service and signal. */
  readonly samples: Map<string, Map<string, Sample[]>>;
  sampleCount: number;
  buckets: ClosedBucket[];
  verdicts: Verdict[];
  points: Point<string>[];
}

export function createEvidenceWriter(db: Db): EvidenceWriter {
  let pending = emptyPending();
  let dropped = 0;

  /** Appends, and drops the oldest beyond the bound (E2). */
  function add<T>(rows: T[], row: T): void {
    rows.push(row);
    if (rows.length <= rowsMax) return;
    rows.shift();
    dropped += 1;
  }

  function samplesOf(service: string, signal: string): Sample[] {
    const known = pending.samples.get(service)?.get(signal);
    if (known !== undefined) return known;
    const samples: Sample[] = [];
    const signals = pending.samples.get(service) ?? new Map<string, Sample[]>();
    pending.samples.set(service, signals.set(signal, samples));
    return samples;
  }

  function addSample(sample: Sample, service = sample.service): void {
    const samples = samplesOf(service, sample.signal);
    samples.push(sample);
    pending.sampleCount += 1;
    if (samples.length >= recentMax * 2) {
      // Only the last 1,000 of a signal are kept in any case: these are superseded, not lost.
      pending.sampleCount -= samples.length - recentMax;
      samples.splice(0, samples.length - recentMax);
    }
    if (pending.sampleCount > samplesMax) dropOldestSamples();
  }

  function dropOldestSamples(): void {
    let oldest: { signals: Map<string, Sample[]>; signal: string; at: number } | null = null;
    for (const signals of pending.samples.values()) {
      for (const [signal, samples] of signals) {
        const at = samples[0]?.at ?? 0;
        if (oldest === null || at < oldest.at) oldest = { signals, signal, at };
      }
    }
    if (oldest === null) return;
    const { length } = oldest.signals.get(oldest.signal) ?? [];
    oldest.signals.delete(oldest.signal);
    pending.sampleCount -= length;
    dropped += length;
  }

  return {
    sample: addSample,
    bucket: (bucket) => add(pending.buckets, bucket),
    verdict: (verdict) => add(pending.verdicts, verdict),
    point: (point) => add(pending.points, point),
    dropped: () => dropped,
    async flush(states, at) {
      const taken = pending;
      pending = emptyPending();
      try {
        await write(db, taken, states, at);
      } catch (error) {
        const since = pending;
        pending = emptyPending();
        for (const each of [taken, since]) {
          for (const [service, signals] of each.samples) {
            for (const sample of [...signals.values()].flat()) addSample(sample, service);
          }
          for (const bucket of each.buckets) add(pending.buckets, bucket);
          for (const verdict of each.verdicts) add(pending.verdicts, verdict);
          for (const point of each.points) add(pending.points, point);
        }
        throw error;
      }
    },
  };
}

function emptyPending(): Pending {
  return { samples: new Map(), sampleCount: 0, buckets: [], verdicts: [], points: [] };
}

/** E1. */
async function write(
  db: Db,
  { samples, buckets, verdicts, points }: Pending,
  states: readonly SavedState[],
  at: Date,
): Promise<void> {
  const chunks = [...samples].flatMap(([service, signals]) =>
    [...signals]
      .filter(([, each]) => each.length > 0)
      .map(([signal, each]) => ({ service, signal, samples: each.slice(-recentMax) })),
  );
  if (chunks.length + buckets.length + verdicts.length + points.length + states.length === 0)
    return;
  await db.begin(async (tx) => {
    await tx`set local statement_timeout = '10s'`;
    await insertChunks(tx, chunks);
    await insertBuckets(tx, buckets);
    await insertVerdicts(tx, verdicts);
    await insertPoints(tx, points);
    await saveStates(tx, states, at);
  });
}
