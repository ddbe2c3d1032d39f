/**
 * The desk hands messages out and takes them back: every delivery of every engine passes here.
 *
 *   D1. Who asks looks into the books (`claim`), and waits only when there is nothing for him.
 *   D2. A delivery ends once: by ack, nak, reject, its deadline, or a later delivery, which fences it.
 *   D3. Our books are written first, the engine is told after; what it then delivers again is
 *       recognised and settled without reaching a handler (`admitArrivals`).
 */
import type { FetchMessages, MessageDelivery } from "@lastgood/sdk";
import { requireLiving } from "../../store/living-session.ts";
import { describeAll } from "./contents.ts";
import type { Core } from "./core.ts";
import { bury } from "./dead-letters.ts";
import type { Arrival } from "./engine.ts";
import { choose } from "./message.ts";
import {
  admit,
  type ClaimedMessage,
  claimable,
  lockConsumer,
  takeBack,
  takeOut,
} from "./pending-store.ts";
import { listConsumers } from "./registry-store.ts";
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
    await requireLiving(tx, handler.session);
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
