/**
 * NATS JetStream as the engine. It keeps the streams and each durable consumer's position, redelivers,
 * and is told how each delivery ended.
 *
 *   J1. At most one pull is under way per consumer. It is not cancelled when nobody waits any longer:
 *       what it still brings is admitted to pending and is there for the next who asks.
 *   J2. The server's max deliver is two above ours, so the handler's side writes the dead letter; a
 *       sweep finds what the server gave up on all the same.
 *   J3. Every settlement is confirmed by the server before `settle` returns.
 */
import {
  type ConsumerInfo,
  JetStreamApiCodes,
  JetStreamApiError,
  type StreamInfo,
} from "@nats-io/jetstream";
import { nanos, headers as natsHeaders } from "@nats-io/transport-node";
import type { Logger } from "pino";
import type { Admit, Arrival, ConsumerRef, Ensured, MessageEngine, Settlement } from "../engine.ts";
import type { StoredMessage } from "../message.ts";
import { fits } from "../subject.ts";
import { asking, atLeast, openNatsLink, requestMs } from "./nats-link.ts";
import { idHeader, pull, senderHeader, toStored } from "./nats-pull.ts";
import { readStream, trimStreams } from "./nats-read.ts";
import {
  fromConsumerConfig,
  fromStreamConfig,
  ownMark,
  requireServable,
  reservedBytesMax,
  toConsumerConfig,
  toStreamConfig,
} from "./nats-settings.ts";
import { sweepJetStream } from "./nats-sweep.ts";

export interface NatsEngineDeps {
  readonly url: string;
  readonly log: Logger;
  readonly admit: Admit;
  /** The consumer's pull is over: whoever still waits must ask again. */
  wake(consumer: string): void;
  /** The server is back: everybody may ask it again. */
  back(): void;
}

const pullMs = 25_000;
/** A pull that the server refuses at once is not repeated at once. */
const refusedMs = 500;
const pullBatchMax = 100;
const recentMax = 1_000;
const trimMs = 60_000;

export function createNatsEngine({ url, log, admit, wake, back }: NatsEngineDeps): MessageEngine {
  const pulls = new Set<string>();
  const stopping = new AbortController();
  const recent = new Map<string, StoredMessage>();
  const keptByUs = new Map<string, number>();
  let lost = new AbortController();
  let trimmedAt = 0;
  const link = openNatsLink({
    url,
    onDisconnected() {
      lost.abort();
      lost = new AbortController();
    },
    onReconnected: back,
  });

  function remember(message: StoredMessage): void {
    recent.set(`${message.stream}:${message.seq}`, message);
    if (recent.size > recentMax) recent.delete(recent.keys().next().value ?? "");
  }

  async function runPull(consumer: ConsumerRef, room: number): Promise<void> {
    const connection = await link.connection();
    const began = performance.now();
    let arrived: Arrival[] = [];
    let admitting = Promise.resolve();
    const flush = () => {
      const batch = arrived;
      arrived = [];
      if (batch.length > 0) admitting = admitting.then(() => admit(consumer.name, batch));
    };
    const end = await pull(
      connection,
      {
        stream: consumer.stream,
        consumer: consumer.name,
        batch: Math.min(room, pullBatchMax),
        expiresMs: pullMs,
      },
      ({ message, reference }) => {
        if (consumer.subjects.length > 0 && !fits(message.subject, consumer.subjects)) {
          // Servers before 2.10 filter by one subject only: the others are passed over here.
          admitting = admitting.then(() => settle(reference, "handled"));
          return;
        }
        remember(message);
        if (arrived.push({ message, reference }) === 1) setImmediate(flush);
      },
      AbortSignal.any([stopping.signal, lost.signal]),
    );
    flush();
    await admitting;
    const refused = end.status !== 0 && performance.now() - began < refusedMs;
    if (refused) await new Promise((resolve) => setTimeout(resolve, refusedMs));
  }

  async function settle(reference: string, settlement: Settlement): Promise<void> {
    const connection = await link.connection();
    // A bare +TERM: with a reason, servers before 2.10 do not terminate.
    const says =
      settlement === "handled"
        ? "+ACK"
        : settlement === "dead"
          ? "+TERM"
          : settlement.againInMs === 0
            ? "-NAK"
            : `-NAK ${JSON.stringify({ delay: nanos(settlement.againInMs) })}`;
    await asking("confirm how a delivery ended", () =>
      connection.request(reference, says, { timeout: requestMs }),
    );
  }

  async function streamInfo(name: string): Promise<StreamInfo | null> {
    const manager = await link.manager();
    return await asking("describe a stream", () =>
      unless(JetStreamApiCodes.StreamNotFound, manager.streams.info(name)),
    );
  }

  async function consumerInfo(stream: string, name: string): Promise<ConsumerInfo | null> {
    const manager = await link.manager();
    return await asking("describe a consumer", () =>
      unless(JetStreamApiCodes.ConsumerNotFound, manager.consumers.info(stream, name)),
    );
  }

  async function findOne(stream: string, seq: number): Promise<StoredMessage | null> {
    const known = recent.get(`${stream}:${seq}`);
    if (known !== undefined) return known;
    const manager = await link.manager();
    const found = await asking("read a message", () =>
      unless(JetStreamApiCodes.NoMessageFound, manager.streams.getMessage(stream, { seq })),
    );
    if (found === null) return null;
    return toStored(stream, seq, found.subject, found.header, found.data, found.time);
  }

  return {
    describe: () => ({
      engine: "nats",
      version: link.version() ?? "unknown",
      reachable: link.reachable(),
      degraded: degradedOf(link.version()),
    }),
    async ensureStream(name, settings) {
      const { info: server } = await link.connection();
      const manager = await link.manager();
      const maxPayload = server?.max_payload ?? 1_048_576;
      const within = {
        ...settings,
        maxMessageBytes: Math.min(settings.maxMessageBytes, maxPayload - 512),
      };
      const config = toStreamConfig(within);
      const existing = await streamInfo(name);
      const made =
        existing === null
          ? await asking(`make the stream ${name}`, () => manager.streams.add({ name, ...config }))
          : existing.config.description === ownMark
            ? await asking(`change the stream ${name}`, () => manager.streams.update(name, config))
            : existing;
      if (settings.maxBytes > reservedBytesMax) keptByUs.set(name, settings.maxBytes);
      return {
        adopted: made.config.description !== ownMark,
        settings: fromStreamConfig(made.config, maxPayload, settings),
      };
    },
    async ensureConsumer(name, settings): Promise<Ensured<typeof settings>> {
      const manager = await link.manager();
      const { stream } = settings;
      const config = toConsumerConfig(name, settings, atLeast(link.version(), 2, 10));
      const existing = await consumerInfo(stream, name);
      if (existing !== null) requireServable(name, existing.config);
      const own = existing === null || existing.config.description === ownMark;
      const made =
        existing === null
          ? await asking(`make the consumer ${name}`, () => manager.consumers.add(stream, config))
          : own
            ? await asking(`change the consumer ${name}`, () =>
                manager.consumers.update(stream, name, config),
              )
            : existing;
      return { adopted: !own, settings: fromConsumerConfig(made.config, settings, own) };
    },
    async publish(message) {
      const client = await link.client();
      const headers = natsHeaders();
      for (const [name, value] of Object.entries(message.headers)) headers.set(name, value);
      if (message.sender !== null) headers.set(senderHeader, message.sender);
      headers.set(idHeader, message.id);
      const acknowledged = await asking("take a message", () =>
        client.publish(message.subject, message.payload, {
          headers,
          timeout: requestMs,
          expect: { streamName: message.stream },
        }),
      );
      return { seq: acknowledged.seq, duplicate: acknowledged.duplicate };
    },
    read: (stream, range, signal) => readStream(link, stream, range, signal),
    async find(stream, seqs) {
      const found = await Promise.all(seqs.map((seq) => findOne(stream, seq)));
      return found.filter((message) => message !== null);
    },
    async streamState(name) {
      const info = await streamInfo(name);
      const {
        first_seq: firstSeq = 1,
        last_seq: lastSeq = 0,
        messages = 0,
        bytes = 0,
      } = info?.state ?? {};
      return { firstSeq, lastSeq, messages, bytes };
    },
    async unread({ stream, name }) {
      return (await consumerInfo(stream, name))?.num_pending ?? 0;
    },
    refill: async () => {},
    demand(consumer, room) {
      if (pulls.has(consumer.name) || stopping.signal.aborted) return;
      pulls.add(consumer.name);
      void runPull(consumer, room)
        .catch(async (error: unknown) => {
          // What was pulled and not admitted comes again after the ack wait.
          log.error({ err: error, consumer: consumer.name }, "a pull failed; it will be repeated");
          await new Promise((resolve) => setTimeout(resolve, refusedMs));
        })
        .finally(() => {
          pulls.delete(consumer.name);
          wake(consumer.name);
        });
    },
    settle,
    async keepAlive(reference) {
      const connection = await link.connection();
      await asking("renew a delivery", () =>
        connection.request(reference, "+WPI", { timeout: requestMs }),
      );
    },
    async expire(now) {
      if (now.getTime() - trimmedAt < trimMs) return;
      trimmedAt = now.getTime();
      await trimStreams(link, keptByUs);
    },
    async sweep(overdue, report, signal) {
      await sweepJetStream({ link, consumerInfo, overdue, report, signal });
    },
    async stop() {
      stopping.abort();
      await link.close();
    },
  };
}

async function unless<T>(code: number, work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === code) return null;
    throw error;
  }
}

function degradedOf(version: string | null): readonly string[] {
  if (version === null) return [];
  const said: string[] = [];
  if (!atLeast(version, 2, 10)) {
    said.push(
      "Before 2.10 a consumer of several subjects reads its whole stream, and Lastgood passes over the rest.",
      "Before 2.10 `sync_interval: always` is refused: what was acknowledged may be lost in a power failure.",
      "Before 2.10 the server says that it gave a message up only at the next pull.",
    );
  } else {
    said.push(
      "After a restart of the server a consumer of several subjects is read slowly: prefer one, or a wildcard.",
    );
  }
  if (atLeast(version, 2, 11)) said.push(`Not tested with ${version}: 2.9.10 and 2.10.27 are.`);
  return said;
}
