/**
 * The desk hands messages out and takes them back: every delivery of every engine passes here.
 *
 *   D1. Who asks looks into the books (`claim`), and waits only when there is nothing for him.
 *   D2. A delivery ends once: by ack, nak, reject, its deadline, or a later delivery, which fences it.
 *   D3. Our books are written first, the engine is told after; what it then delivers again is
 *       recognised and settled without reaching a handler (`admitArrivals`).
 */
import type { FailedDelivery, FetchMessages, MessageDelivery, Progress } from "@lastgood/sdk";
import { Fault } from "../../fault.ts";
import type { Tx } from "../../store/database.ts";
import type { Core } from "./core.ts";
import { readBodies } from "./dead-letter-store.ts";
import { bury } from "./dead-letters.ts";
import type { Arrival } from "./engine.ts";
import {
  afterFailure,
  choose,
  type Death,
  type DeliveryKey,
  decodePayload,
  formatDeliveryToken,
  type PendingMessage,
  parseDeliveryToken,
  restMs,
  type StoredMessage,
} from "./message.ts";
import {
  admit,
  type ClaimedMessage,
  claimable,
  findHandled,
  giveUpClaims,
  lockConsumer,
  lockDelivery,
  recordHandled,
  removePending,
  renew,
  rest,
  takeBack,
  takeOut,
} from "./pending-store.ts";
import { type ConsumerRow, listConsumers } from "./registry-store.ts";
import { tellEngine } from "./tell-engine.ts";

export interface Handler {
  /** The agent, or the person as `token:<name>`. */
  readonly holder: string;
  readonly session: string | null;
}

/** Messages of these consumers, in order of their names; none when `waitMs` is over. */
export async function fetchMessages(
  core: Core,
  consumers: readonly string[],
  { max = 1, waitMs = 0 }: FetchMessages,
  handler: Handler,
  signal: AbortSignal,
): Promise<readonly MessageDelivery[]> {
  const ends = performance.now() + waitMs;
  const over = AbortSignal.any([signal, core.stopping]);
  using watch = core.waiters.watch(consumers);
  for (;;) {
    const claimed: ClaimedMessage[] = [];
    for (const consumer of consumers) {
      if (claimed.length >= max) break;
      claimed.push(...(await claim(core, consumer, max - claimed.length, handler)));
    }
    const deliveries = await describeAll(core, claimed);
    if (signal.aborted) {
      await returnUnseen(core, claimed);
      return [];
    }
    const leftMs = ends - performance.now();
    if (deliveries.length > 0 || leftMs <= 0 || core.stopping.aborted) return deliveries;
    await watch.woken(leftMs, over);
  }
}

/** D1. Claims what may go out, and buries what may not any more. */
async function claim(
  core: Core,
  name: string,
  count: number,
  handler: Handler,
): Promise<readonly ClaimedMessage[]> {
  const nonce = Buffer.from(core.world.randomBytes(8)).toString("hex");
  const { claimed, exhausted, room } = await core.db.begin(async (tx) => {
    const locked = await lockConsumer(tx, name);
    if (locked === null) return { claimed: [], exhausted: [], room: 0 };
    await core.engine.refill(tx, name, count);
    const { candidates, outstanding, out } = await claimable(tx, name, count + 10);
    const chosen = choose(candidates, { ...locked, count, outstanding });
    return {
      claimed: await takeOut(tx, locked, chosen.deliver, { nonce, ...handler }),
      exhausted: chosen.exhausted,
      room: locked.maxInFlight - out,
    };
  });
  for (const row of exhausted) {
    await bury(core, row, {
      reason: "max_deliver",
      detail: row.lastError ?? `It went out ${row.deliveries} times and was never acknowledged.`,
    });
  }
  if (exhausted.length > 0) return [...claimed, ...(await claim(core, name, count, handler))];
  if (claimed.length === 0 && room > 0) {
    const [consumer] = await listConsumers(core.db, { name });
    if (consumer !== undefined) core.engine.demand(consumer, room);
  }
  return claimed;
}

async function returnUnseen(core: Core, claimed: readonly ClaimedMessage[]): Promise<void> {
  await takeBack(core.db, claimed);
  for (const row of claimed) core.waiters.wake(row.consumer);
}

/** The contents of the claimed messages. What its stream no longer holds is dropped and counted. */
async function describeAll(
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

type Content = Pick<StoredMessage, "subject" | "sender" | "headers" | "payload">;

/** From the dead letter that brought it back, otherwise from the stream. */
async function contentsOf(
  core: Core,
  rows: readonly PendingMessage[],
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

function keyOf(row: Pick<PendingMessage, "consumer" | "stream" | "seq">): string {
  return `${row.consumer}\n${row.stream}\n${row.seq}`;
}

async function dropMissing(core: Core, row: ClaimedMessage): Promise<void> {
  await core.db.begin(async (tx) => {
    await removePending(tx, row);
    await tx`update message_consumers set missed = missed + 1 where name = ${row.consumer}`;
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

export function requireDeliveryKey(token: string): DeliveryKey {
  const key = parseDeliveryToken(token);
  if (key !== null) return key;
  throw new Fault(
    "bad_input",
    "This is not the token of a delivery: send the `token` that came with the message.",
    { context: { path: "token" } },
  );
}

/**
 * Handled: the message id is recorded, and the engine is told until it has confirmed it. Repeating it
 * changes nothing.
 */
export async function ack(core: Core, key: DeliveryKey): Promise<{ readonly already: boolean }> {
  const done = await core.db.begin(async (tx) => {
    const row = await lockDelivery(tx, key);
    if (row === null) {
      const handled = await findHandled(tx, key);
      if (handled === null) throw fenced(key);
      return { already: true, reference: handled.reference };
    }
    await recordHandled(tx, row, core.world.now());
    return { already: false, reference: row.reference };
  });
  if (done.reference !== null) await tellEngine(core, done.reference, "handled");
  core.waiters.wake(key.consumer);
  return { already: done.already };
}

/** Failed: it rests for `delayMs`, or is a dead letter when it has used up its deliveries. */
export async function nak(
  core: Core,
  key: DeliveryKey,
  failure: { readonly delayMs?: number | undefined; readonly reason: string },
): Promise<FailedDelivery> {
  const { row, again, forMs } = await core.db.begin(async (tx) => {
    const row = await requireDelivery(tx, key);
    const consumer = await requireConsumer(core, key.consumer, tx);
    const held = consumer.holds.length > 0;
    if (afterFailure(row.deliveries, { maxDeliver: consumer.maxDeliver, held }) === "dies") {
      return { row, again: null, forMs: 0 };
    }
    const forMs = failure.delayMs ?? restMs(row.deliveries);
    return { row, again: await rest(tx, row, forMs, failure.reason), forMs };
  });
  if (again === null) {
    return await die(core, key, row, { reason: "handler_error", detail: failure.reason });
  }
  if (row.reference !== null) await tellEngine(core, row.reference, { againInMs: forMs });
  core.wakeIn(key.consumer, forMs);
  return { outcome: "waits", again: again.toISOString(), deadLetter: null };
}

/** It can never be handled: a dead letter at once, with the handler's reason. */
export async function reject(core: Core, key: DeliveryKey, death: Death): Promise<FailedDelivery> {
  const row = await core.db.begin((tx) => requireDelivery(tx, key));
  return await die(core, key, row, death);
}

async function die(
  core: Core,
  key: DeliveryKey,
  row: PendingMessage,
  death: Death,
): Promise<FailedDelivery> {
  const deadLetter = await bury(core, row, death);
  if (deadLetter === null) throw fenced(key);
  return { outcome: "dead", again: null, deadLetter };
}

/** The handler is getting on. */
export async function progress(core: Core, key: DeliveryKey): Promise<Progress> {
  const { row, moved } = await core.db.begin(async (tx) => {
    const row = await requireDelivery(tx, key);
    const consumer = await requireConsumer(core, key.consumer, tx);
    return { row, moved: await renew(tx, row, consumer) };
  });
  if (row.reference !== null && moved.renewed) await core.engine.keepAlive(row.reference);
  return { deadline: moved.deadline.toISOString(), renewed: moved.renewed };
}

/** What a session that ended, or every session of a holder, had in hand goes to others at once. */
export async function giveBack(
  core: Core,
  of: { readonly holder: string; readonly session: string | null },
): Promise<void> {
  for (const consumer of await giveUpClaims(core.db, of)) core.waiters.wake(consumer);
}

/** D3. What an engine handed out to us becomes due, or is settled because it already ended here. */
export async function admitArrivals(
  core: Core,
  consumer: string,
  arrivals: readonly Arrival[],
): Promise<void> {
  const admitted = await admit(core.db, consumer, arrivals);
  const was = new Map(admitted.map((each) => [each.seq, each.was]));
  for (const { message, reference } of arrivals) {
    const state = was.get(message.seq);
    if (state === "settled-handled") await tellEngine(core, reference, "handled");
    if (state === "settled-dead") await tellEngine(core, reference, "dead");
  }
  core.waiters.wake(consumer);
}

export async function requireConsumer(
  core: Pick<Core, "db">,
  name: string,
  within: Tx | Core["db"] = core.db,
): Promise<ConsumerRow> {
  const [consumer] = await listConsumers(within, { name });
  if (consumer !== undefined) return consumer;
  throw new Fault(
    "not_found",
    `There is no consumer ${name.slice(0, 100)}: list them with \`lastgood messages consumers\`.`,
  );
}

async function requireDelivery(tx: Tx, key: DeliveryKey): Promise<PendingMessage> {
  const row = await lockDelivery(tx, key);
  if (row === null) throw fenced(key);
  return row;
}

function fenced(key: DeliveryKey): Fault {
  return new Fault(
    "fenced",
    `This delivery of message ${key.seq} of ${key.stream} to ${key.consumer} is over: it was settled, or it took too long and goes to another handler. Stop working on it.`,
  );
}
