/**
 * What carries the messages. Two engines keep this contract: the log in PostgreSQL and NATS JetStream.
 *
 * An engine keeps the streams and knows how far each durable consumer has read. Everything that makes
 * a delivery safe (fencing, dead letters, holds, handled ids, what was put back) is ours, in
 * PostgreSQL, and the same for both.
 *
 *   N1. What exists under a name is adopted as it is, never re-created.
 *   N2. `publish` resolves when the message is as durable as the engine makes it, and not before.
 *   N3. A message reaches `message_pending` before anyone is given it, and leaves the engine's own
 *       books (`settle`) only after ours say how it ended.
 */
import type { ConsumerSettings, StreamSettings } from "@lastgood/sdk";
import type { Query } from "../../store/database.ts";
import type { OutgoingMessage, StoredMessage } from "./message.ts";

export interface Published {
  readonly seq: number;
  readonly duplicate: boolean;
}

/** A stream or consumer as it is now in force, which for an adopted one may not be what was asked. */
export interface Ensured<Settings> {
  readonly adopted: boolean;
  readonly settings: Settings;
}

/** A message that the engine handed out to us for one of its durable consumers. */
export interface Arrival {
  readonly message: StoredMessage;
  readonly reference: string;
}

export interface EngineDescription {
  readonly engine: "embedded" | "nats";
  readonly version: string;
  readonly reachable: boolean;
  readonly degraded: readonly string[];
}

export interface StreamState {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly messages: number;
  readonly bytes: number;
}

export interface ReadRange {
  readonly from: number | Date;
  /** Up to and including; null: to the end as it is now. */
  readonly toSeq: number | null;
  /** Empty: all. */
  readonly subjects: readonly string[];
  readonly limit: number;
}

/** What a consumer would be given next. */
export interface Ahead {
  /** Oldest first, up to `limit` of them unknown to our books. */
  readonly messages: readonly StoredMessage[];
  /** How many our books do not know, counted up to 10,000. */
  readonly total: number;
}

/** How a delivery of the engine ends: handled, dead, or again after a time (in milliseconds). */
export type Settlement = "handled" | "dead" | { readonly againInMs: number };

/** What a sweep found in the engine's books. */
export interface Dropped {
  readonly consumer: string;
  readonly stream: string;
  readonly seq: number;
  readonly because: "max_deliver" | "rejected";
}

export interface ConsumerRef {
  readonly name: string;
  readonly stream: string;
  readonly subjects: readonly string[];
}

/** A row that the engine should redeliver by itself, and has not for too long. */
export interface Overdue extends ConsumerRef {
  readonly seqs: readonly number[];
}

export interface MessageEngine {
  describe(): EngineDescription;
  ensureStream(name: string, settings: StreamSettings): Promise<Ensured<StreamSettings>>;
  ensureConsumer(name: string, settings: ConsumerSettings): Promise<Ensured<ConsumerSettings>>;
  /** `within`: the caller's transaction, where the engine is in PostgreSQL itself. */
  publish(message: OutgoingMessage, within?: Query): Promise<Published>;
  /** Oldest first. */
  read(stream: string, range: ReadRange, signal: AbortSignal): Promise<readonly StoredMessage[]>;
  /**
   * The messages with these sequences that the stream still holds. With `bytesMax` no more of each content
   * is needed, and an engine that can read less does.
   */
  find(
    stream: string,
    seqs: readonly number[],
    bytesMax?: number,
  ): Promise<readonly StoredMessage[]>;
  streamState(name: string): Promise<StreamState>;
  /** How many messages the consumer has not been given. */
  unread(consumer: ConsumerRef): Promise<number>;
  /** Looks at what the consumer was not given and takes none of it; `bytesMax` as for `find`. */
  ahead(consumer: ConsumerRef, limit: number, bytesMax: number): Promise<Ahead>;
  /** Within the caller's transaction, which holds the consumer's row lock: up to `count` to pending. */
  refill(db: Query, consumer: string, count: number): Promise<void>;
  /** Somebody waits for this consumer: what arrives is admitted to pending, and wakes them. */
  demand(consumer: ConsumerRef, room: number): void;
  /** Ends a delivery of the engine, and returns when the engine has confirmed it. */
  settle(reference: string, settlement: Settlement): Promise<void>;
  /** Restarts the engine's ack wait. */
  keepAlive(reference: string): Promise<void>;
  /** Enforces the streams' age where the engine leaves that to us. */
  expire(now: Date): Promise<void>;
  /** Reports what the engine gave up on by itself, each until `report` has resolved for it. */
  sweep(
    overdue: readonly Overdue[],
    report: (dropped: Dropped) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void>;
  stop(): Promise<void>;
}

/** What an engine that delivers by itself hands its deliveries to. */
export type Admit = (consumer: string, arrivals: readonly Arrival[]) => Promise<void>;
