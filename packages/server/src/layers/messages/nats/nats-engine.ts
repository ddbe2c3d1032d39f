/**
 * NATS JetStream as the engine. It keeps the streams and each durable consumer's position, redelivers,
 * and is told how each delivery ended.
 *
 *   J1. The server's max deliver is two above ours, so the handler's side writes the dead letter; a
 *       sweep finds what the server gave up on all the same.
 *   J2. Every settlement is confirmed by the server before `settle` returns.
 */
import { JetStreamApiCodes } from "@nats-io/jetstream";
import { nanos, headers as natsHeaders } from "@nats-io/transport-node";
import type { Logger } from "pino";
import type { Admit, MessageEngine, Settlement } from "../engine.ts";
import type { OutgoingMessage, StoredMessage } from "../message.ts";
import { createFeed } from "./nats-feed.ts";
import { asking, atLeast, type NatsLink, openNatsLink, requestMs } from "./nats-link.ts";
import { consumerInfo, makeConsumer, makeStream, streamInfo, unless } from "./nats-make.ts";
import { idHeader, senderHeader, toStored } from "./nats-pull.ts";
import { lookAhead, readStream, trimStreams } from "./nats-read.ts";
import { reservedBytesMax } from "./nats-settings.ts";
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

const trimMs = 60_000;

export function createNatsEngine({ url, log, admit, wake, back }: NatsEngineDeps): MessageEngine {
  const recent = createRecent();
  const keptByUs = new Map<string, number>();
  let trimmedAt = 0;
  const link: NatsLink = openNatsLink({
    url,
    onDisconnected: () => feed.drop(),
    onReconnected: back,
  });
  const settle = (reference: string, settlement: Settlement) =>
    request(link, reference, wordOf(settlement));
  const feed = createFeed({
    ...{ link, log, admit, wake },
    passOver: (reference) => settle(reference, "handled"),
    remember: recent.add,
  });

  return {
    describe: () => ({
      engine: "nats",
      version: link.version() ?? "unknown",
      reachable: link.reachable(),
      degraded: degradedOf(link.version()),
    }),
    async ensureStream(name, settings) {
      if (settings.maxBytes > reservedBytesMax) keptByUs.set(name, settings.maxBytes);
      return await makeStream(link, name, settings);
    },
    ensureConsumer: (name, settings) => makeConsumer(link, name, settings),
    publish: (message) => publish(link, message),
    read: (stream, range, signal) => readStream(link, stream, range, signal),
    async find(stream, seqs) {
      const found = await Promise.all(
        seqs.map(async (seq) => recent.find(stream, seq) ?? (await findOne(link, stream, seq))),
      );
      return found.filter((message) => message !== null);
    },
    async streamState(name) {
      const state = (await streamInfo(link, name))?.state;
      const { first_seq: firstSeq = 1, last_seq: lastSeq = 0 } = state ?? {};
      return { firstSeq, lastSeq, messages: state?.messages ?? 0, bytes: state?.bytes ?? 0 };
    },
    async unread({ stream, name }) {
      return (await consumerInfo(link, stream, name))?.num_pending ?? 0;
    },
    ahead: (consumer, limit) => lookAhead(link, consumer, limit),
    refill: async () => {},
    demand: feed.demand,
    settle,
    keepAlive: (reference) => request(link, reference, "+WPI"),
    async expire(now) {
      if (now.getTime() - trimmedAt < trimMs) return;
      trimmedAt = now.getTime();
      await trimStreams(link, keptByUs);
    },
    sweep: (overdue, report, signal) => sweepJetStream({ link, overdue, report, signal }),
    async stop() {
      feed.stop();
      await link.close();
    },
  };
}

/** A bare +TERM: with a reason, servers before 2.10 do not terminate. */
function wordOf(settlement: Settlement): string {
  if (settlement === "handled") return "+ACK";
  if (settlement === "dead") return "+TERM";
  if (settlement.againInMs === 0) return "-NAK";
  return `-NAK ${JSON.stringify({ delay: nanos(settlement.againInMs) })}`;
}

/** J2. The server answers every word on a delivery that asks for an answer. */
async function request(link: NatsLink, reference: string, word: string): Promise<void> {
  const connection = await link.connection();
  await asking("confirm how a delivery goes", () =>
    connection.request(reference, word, { timeout: requestMs }),
  );
}

async function publish(link: NatsLink, message: OutgoingMessage) {
  const client = await link.client();
  const headers = natsHeaders();
  for (const [name, value] of Object.entries(message.headers)) headers.set(name, value);
  if (message.sender !== null) headers.set(senderHeader, message.sender);
  headers.set(idHeader, message.id);
  const { seq, duplicate } = await asking("take a message", () =>
    client.publish(message.subject, message.payload, {
      headers,
      timeout: requestMs,
      expect: { streamName: message.stream },
    }),
  );
  return { seq, duplicate };
}

async function findOne(link: NatsLink, stream: string, seq: number): Promise<StoredMessage | null> {
  const manager = await link.manager();
  const found = await asking("read a message", () =>
    unless(JetStreamApiCodes.NoMessageFound, manager.streams.getMessage(stream, { seq })),
  );
  if (found === null) return null;
  return toStored(stream, seq, found.subject, found.header, found.data, found.time);
}

const recentMax = 1_000;
const recentBytesMax = 65_536;

/** Messages that just came, so that handing them out does not fetch them again. */
function createRecent() {
  const messages = new Map<string, StoredMessage>();
  return {
    find: (stream: string, seq: number) => messages.get(`${stream}:${seq}`) ?? null,
    add(message: StoredMessage) {
      if (message.payload.length > recentBytesMax) return;
      messages.set(`${message.stream}:${message.seq}`, message);
      if (messages.size > recentMax) messages.delete(messages.keys().next().value ?? "");
    },
  };
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
