/**
 * Dead letters: messages that could not be handled, kept whole, each settled once.
 *
 *     dead ──> requeued | rerouted | discarded
 *
 *   X1. A message that is put back and dies again is a new dead letter with the next `life`.
 *   X2. Writing the death and taking the message out of pending is one transaction; so is settling a
 *       dead letter and putting the message back: nothing is lost and nothing comes twice.
 */
import type { DeadLetterAnalysis, DeadLetterContent } from "@lastgood/sdk";
import { Fault } from "../../fault.ts";
import type { NewChange } from "../../ledger/change.ts";
import { recordChanges } from "../../ledger/ledger-store.ts";
import type { Tx } from "../../store/database.ts";
import { newChangeId, newId } from "../../world.ts";
import type { Core } from "./core.ts";
import {
  buryMessage,
  countDeadLetters,
  type DeadLetterRow,
  findDeadLetters,
  lockDeadLetter,
  readBodies,
  settleDeadLetter,
} from "./dead-letter-store.ts";
import { sha256 } from "./digest.ts";
import { type Death, decodePayload, type PendingMessage, type StoredMessage } from "./message.ts";
import { putBack, removePending } from "./pending-store.ts";
import { tellEngine } from "./tell-engine.ts";

/** Ends a message of a consumer as a dead letter, and returns the dead letter's id. */
export async function bury(core: Core, row: PendingMessage, death: Death): Promise<string | null> {
  const message = await contentOf(core, row);
  const id = newId<string>(core.world, "dl");
  const written = await core.db.begin(async (tx) => {
    const [still] = await tx`
      select 1 from message_pending where consumer = ${row.consumer} and stream = ${row.stream}
        and seq = ${row.seq} and epoch = ${row.epoch} for update`;
    if (still === undefined) return false;
    await removePending(tx, row);
    return await buryMessage(tx, row, message, {
      ...death,
      id,
      diedAt: core.world.now(),
      sha256: sha256(message?.payload ?? Buffer.alloc(0)),
    });
  });
  if (written && row.reference !== null) await tellEngine(core, row.reference, "dead");
  core.waiters.wake(row.consumer);
  if (written) core.sweepSoon();
  return written ? id : null;
}

async function contentOf(core: Core, row: PendingMessage): Promise<StoredMessage | null> {
  if (row.deadLetter === null) {
    const [found] = await core.engine.find(row.stream, [row.seq]);
    return found ?? null;
  }
  const body = (await readBodies(core.db, [row.deadLetter])).get(row.deadLetter);
  if (body === undefined) return null;
  const { stream, seq, messageId: id, publishedAt: at } = row;
  return { stream, seq, id, at, ...body };
}

export async function readDeadLetter(
  core: Core,
  id: string,
): Promise<DeadLetterRow & Pick<DeadLetterContent, "headers" | "payload" | "encoding">> {
  const [row] = await findDeadLetters(core.db, { ids: [id], limit: 1 });
  const body = (await readBodies(core.db, [id])).get(id);
  if (row === undefined || body === undefined) throw unknown(id);
  return { ...row, headers: body.headers, ...decodePayload(body.payload) };
}

/** Who settles a dead letter, and why. */
export interface Settling {
  readonly by: string;
  readonly because: string;
}

/** Back to the consumer it died in, under its own id, once. */
export async function requeue(core: Core, id: string, settling: Settling): Promise<DeadLetterRow> {
  const row = await core.db.begin(async (tx) => {
    const row = await requireDead(tx, id);
    if (row.consumer === null) {
      throw new Fault(
        "state_forbids",
        `${id} is a publish that was refused: no consumer ever had it. Reroute it to the right inbox.`,
      );
    }
    if (!(await bringBack(tx, core, row, row.consumer, "requeue", settling)))
      throw alreadyThere(row, row.consumer);
    await recordChanges(tx, [changeOf(core, row, "requeue", row.consumer, settling)]);
    return await settled(tx, id);
  });
  core.waiters.wake(row.consumer ?? "");
  return row;
}

/** To another consumer, under its own id, once. */
export async function reroute(
  core: Core,
  id: string,
  destination: string,
  settling: Settling,
): Promise<DeadLetterRow> {
  const row = await core.db.begin(async (tx) => {
    const row = await requireDead(tx, id);
    if (!(await bringBack(tx, core, row, destination, "reroute", settling)))
      throw alreadyThere(row, destination);
    await recordChanges(tx, [changeOf(core, row, "reroute", destination, settling)]);
    return await settled(tx, id);
  });
  core.waiters.wake(destination);
  return row;
}

export async function discard(core: Core, id: string, settling: Settling): Promise<DeadLetterRow> {
  return await core.db.begin(async (tx) => {
    const row = await requireDead(tx, id);
    await settleDeadLetter(tx, id, {
      ...{ state: "discarded", at: core.world.now(), by: settling.by },
      ...{ because: settling.because, destination: null },
    });
    await recordChanges(tx, [changeOf(core, row, "discard", row.consumer ?? "refused", settling)]);
    return await settled(tx, id);
  });
}

/**
 * X2. Within the caller's transaction, which has the dead letter's row locked. False, and nothing done,
 * where the destination has the message before it already.
 */
export async function bringBack(
  tx: Tx,
  core: Core,
  row: DeadLetterRow,
  destination: string,
  cause: "requeue" | "reroute",
  settling: Settling,
): Promise<boolean> {
  if (!row.complete) {
    throw new Fault(
      "state_forbids",
      `Of ${row.id} only the first 4 kB were kept: ask ${row.sender ?? "its sender"} to send it again, smaller, or discard it.`,
    );
  }
  const at = core.world.now();
  const came = await putBack(
    tx,
    destination,
    cause,
    [
      {
        stream: row.stream ?? "refused",
        seq: row.seq ?? refusedSeq(row),
        messageId: row.messageId,
        publishedAt: row.publishedAt ?? row.diedAt,
        deadLetter: row.id,
      },
    ],
    at,
  );
  if (came === 0) return false;
  await settleDeadLetter(tx, row.id, {
    ...{ state: cause === "requeue" ? "requeued" : "rerouted", at, destination },
    ...{ by: settling.by, because: settling.because },
  });
  return true;
}

function alreadyThere(row: DeadLetterRow, destination: string): Fault {
  return new Fault(
    "already_exists",
    `${destination} already has message ${row.messageId} before it: settle that delivery first.`,
  );
}

/** A refused publish has no sequence: one made from its id stands for it, under the stream `refused`. */
function refusedSeq(row: DeadLetterRow): number {
  return Number.parseInt(sha256(Buffer.from(row.id)).slice(0, 12), 16) + 1;
}

function changeOf(
  core: Core,
  row: DeadLetterRow,
  kind: string,
  target: string,
  settling: Settling,
): NewChange {
  return {
    id: newChangeId(core.world),
    at: core.world.now(),
    layer: "messages",
    kind,
    target,
    agent: settling.by,
    reason: settling.because,
    details: { deadLetter: row.id, message: row.messageId },
  };
}

async function requireDead(tx: Tx, id: string): Promise<DeadLetterRow> {
  const row = await lockDeadLetter(tx, id);
  if (row === null) throw unknown(id);
  if (row.state !== "dead") {
    throw new Fault(
      "state_forbids",
      `${id} was ${row.state} by ${row.settledBy} at ${row.settledAt?.toISOString()}: a dead letter is settled once.`,
    );
  }
  return row;
}

async function settled(tx: Tx, id: string): Promise<DeadLetterRow> {
  const row = await lockDeadLetter(tx, id);
  if (row === null) throw unknown(id);
  return row;
}

function unknown(id: string): Fault {
  return new Fault(
    "not_found",
    `There is no dead letter ${id.slice(0, 60)}: list them with \`lastgood dead-letters list\`.`,
  );
}

export async function analyse(core: Core, since: Date): Promise<DeadLetterAnalysis> {
  const counts = await countDeadLetters(core.db, since);
  const of = (dimension: string) =>
    Object.fromEntries(
      counts.filter((each) => each.dimension === dimension).map((each) => [each.value, each.count]),
    );
  const byReason: Record<string, number> = of("reason");
  return {
    total: Object.values(byReason).reduce((total, count) => total + count, 0),
    byReason,
    bySender: of("sender"),
    byConsumer: of("consumer"),
    bySize: of("size"),
  };
}
