/** How a delivery ends, by its handler's word. Each step follows D2 and D3 of the desk. */
import type { FailedDelivery, Progress } from "@lastgood/sdk";
import { Fault } from "../../fault.ts";
import type { Tx } from "../../store/database.ts";
import { countInSession, requireLiving } from "../../store/living-session.ts";
import type { Core } from "./core.ts";
import { bury } from "./dead-letters.ts";
import {
  afterFailure,
  type Death,
  type DeliveryKey,
  type PendingMessage,
  parseDeliveryToken,
  restMs,
} from "./message.ts";
import {
  findHandled,
  giveUpClaims,
  lockDelivery,
  recordHandled,
  renew,
  rest,
} from "./pending-store.ts";
import { requireConsumer } from "./registry.ts";
import { tellEngine } from "./tell-engine.ts";

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
    await requireLiving(tx, row.session);
    const at = core.world.now();
    await recordHandled(tx, row, at);
    await countInSession(tx, row.session, at, { messages: 1 });
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

async function requireDelivery(tx: Tx, key: DeliveryKey): Promise<PendingMessage> {
  const row = await lockDelivery(tx, key);
  if (row === null) throw fenced(key);
  await requireLiving(tx, row.session);
  return row;
}

function fenced(key: DeliveryKey): Fault {
  return new Fault(
    "fenced",
    `This delivery of message ${key.seq} of ${key.stream} to ${key.consumer} is over: it was settled, or it took too long and goes to another handler. Stop working on it.`,
  );
}
