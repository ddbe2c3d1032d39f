import { AckPolicy, DeliverPolicy, ReplayPolicy } from "@nats-io/jetstream";
import { nanos, nuid } from "@nats-io/transport-node";
import type { Ahead, ConsumerRef, ReadRange } from "../engine.ts";
import type { StoredMessage } from "../message.ts";
import { fits } from "../subject.ts";
import { asking, atLeast, type NatsLink } from "./nats-link.ts";
import { consumerInfo } from "./nats-make.ts";
import { pull } from "./nats-pull.ts";
import { ownMark } from "./nats-settings.ts";

const forgottenMs = 10_000;
const pageMax = 500;

/** Reads a part of a stream by a consumer of its own, which nobody else notices. */
export async function readStream(
  link: NatsLink,
  stream: string,
  { from, toSeq, subjects, limit }: ReadRange,
  signal: AbortSignal,
): Promise<readonly StoredMessage[]> {
  const connection = await link.connection();
  const manager = await link.manager();
  const name = `lastgood-read-${nuid.next()}`;
  const [subject] = subjects;
  const filterHere = subjects.length > 1 && !atLeast(link.version(), 2, 10);
  await asking("read a stream", () =>
    manager.consumers.add(stream, {
      name,
      ack_policy: AckPolicy.None,
      replay_policy: ReplayPolicy.Instant,
      inactive_threshold: nanos(forgottenMs),
      mem_storage: true,
      num_replicas: 1,
      ...(typeof from === "number"
        ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, from) }
        : { deliver_policy: DeliverPolicy.StartTime, opt_start_time: from.toISOString() }),
      ...(subjects.length === 1 && subject !== undefined ? { filter_subject: subject } : {}),
      ...(subjects.length > 1 && !filterHere ? { filter_subjects: [...subjects] } : {}),
    }),
  );
  const messages: StoredMessage[] = [];
  try {
    for (let over = false; !over; ) {
      const batch = Math.min(pageMax, Math.max(1, limit - messages.length));
      const end = await pull(
        connection,
        { stream, consumer: name, batch, expiresMs: 0 },
        ({ message, remaining }) => {
          if (remaining === 0 || (toSeq !== null && message.seq >= toSeq)) over = true;
          if (toSeq !== null && message.seq > toSeq) return;
          if (filterHere && !fits(message.subject, subjects)) return;
          if (messages.length < limit) messages.push(message);
        },
        signal,
      );
      if (end.status !== 0 || messages.length >= limit) over = true;
    }
    return messages;
  } finally {
    await asking("end a reading", () => manager.consumers.delete(stream, name));
  }
}

const unsettledMax = 1_000;
const aheadMs = 5_000;

/**
 * From the first message that the consumer has not settled: what NATS handed out and was never admitted here
 * is among it, and so is what it was not yet told the end of.
 */
export async function lookAhead(
  link: NatsLink,
  { name, stream, subjects }: ConsumerRef,
  limit: number,
): Promise<Ahead> {
  const info = await consumerInfo(link, stream, name);
  if (info === null || info.num_pending + info.num_ack_pending === 0)
    return { messages: [], total: 0 };
  const unsettled = info.num_ack_pending > 0;
  const from = (unsettled ? info.ack_floor : info.delivered).stream_seq + 1;
  const out = Math.min(unsettledMax, info.delivered.stream_seq - from + 1);
  const messages = await readStream(
    link,
    stream,
    { from, toSeq: null, subjects, limit: limit + Math.max(0, out) },
    AbortSignal.timeout(aheadMs),
  );
  return { messages, total: info.num_pending };
}

/** Removes the oldest of our own streams that hold more bytes than they may and that nobody else limits. */
export async function trimStreams(
  link: NatsLink,
  limits: ReadonlyMap<string, number>,
): Promise<void> {
  if (limits.size === 0) return;
  const manager = await link.manager();
  await asking("list the streams", async () => {
    for await (const { config, state } of manager.streams.list()) {
      const limit = limits.get(config.name);
      const ours = config.description === ownMark && config.max_bytes < 0;
      if (limit === undefined || !ours || state.bytes <= limit) continue;
      const share = 1 - limit / state.bytes;
      const through = Math.ceil((state.last_seq - state.first_seq + 1) * share);
      await manager.streams.purge(config.name, { seq: state.first_seq + through });
    }
  });
}
