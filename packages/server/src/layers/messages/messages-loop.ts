/**
 * What acts by itself in this room.
 *
 *   pulse  wakes those who wait when a rest or a deadline is over
 *   sweep  makes what the configuration declares, enforces ages, tells reviewers, and takes over what
 *          the engine gave up on
 */
import type { Logger } from "pino";
import { type Loop, startLoop } from "../../loop.ts";
import { newId } from "../../world.ts";
import type { Core } from "./core.ts";
import { buryMessage, findUnreviewed, markReviewed, trimRefusals } from "./dead-letter-store.ts";
import { bury } from "./dead-letters.ts";
import { sha256 } from "./digest.ts";
import type { Dropped, Overdue } from "./engine.ts";
import { removePending } from "./pending-store.ts";
import { tell } from "./post.ts";
import { countMissed, listConsumers } from "./registry-store.ts";
import {
  findOverdue,
  findReady,
  forgetOld,
  isSettled,
  lockPending,
  makeOurs,
} from "./sweep-store.ts";
import { tellAgain } from "./tell-engine.ts";

const pulseMs = 500;
const sweepMs = 5_000;
const refusalsKept = 10_000;
const reviewsPerTurn = 200;
const reviewType = "dead-letter.review";

export function startPulse(core: Core, log: Logger): Loop {
  return startLoop({
    name: "messages.pulse",
    everyMs: pulseMs,
    log,
    async run() {
      const waiting = [...core.waiters.waiting().keys()];
      if (waiting.length === 0) return;
      for (const consumer of await findReady(core.db, waiting)) core.waiters.wake(consumer);
    },
  });
}

export interface SweepDeps {
  readonly core: Core;
  readonly log: Logger;
  readonly declare: () => Promise<void>;
}

export function startSweep({ core, log, declare }: SweepDeps): Loop {
  return startLoop({
    name: "messages.sweep",
    everyMs: sweepMs,
    log,
    async run(signal) {
      await declare();
      await sweep(core, signal);
    },
  });
}

export async function sweep(core: Core, signal: AbortSignal): Promise<void> {
  await tellAgain(core, signal);
  await tellReviewers(core);
  await core.engine.expire(core.world.now());
  await trimRefusals(core.db, refusalsKept);
  await forgetOld(core.db, core.world.now());
  const overdue = await findOverdue(core.db);
  await dropVanished(core, overdue);
  await core.engine.sweep(overdue, (dropped) => takeOver(core, dropped), signal);
}

/** Each dead letter once to the agent that its stream names; what dies of that is not reviewed again. */
async function tellReviewers(core: Core): Promise<void> {
  for (const letter of await findUnreviewed(core.db, reviewsPerTurn)) {
    const own = letter.sender === "lastgood" && letter.messageId.startsWith("review-");
    if (!own) {
      await tell(core, letter.reviewer, {
        id: `review-${letter.id}`,
        type: reviewType,
        text: `A message to ${letter.consumer ?? letter.subject} is dead (${letter.reason}): ${letter.detail}`,
        details: {
          deadLetter: letter.id,
          consumer: letter.consumer,
          stream: letter.stream,
          subject: letter.subject,
          message: letter.messageId,
          sender: letter.sender,
          reason: letter.reason,
          size: letter.size,
        },
      });
    }
    await markReviewed(core.db, letter.id, core.world.now());
  }
}

/** What the engine should have delivered again, and no longer holds: it waits for nobody, and is counted. */
async function dropVanished(core: Core, overdue: readonly Overdue[]): Promise<void> {
  for (const { name: consumer, stream, seqs } of overdue) {
    const found = new Map(
      (await core.engine.find(stream, seqs)).map((message) => [message.seq, message.id]),
    );
    for (const seq of seqs) {
      await core.db.begin(async (tx) => {
        const row = await lockPending(tx, { consumer, stream, seq });
        if (row?.reference == null || row.messageId === found.get(seq)) return;
        await removePending(tx, row);
        await countMissed(tx, consumer);
      });
    }
    core.waiters.wake(consumer);
  }
}

/**
 * The engine will not deliver this message again. While it has deliveries left by our count, they are
 * ours to make; otherwise it is a dead letter.
 */
async function takeOver(core: Core, dropped: Dropped): Promise<void> {
  const [consumer] = await listConsumers(core.db, { name: dropped.consumer });
  if (consumer === undefined || consumer.stream !== dropped.stream) return;
  const row = await core.db.begin(async (tx) => {
    const row = await lockPending(tx, dropped);
    if (row !== null && dropped.because === "max_deliver") await makeOurs(tx, row);
    return row;
  });
  if (row !== null && dropped.because === "max_deliver") {
    core.waiters.wake(dropped.consumer);
    return;
  }
  // Our own settling is told too, possibly after the message was put back: that is no news.
  if (await isSettled(core.db, dropped)) return;
  if (row === null) await buryUnseen(core, dropped);
  else await bury(core, row, { reason: "rejected", detail: "Another client ended it in NATS." });
}

/** Nobody was given it through us: the stream's copy becomes the dead letter. */
async function buryUnseen(core: Core, { consumer, stream, seq, because }: Dropped): Promise<void> {
  const [message] = await core.engine.find(stream, [seq]);
  if (message === undefined) return;
  await core.db.begin((tx) =>
    buryMessage(
      tx,
      {
        consumer,
        stream,
        seq,
        life: 0,
        messageId: message.id,
        deliveries: 0,
        publishedAt: message.at,
      },
      message,
      {
        id: newId<string>(core.world, "dl"),
        diedAt: core.world.now(),
        sha256: sha256(message.payload),
        reason: because,
        detail:
          because === "max_deliver"
            ? "NATS delivered it to other clients until its own limit, and nobody acknowledged it."
            : "Another client ended it in NATS.",
      },
    ),
  );
  core.sweepSoon();
}
