/**
 * Of several servers on one database one judges releases; the others hand it the samples that come to them.
 *
 *     door ──> judging here? ──> judge
 *                 └─ no ──> kept ──> handed_samples ──> judge, elsewhere
 *
 *   O1. Who judges holds the lease `release-judge`. Whoever takes it up goes on from what is stored, and from that
 *       alone. What one of them no longer holds it for is refused to be written (`fenced`).
 *   O2. Samples that were handed over are deleted in the transaction that stores what was made of them: none counts
 *       twice, none is lost with the judge.
 *   O3. While PostgreSQL is away who judged goes on. Where another took over meanwhile, it is handed what was not
 *       stored: at most the newest `keptMax` samples; what goes is counted.
 */
import type { Logger } from "pino";
import { Fault } from "../fault.ts";
import { type Loop, startLoop } from "../loop.ts";
import type { Db, Tx } from "../store/database.ts";
import { requireLease } from "../store/lease.ts";
import type { StandingLease } from "../store/standing-lease.ts";
import { deleteHanded, handOver, readHanded } from "./handed-store.ts";
import { createKeptSamples } from "./kept-samples.ts";
import type { RunningReleaseJudge } from "./release-judge.ts";
import type { Took } from "./release-trial.ts";
import type { Sample } from "./sample.ts";

export interface OneJudge {
  /** Judges it here, or keeps it for who does. Never waits, never throws. */
  take(sample: Sample): Took;
  /** Whether this server judges now, and knows it for certain. */
  isJudging(): boolean;
  /** Whether it judges as far as it knows: also while PostgreSQL is away (O3). */
  isInOffice(): boolean;
  /** What was taken in so far. */
  mark(): Mark;
  /** O1, O2: within the transaction that stores what was made of it. Null: of nothing. */
  fence(tx: Tx, mark: Mark | null): Promise<void>;
  /** It is stored: nothing of it has to be handed over. */
  stored(mark: Mark): void;
  dropped(): number;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface Mark {
  readonly unstored: number;
  readonly handed: readonly number[];
}

export interface OneJudgeDeps {
  readonly db: Db;
  readonly log: Logger;
  readonly lease: StandingLease;
  readonly judge: Pick<RunningReleaseJudge, "take" | "settle" | "judges">;
  /** Loads what is stored into memory, in place of what is there. */
  load(): Promise<void>;
  /** Loads what is to be shown of what another judges. */
  readAlong(): Promise<void>;
}

const everyMs = 200;
const renewEveryMs = 1_000;
const keptMax = 50_000;
const handedAtOnce = 20_000;

export function createOneJudge(deps: OneJudgeDeps): OneJudge {
  const { db, log, lease, judge } = deps;
  let isInOffice = false;
  /** What came to this server and is not stored as judged: O3. */
  const unstored = createKeptSamples(keptMax);
  /** What is to be handed over. */
  const outgoing = createKeptSamples(keptMax);
  /** Rows that were judged, and are there until what was made of them is stored (O2). */
  const handed = new Set<number>();
  let renewedAt = Number.NEGATIVE_INFINITY;
  let loop: Loop | null = null;

  function judgeHere(sample: Sample): Took {
    unstored.add(sample);
    return judge.take(sample);
  }

  async function renew(): Promise<void> {
    if (performance.now() - renewedAt < renewEveryMs) return;
    const standing = await lease.renew();
    renewedAt = performance.now();
    if (standing === "another's") {
      if (isInOffice) log.warn("another server judges releases now");
      leaveOffice();
      await deps.readAlong();
    } else if (standing === "taken" || !isInOffice) {
      leaveOffice();
      await enterOffice();
    }
  }

  function leaveOffice(): void {
    isInOffice = false;
    handed.clear();
    for (const sample of unstored.take()) outgoing.add(sample);
  }

  async function enterOffice(): Promise<void> {
    await deps.load();
    isInOffice = true;
    for (const sample of outgoing.take()) judgeHere(sample);
    judge.settle();
  }

  async function turn(): Promise<void> {
    await renew();
    if (isInOffice) await takeHanded();
    else await handOn();
  }

  async function takeHanded(): Promise<void> {
    const rows = await readHanded(db, handed);
    // Another may have taken over while they were read.
    if (rows.length === 0 || !lease.isCertain()) return;
    for (const { id, samples } of rows) {
      handed.add(id);
      for (const sample of samples) judge.take(sample);
    }
    judge.settle();
  }

  async function handOn(): Promise<void> {
    while (outgoing.size() > 0) {
      const samples = outgoing.take(handedAtOnce);
      const isTaken = await handOver(db, samples).catch((error: unknown) => {
        outgoing.putBack(samples);
        throw error;
      });
      if (isTaken) continue;
      outgoing.putBack(samples);
      return;
    }
  }

  return {
    take(sample) {
      if (isInOffice) return judgeHere(sample);
      outgoing.add(sample);
      return judge.judges(sample) ? "judged" : "unjudged";
    },
    isJudging: () => isInOffice && lease.isCertain(),
    isInOffice: () => isInOffice,
    async fence(tx, mark) {
      const ours = lease.lease();
      if (ours === null) throw new Fault("fenced", "This server does not judge releases now.");
      await requireLease(tx, ours);
      await deleteHanded(tx, mark?.handed ?? []);
    },
    mark: () => ({ unstored: unstored.added(), handed: [...handed] }),
    stored(mark) {
      unstored.dropUntil(mark.unstored);
      for (const id of mark.handed) handed.delete(id);
    },
    dropped: () => unstored.dropped() + outgoing.dropped(),
    async start() {
      await renew();
      loop = startLoop({ name: "release-judge", everyMs, log, run: turn });
    },
    async stop() {
      await loop?.stop();
      try {
        if (!isInOffice) await handOn();
        await lease.release();
      } catch (err) {
        // PostgreSQL is away: the lease runs out by itself.
        log.warn({ err, lost: outgoing.size() }, "what was to be handed to the judge is lost");
      }
    },
  };
}
