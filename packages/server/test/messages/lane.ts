import assert from "node:assert/strict";
import type { ConsumerSettings, DeadLetter, MessageDelivery, StreamSettings } from "@lastgood/sdk";
import { until } from "../support/until.ts";
import type { MessagesWorld } from "./world.ts";

/** A stream of one test's own, and its consumers. */
export interface Lane {
  readonly stream: string;
  readonly subject: string;
  readonly consumer: string;
  /** A further consumer of the same stream. */
  add(settings?: Partial<ConsumerSettings>): Promise<string>;
  send(id: string, payload?: unknown): Promise<number>;
  /** One message, which must come. */
  next(waitMs?: number): Promise<MessageDelivery>;
  /** Nothing comes within the time. */
  quiet(withinMs: number, consumer?: string): Promise<void>;
  deaths(consumer?: string): Promise<readonly DeadLetter[]>;
  death(): Promise<DeadLetter>;
}

let lanes = 0;

export const briefly = { ackWaitMs: 10_000, maxDeliver: 3, maxInFlight: 1, maxHandleMs: 60_000 };

export async function openLane(
  { client, next, take }: MessagesWorld,
  settings: Partial<ConsumerSettings> = {},
  stream: Partial<StreamSettings> = {},
): Promise<Lane> {
  lanes += 1;
  const number = lanes;
  const name = `LANE_${number}`;
  const subject = `lane${number}.work`;
  await client.ensureStream(name, { subjects: [`lane${number}.>`], ...stream });
  let added = 0;
  const add = async (more: Partial<ConsumerSettings> = {}) => {
    added += 1;
    const consumer = `lane-${number}-${added}`;
    await client.ensureConsumer(consumer, { stream: name, ...briefly, ...more });
    return consumer;
  };
  const consumer = await add(settings);
  const deaths = async (of = consumer) => (await client.deadLetters({ consumer: of })).deadLetters;
  return {
    ...{ stream: name, subject, consumer, add, deaths },
    async send(id, payload = { id }) {
      return (await client.publishMessage({ subject, id, payload })).seq;
    },
    next: (waitMs) => next(consumer, waitMs),
    async quiet(withinMs, of = consumer) {
      const came = await take(of, withinMs);
      assert.deepEqual(
        came.map((message) => message.id),
        [],
      );
    },
    async death() {
      const [letter] = await until("a dead letter", async () => {
        const found = await deaths();
        return found.length > 0 && found;
      });
      assert.ok(letter);
      return letter;
    },
  };
}
