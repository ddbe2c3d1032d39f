/** Our settings in the words of JetStream, and back. */

import type { ConsumerSettings, StreamSettings } from "@lastgood/sdk";
import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  DiscardPolicy,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { Fault } from "../../../fault.ts";

/** What we made carries this; everything else is adopted as it is. */
export const ownMark = "Made by Lastgood";

/** Room for our own headers in the server's limit of one message. */
export const headerRoom = 512;
/**
 * JetStream sets `max_bytes` aside at once: inboxes of 5 GB each would fill a disk that they never use.
 * A larger limit than this is therefore not given to the server: our sweep keeps the stream within it.
 */
export const reservedBytesMax = 256 * 1024 * 1024;
/** JetStream goes on this much longer than we do, so that the last failure is ours to record. */
const deliveriesSpare = 2;

export function toStreamConfig(
  settings: StreamSettings,
): Omit<StreamConfig, "name" | "first_seq" | "max_consumers"> | Partial<StreamConfig> {
  return {
    description: ownMark,
    subjects: [...settings.subjects],
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    storage: settings.storage === "file" ? StorageType.File : StorageType.Memory,
    num_replicas: settings.replicas,
    max_age: nanos(settings.keepMs),
    max_bytes: settings.maxBytes > reservedBytesMax ? -1 : settings.maxBytes,
    max_msg_size: settings.maxMessageBytes + headerRoom,
    duplicate_window: nanos(Math.min(settings.duplicateWindowMs, settings.keepMs)),
  };
}

/** Unlimited is 0 for an age and -1 for a size, as in JetStream. */
export function fromStreamConfig(
  config: StreamConfig,
  maxPayload: number,
  asked: Pick<StreamSettings, "reviewer" | "maxBytes">,
): StreamSettings {
  const own = config.description === ownMark;
  const limit = config.max_msg_size > 0 ? Math.min(config.max_msg_size, maxPayload) : maxPayload;
  return {
    subjects: config.subjects ?? [],
    keepMs: config.max_age / 1e6,
    maxBytes: own && config.max_bytes < 0 ? asked.maxBytes : config.max_bytes,
    maxMessageBytes: limit - headerRoom,
    duplicateWindowMs: config.duplicate_window / 1e6,
    replicas: config.num_replicas,
    storage: config.storage,
    reviewer: asked.reviewer,
  };
}

export function toConsumerConfig(
  name: string,
  settings: ConsumerSettings,
  manyFilters: boolean,
): Partial<ConsumerConfig> {
  const [first, ...more] = settings.subjects;
  return {
    durable_name: name,
    description: ownMark,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    ack_wait: nanos(settings.ackWaitMs),
    max_deliver: settings.maxDeliver + deliveriesSpare,
    max_ack_pending: settings.maxInFlight,
    // A single filter is `filter_subject`: a list of filters is read far slower after a restart.
    ...(first !== undefined && more.length === 0 ? { filter_subject: first } : {}),
    ...(more.length > 0 && manyFilters ? { filter_subjects: [...settings.subjects] } : {}),
  };
}

/** An adopted consumer keeps its own ack wait and filter, and never more deliveries than it allows. */
export function fromConsumerConfig(
  config: ConsumerConfig,
  asked: ConsumerSettings,
  own: boolean,
): ConsumerSettings {
  const filters = config.filter_subjects ?? (config.filter_subject ? [config.filter_subject] : []);
  const deliveries = (config.max_deliver ?? -1) - (own ? deliveriesSpare : 0);
  const inFlight = config.max_ack_pending ?? 0;
  return {
    ...asked,
    subjects: filters.length > 0 ? filters : own ? asked.subjects : [],
    ackWaitMs: (config.ack_wait ?? nanos(30_000)) / 1e6,
    maxDeliver: deliveries > 0 ? Math.min(asked.maxDeliver, deliveries) : asked.maxDeliver,
    maxInFlight: inFlight > 0 ? Math.min(asked.maxInFlight, inFlight) : asked.maxInFlight,
  };
}

/** Consumers that the desk cannot serve are refused, with the reason. */
export function requireServable(name: string, config: ConsumerConfig): void {
  if (config.deliver_subject !== undefined) {
    throw new Fault(
      "state_forbids",
      `${name} is a push consumer, and Lastgood pulls: make a pull consumer, or choose another name.`,
    );
  }
  if (config.ack_policy !== AckPolicy.Explicit) {
    throw new Fault(
      "state_forbids",
      `${name} acknowledges ${config.ack_policy}, not each message: make one with ack policy explicit.`,
    );
  }
}
