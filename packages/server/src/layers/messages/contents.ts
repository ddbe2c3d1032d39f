/** What a claimed message holds, as its handler sees it. */
import type { MessageDelivery } from "@lastgood/sdk";
import type { Core } from "./core.ts";
import { readBodies } from "./dead-letter-store.ts";
import {
  decodePayload,
  formatDeliveryToken,
  type PendingMessage,
  type StoredMessage,
} from "./message.ts";
import { type ClaimedMessage, removePending, takeBack } from "./pending-store.ts";
import { type ConsumerRow, countMissed, listConsumers } from "./registry-store.ts";
import { tellEngine } from "./tell-engine.ts";

/** The contents of the claimed messages. What its stream no longer holds is dropped and counted. */
export async function describeAll(
  core: Core,
  claimed: readonly ClaimedMessage[],
): Promise<readonly MessageDelivery[]> {
  if (claimed.length === 0) return [];
  const contents = await prepare(core, claimed).catch(async (error: unknown) => {
    await takeBack(core.db, claimed);
    throw error;
  });
  const names = [...new Set(claimed.map((row) => row.consumer))];
  const consumers = new Map<string, ConsumerRow>();
  for (const name of names) {
    for (const row of await listConsumers(core.db, { name })) consumers.set(name, row);
  }
  const deliveries: MessageDelivery[] = [];
  for (const row of claimed) {
    const message = contents.get(keyOf(row));
    if (message === undefined) {
      await dropMissing(core, row);
    } else {
      deliveries.push(describe(row, message, consumers.get(row.consumer)?.maxDeliver ?? 0));
    }
  }
  return deliveries;
}

async function prepare(core: Core, claimed: readonly ClaimedMessage[]) {
  for (const row of claimed) {
    if (row.stale && row.reference !== null) await core.engine.keepAlive(row.reference);
  }
  return await contentsOf(core, claimed);
}

export type Content = Pick<StoredMessage, "subject" | "sender" | "headers" | "payload">;

/** From the dead letter that brought it back, otherwise from the stream. */
export async function contentsOf(
  core: Core,
  rows: readonly PendingMessage[],
  bytesMax?: number,
): Promise<ReadonlyMap<string, Content>> {
  const contents = new Map<string, Content>();
  const kept = rows.flatMap((row) => (row.deadLetter === null ? [] : [row.deadLetter]));
  const bodies = kept.length === 0 ? new Map() : await readBodies(core.db, kept);
  const streams = Map.groupBy(
    rows.filter((row) => row.deadLetter === null),
    (row) => row.stream,
  );
  for (const [stream, inStream] of streams) {
    const found = await core.engine.find(
      stream,
      inStream.map((row) => row.seq),
      bytesMax,
    );
    const bySeq = new Map(found.map((message) => [message.seq, message]));
    for (const row of inStream) {
      const message = bySeq.get(row.seq);
      if (message !== undefined) contents.set(keyOf(row), message);
    }
  }
  for (const row of rows) {
    const body = row.deadLetter === null ? undefined : bodies.get(row.deadLetter);
    if (body !== undefined) contents.set(keyOf(row), body);
  }
  return contents;
}

export function keyOf(row: Pick<PendingMessage, "consumer" | "stream" | "seq">): string {
  return `${row.consumer}\n${row.stream}\n${row.seq}`;
}

async function dropMissing(core: Core, row: ClaimedMessage): Promise<void> {
  await core.db.begin(async (tx) => {
    await removePending(tx, row);
    await countMissed(tx, row.consumer);
  });
  if (row.reference !== null) await tellEngine(core, row.reference, "dead");
}

function describe(row: ClaimedMessage, message: Content, maxDeliver: number): MessageDelivery {
  return {
    token: formatDeliveryToken(row),
    consumer: row.consumer,
    stream: row.stream,
    seq: row.seq,
    id: row.messageId,
    subject: message.subject,
    sender: message.sender,
    publishedAt: row.publishedAt.toISOString(),
    headers: message.headers,
    ...decodePayload(message.payload),
    deliveries: row.deliveries,
    maxDeliver,
    deadline: row.deadline.toISOString(),
    lastError: row.lastError,
    handled: row.handled,
    cause: row.cause,
    overtaken: row.overtaken,
  };
}
