/** Making streams and consumers in JetStream, or adopting those that are there. */

import type { ConsumerSettings, StreamSettings } from "@lastgood/sdk";
import {
  type ConsumerInfo,
  JetStreamApiCodes,
  JetStreamApiError,
  type StreamInfo,
} from "@nats-io/jetstream";
import type { Ensured } from "../engine.ts";
import { asking, atLeast, type NatsLink } from "./nats-link.ts";
import {
  fromConsumerConfig,
  fromStreamConfig,
  headerRoom,
  ownMark,
  requireServable,
  toConsumerConfig,
  toStreamConfig,
} from "./nats-settings.ts";

const usualMaxPayload = 1_048_576;

export async function makeStream(
  link: NatsLink,
  name: string,
  settings: StreamSettings,
): Promise<Ensured<StreamSettings>> {
  const { info: server } = await link.connection();
  const manager = await link.manager();
  const maxPayload = server?.max_payload ?? usualMaxPayload;
  const config = toStreamConfig({
    ...settings,
    maxMessageBytes: Math.min(settings.maxMessageBytes, maxPayload - headerRoom),
  });
  const existing = await streamInfo(link, name);
  let made = existing;
  if (existing === null) {
    made = await asking(`make the stream ${name}`, () => manager.streams.add({ name, ...config }));
  } else if (existing.config.description === ownMark) {
    made = await asking(`change the stream ${name}`, () => manager.streams.update(name, config));
  }
  const inForce = made ?? existing;
  if (inForce === null) throw new Error("a stream that is neither made nor found");
  return {
    adopted: inForce.config.description !== ownMark,
    settings: fromStreamConfig(inForce.config, maxPayload, settings),
  };
}

export async function makeConsumer(
  link: NatsLink,
  name: string,
  settings: ConsumerSettings,
): Promise<Ensured<ConsumerSettings>> {
  const { stream } = settings;
  const manager = await link.manager();
  const config = toConsumerConfig(name, settings, atLeast(link.version(), 2, 10));
  const existing = await consumerInfo(link, stream, name);
  if (existing === null) {
    const made = await asking(`make the consumer ${name}`, () =>
      manager.consumers.add(stream, config),
    );
    return { adopted: false, settings: fromConsumerConfig(made.config, settings, true) };
  }
  requireServable(name, existing.config);
  if (existing.config.description !== ownMark) {
    return { adopted: true, settings: fromConsumerConfig(existing.config, settings, false) };
  }
  const changed = await asking(`change the consumer ${name}`, () =>
    manager.consumers.update(stream, name, config),
  );
  return { adopted: false, settings: fromConsumerConfig(changed.config, settings, true) };
}

/** Null where there is none. */
export async function streamInfo(link: NatsLink, name: string): Promise<StreamInfo | null> {
  const manager = await link.manager();
  return await asking("describe a stream", () =>
    unless(JetStreamApiCodes.StreamNotFound, manager.streams.info(name)),
  );
}

/** Null where there is none. */
export async function consumerInfo(
  link: NatsLink,
  stream: string,
  name: string,
): Promise<ConsumerInfo | null> {
  const manager = await link.manager();
  return await asking("describe a consumer", () =>
    unless(JetStreamApiCodes.ConsumerNotFound, manager.consumers.info(stream, name)),
  );
}

/** Null where the server answers with this code. */
export async function unless<T>(code: number, work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === code) return null;
    throw error;
  }
}
