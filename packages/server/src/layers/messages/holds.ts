/**
 * Holding a consumer and letting it go, and giving it messages again.
 *
 *   H1. A held consumer delivers nothing: holds and claims take the same row's lock.
 *   H2. Several may hold one consumer; a recovery ends its own hold and leaves a person's standing.
 *   H3. On release what rests comes at once, and nothing dies without one more delivery.
 */
import type { ReplayedMessages } from "@lastgood/sdk";
import type { ChangeId } from "../../ids.ts";
import { recordChanges } from "../../ledger/ledger-store.ts";
import { newChangeId } from "../../world.ts";
import type { Core } from "./core.ts";
import { putBack } from "./pending-store.ts";
import { requireConsumer } from "./registry.ts";
import { addHold, endRests, removeHolds } from "./registry-store.ts";
import { tellEngine } from "./tell-engine.ts";

export interface Holding {
  readonly by: string;
  readonly because: string;
  readonly changeId?: ChangeId;
  /** Whose hold it is; by default `by`. */
  readonly hold?: string;
}

/** H1. Holding again under the same hold changes nothing. */
export async function holdConsumer(core: Core, consumer: string, holding: Holding): Promise<void> {
  await requireConsumer(core, consumer);
  const at = core.world.now();
  await core.db.begin(async (tx) => {
    const added = await addHold(tx, consumer, {
      ...{ hold: holding.hold ?? holding.by, heldBy: holding.by, because: holding.because, at },
    });
    if (added) await recordChanges(tx, [changeOf(core, "hold", consumer, holding)]);
  });
  core.waiters.wake(consumer);
}

/** H3. Ends one hold (`holding.hold`), or every one. */
export async function releaseConsumer(
  core: Core,
  consumer: string,
  holding: Holding,
): Promise<void> {
  await requireConsumer(core, consumer);
  const resting = await core.db.begin(async (tx) => {
    const ended = await removeHolds(tx, consumer, holding.hold ?? null);
    if (ended > 0) await recordChanges(tx, [changeOf(core, "release", consumer, holding)]);
    const { holds } = await requireConsumer(core, consumer, tx);
    return holds.length > 0 ? [] : await endRests(tx, consumer);
  });
  for (const reference of resting) await tellEngine(core, reference, { againInMs: 0 });
  core.waiters.wake(consumer);
}

const replayMax = 10_000;
const pageMax = 1_000;

export interface ReplayRange {
  readonly from: number | Date;
  readonly toSeq: number | null;
}

/** Delivers to this consumer again what its stream still holds of the range; no other consumer notices. */
export async function replay(
  core: Core,
  name: string,
  range: ReplayRange,
  holding: Holding,
  signal: AbortSignal,
): Promise<ReplayedMessages> {
  const consumer = await requireConsumer(core, name);
  const { lastSeq } = await core.engine.streamState(consumer.stream);
  const toSeq = range.toSeq ?? lastSeq;
  const seqs: number[] = [];
  let replayed = 0;
  let from = range.from;
  while (seqs.length < replayMax) {
    const page = await core.engine.read(
      consumer.stream,
      {
        from,
        toSeq,
        subjects: consumer.subjects,
        limit: Math.min(pageMax, replayMax - seqs.length),
      },
      signal,
    );
    const last = page.at(-1);
    if (last === undefined) break;
    replayed += await putBack(
      core.db,
      name,
      "replay",
      page.map(({ stream, seq, id, at }) => ({
        ...{ stream, seq, messageId: id, publishedAt: at, deadLetter: null },
      })),
      core.world.now(),
    );
    seqs.push(...page.map((message) => message.seq));
    from = last.seq + 1;
  }
  const firstSeq = seqs[0] ?? null;
  const last = seqs.at(-1) ?? null;
  await recordChanges(core.db, [
    { ...changeOf(core, "replay", name, holding), details: { firstSeq, lastSeq: last, replayed } },
  ]);
  core.waiters.wake(name);
  const more = seqs.length === replayMax && last !== null && last < toSeq;
  return { replayed, firstSeq, lastSeq: last, nextSeq: more ? last + 1 : null };
}

function changeOf(core: Core, kind: string, target: string, { by, because, changeId }: Holding) {
  return {
    id: changeId ?? newChangeId(core.world),
    at: core.world.now(),
    layer: "messages" as const,
    kind,
    target,
    agent: by,
    reason: because,
  };
}
