/**
 * Brings messages from JetStream into pending while somebody waits for them.
 *
 *   At most one pull is under way per consumer. It is not cancelled when nobody waits any longer: what
 *   it still brings is admitted, and is there for the next who asks.
 */
import type { Logger } from "pino";
import type { Admit, Arrival, ConsumerRef } from "../engine.ts";
import type { StoredMessage } from "../message.ts";
import { fits } from "../subject.ts";
import type { NatsLink } from "./nats-link.ts";
import { type PulledMessage, pull } from "./nats-pull.ts";

export interface FeedDeps {
  readonly link: NatsLink;
  readonly log: Logger;
  readonly admit: Admit;
  /** The consumer's pull is over: whoever still waits must ask again. */
  wake(consumer: string): void;
  /** The consumer did not ask for this message: it is settled here. */
  passOver(reference: string): Promise<void>;
  remember(message: StoredMessage): void;
}

export interface Feed {
  demand(consumer: ConsumerRef, room: number): void;
  /** Pulls under way are lost with the connection. */
  drop(): void;
  stop(): void;
}

const pullMs = 25_000;
/** A pull that the server refuses at once is not repeated at once. */
const refusedMs = 500;
const pullBatchMax = 100;

export function createFeed({ link, log, admit, wake, passOver, remember }: FeedDeps): Feed {
  const pulls = new Set<string>();
  const stopping = new AbortController();
  let lost = new AbortController();

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
    const receive = ({ message, reference }: PulledMessage) => {
      if (consumer.subjects.length > 0 && !fits(message.subject, consumer.subjects)) {
        // Servers before 2.10 filter by one subject only.
        admitting = admitting.then(() => passOver(reference));
        return;
      }
      remember(message);
      if (arrived.push({ message, reference }) === 1) setImmediate(flush);
    };
    const request = {
      ...{ stream: consumer.stream, consumer: consumer.name },
      ...{ batch: Math.min(room, pullBatchMax), expiresMs: pullMs },
    };
    const over = AbortSignal.any([stopping.signal, lost.signal]);
    const end = await pull(connection, request, receive, over);
    flush();
    await admitting;
    const refused = end.status !== 0 && performance.now() - began < refusedMs;
    if (refused) await new Promise((resolve) => setTimeout(resolve, refusedMs));
  }

  return {
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
    drop() {
      lost.abort();
      lost = new AbortController();
    },
    stop: () => stopping.abort(),
  };
}
