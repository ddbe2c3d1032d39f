import { type Call, segment } from "../call.ts";
import type { BriefMessage } from "./briefs.ts";

/** To a subject, or to the inbox of an agent or of a role: exactly one of the three. */
export interface NewMessage {
  readonly subject?: string;
  readonly agent?: string;
  readonly role?: string;
  /** A second publish under the same id within the stream's duplicate window is dropped. */
  readonly id?: string;
  /** JSON. With `headers` at most the stream's `maxMessageBytes` (1 MiB by default). */
  readonly payload: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Who sends, for operators; an agent's token always sends as its agent. */
  readonly sender?: string;
  /** Content that is too large for the stream goes to state, and the message carries a `ClaimCheck`. */
  readonly offload?: boolean;
}

/** Where the content of a message lies in state: `payloadOf` reads it. */
export interface ClaimCheck {
  readonly collection: string;
  /** Documents `{ text }`, each a part of the content in base64. */
  readonly parts: readonly string[];
  readonly bytes: number;
  readonly sha256: string;
}

export interface PublishedMessage {
  readonly id: string;
  readonly stream: string;
  readonly seq: number;
  readonly subject: string;
  /** The id was seen within the duplicate window: nothing new was written. */
  readonly duplicate: boolean;
}

export type MessageCause = "log" | "requeue" | "reroute" | "replay";
export type MessageEncoding = "json" | "text" | "base64";

/** One message in the hands of one handler, until `deadline`. */
export interface MessageDelivery {
  /** Names this very delivery: an older one of the same message is `fenced`. */
  readonly token: string;
  readonly consumer: string;
  readonly stream: string;
  readonly seq: number;
  readonly id: string;
  readonly subject: string;
  /** Null where the message did not come through Lastgood. */
  readonly sender: string | null;
  readonly publishedAt: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The JSON value; text or base64 where the content is no JSON. */
  readonly payload: unknown;
  readonly encoding: MessageEncoding;
  /** How many times it went out, this one included. */
  readonly deliveries: number;
  readonly maxDeliver: number;
  readonly deadline: string;
  /** Why the last delivery failed. */
  readonly lastError: string | null;
  /** The message id was already handled: acknowledge without doing the work again. */
  readonly handled: boolean;
  /** `log` for an ordinary delivery, otherwise how it was put back. */
  readonly cause: MessageCause;
  /** Later messages went out before this one: order is broken here. */
  readonly overtaken: boolean;
}

export interface FetchMessages {
  /** At most this many, 1 to 100. Default 1. */
  readonly max?: number;
  /** How long to wait for the first, 0 to 60,000. Default 0. */
  readonly waitMs?: number;
  /** The session that handles them, so that its end gives them back. */
  readonly session?: string | undefined;
}

export interface Progress {
  readonly deadline: string;
  /** False once `maxHandle` is used up: the message goes to another handler after the deadline. */
  readonly renewed: boolean;
}

export interface FailedDelivery {
  /** Where the message went: it waits for its next delivery, or it is a dead letter. */
  readonly outcome: "waits" | "dead";
  readonly again: string | null;
  readonly deadLetter: string | null;
}

export type DeadLetterReason =
  | "max_deliver"
  | "oversized"
  | "malformed"
  | "handler_error"
  | "rejected"
  | "misrouted";
export type DeadLetterState = "dead" | "requeued" | "rerouted" | "discarded";

export interface DeadLetter {
  readonly id: string;
  readonly diedAt: string;
  /** Null for a refused publish that fits no stream. */
  readonly stream: string | null;
  /** Null for a refused publish: the stream never held it. */
  readonly seq: number | null;
  readonly consumer: string | null;
  /** How often the message had been put back before. */
  readonly life: number;
  readonly messageId: string;
  readonly subject: string;
  readonly sender: string | null;
  readonly size: number;
  readonly sha256: string;
  /** False when only the first 4 kB were kept: it cannot be put back. */
  readonly complete: boolean;
  readonly publishedAt: string | null;
  readonly reason: DeadLetterReason;
  readonly detail: string;
  readonly deliveries: number;
  /** How often the same publish was refused. */
  readonly times: number;
  readonly state: DeadLetterState;
  readonly settledAt: string | null;
  readonly settledBy: string | null;
  readonly settledBecause: string | null;
  readonly destination: string | null;
}

export interface DeadLetterContent extends DeadLetter {
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: unknown;
  readonly encoding: MessageEncoding;
}

export interface DeadLetterQuery {
  /** An ISO time, or a span back from now such as `2h`. */
  readonly since?: string;
  readonly consumer?: string;
  readonly stream?: string;
  readonly sender?: string;
  readonly reason?: DeadLetterReason;
  readonly state?: DeadLetterState;
  /** 1 to 1,000; default 100. */
  readonly limit?: number;
}

/** Dead letters counted: an early warning. */
export interface DeadLetterAnalysis {
  readonly total: number;
  readonly byReason: Readonly<Record<string, number>>;
  readonly bySender: Readonly<Record<string, number>>;
  readonly byConsumer: Readonly<Record<string, number>>;
  /** Upper bounds of the size classes in bytes: `1024`, `16384`, `131072`, `1048576`, `more`. */
  readonly bySize: Readonly<Record<string, number>>;
}

export interface StreamSettings {
  readonly subjects: readonly string[];
  readonly keepMs: number;
  readonly maxBytes: number;
  readonly maxMessageBytes: number;
  readonly duplicateWindowMs: number;
  readonly replicas: number;
  readonly storage: "file" | "memory";
  readonly reviewer: string | null;
}

export interface MessageStream extends StreamSettings {
  readonly name: string;
  /** It existed in NATS before Lastgood: its settings are its own. */
  readonly adopted: boolean;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly messages: number;
  readonly bytes: number;
}

export interface ConsumerSettings {
  readonly stream: string;
  readonly agent: string | null;
  readonly role: string | null;
  /** Subjects that it takes; empty takes all of the stream. */
  readonly subjects: readonly string[];
  readonly ackWaitMs: number;
  readonly maxDeliver: number;
  readonly maxInFlight: number;
  readonly maxHandleMs: number;
}

export interface MessageHold {
  readonly hold: string;
  readonly heldBy: string;
  readonly because: string;
  readonly at: string;
}

export interface MessageConsumer extends ConsumerSettings {
  readonly name: string;
  readonly adopted: boolean;
  /** It delivers nothing while there is any. */
  readonly holds: readonly MessageHold[];
  /** Not yet delivered, put back included. */
  readonly waiting: number;
  /** With a handler now. */
  readonly inFlight: number;
  /** Failed, and waiting for their next delivery. */
  readonly resting: number;
  readonly handled: number;
  readonly deadLetters: number;
  /** Removed by the stream's limits before they were settled. */
  readonly missed: number;
  readonly oldestWaitingAt: string | null;
}

export interface ReplayMessages {
  /** A sequence number, or an ISO time or span back from now such as `2h`: one of the two. */
  readonly fromSeq?: number;
  readonly from?: string;
  /** Up to and including. */
  readonly toSeq?: number;
  readonly because: string;
}

export interface ReplayedMessages {
  readonly replayed: number;
  readonly firstSeq: number | null;
  readonly lastSeq: number | null;
  /** Where to go on, when there are more than 10,000. */
  readonly nextSeq: number | null;
}

export interface MessagesEngine {
  readonly engine: "embedded" | "nats";
  readonly version: string;
  readonly reachable: boolean;
  /** What this engine cannot do, or was not tested with. */
  readonly degraded: readonly string[];
}

const waitSlackMs = 15_000;

export function messagesApi(call: Call) {
  const post = <T>(path: string, body: unknown, signal?: AbortSignal, timeoutMs?: number) =>
    call<T>("POST", path, {
      body,
      ...(signal && { signal }),
      ...(timeoutMs !== undefined && { timeoutMs }),
    });
  const delivery = (token: string, verb: string) => `/v1/deliveries/${segment(token)}/${verb}`;
  const fetchFrom = (path: string, options: FetchMessages, signal?: AbortSignal) =>
    post<{ messages: readonly MessageDelivery[] }>(
      path,
      options,
      signal,
      (options.waitMs ?? 0) + waitSlackMs,
    );
  return {
    publishMessage: (message: NewMessage, signal?: AbortSignal) =>
      post<PublishedMessage>("/v1/messages", message, signal),
    messagesEngine: () => call<MessagesEngine>("GET", "/v1/messages/engine"),

    /** From one consumer. Resolves with none when `waitMs` is over. */
    fetchMessages: (consumer: string, options: FetchMessages = {}, signal?: AbortSignal) =>
      fetchFrom(`/v1/consumers/${segment(consumer)}/fetch`, options, signal),
    /** From an agent's own inbox and those of its roles. */
    fetchInbox: (agent: string, options: FetchMessages = {}, signal?: AbortSignal) =>
      fetchFrom(`/v1/inboxes/${segment(agent)}/fetch`, options, signal),
    /** Handled: the message id is recorded, and it does not come again. Repeating it changes nothing. */
    /** What waits for the agent and its roles, oldest first, without taking any of it. At most 1,000. */
    inbox: (agent: string, query: { limit?: number } = {}) =>
      call<{ messages: readonly BriefMessage[]; more: number }>(
        "GET",
        `/v1/inboxes/${segment(agent)}`,
        { query: { ...query } },
      ),
    ackMessage: (token: string, signal?: AbortSignal) =>
      post<{ already: boolean }>(delivery(token, "ack"), {}, signal),
    /** Failed: it comes again after `delayMs` (by default 1 s, doubling), or is a dead letter. */
    nakMessage: (token: string, failure: { delayMs?: number; reason: string }) =>
      post<FailedDelivery>(delivery(token, "nak"), failure),
    /** The handler is getting on: the deadline moves, at most to `maxHandle`. */
    progressMessage: (token: string) => post<Progress>(delivery(token, "progress"), {}),
    /** It can never be handled: a dead letter at once. */
    rejectMessage: (
      token: string,
      rejection: { reason: "malformed" | "rejected" | "misrouted"; detail: string },
    ) => post<FailedDelivery>(delivery(token, "reject"), rejection),

    streams: () => call<{ streams: readonly MessageStream[] }>("GET", "/v1/streams"),
    stream: (name: string) => call<MessageStream>("GET", `/v1/streams/${segment(name)}`),
    /** Adopts the stream of that name, or makes it. */
    ensureStream: (name: string, settings: Partial<StreamSettings>) =>
      call<MessageStream>("PUT", `/v1/streams/${segment(name)}`, { body: settings }),
    consumers: (query: { agent?: string; role?: string } = {}) =>
      call<{ consumers: readonly MessageConsumer[] }>("GET", "/v1/consumers", { query }),
    consumer: (name: string) => call<MessageConsumer>("GET", `/v1/consumers/${segment(name)}`),
    /** Adopts the durable consumer of that name, or makes it. */
    ensureConsumer: (name: string, settings: Partial<ConsumerSettings>) =>
      call<MessageConsumer>("PUT", `/v1/consumers/${segment(name)}`, { body: settings }),
    holdConsumer: (name: string, because: string) =>
      post<MessageConsumer>(`/v1/consumers/${segment(name)}/hold`, { because }),
    /** Ends every hold; what failed meanwhile comes at once, each with at least one more delivery. */
    releaseConsumer: (name: string, because: string) =>
      post<MessageConsumer>(`/v1/consumers/${segment(name)}/release`, { because }),
    /** Delivers again to this consumer alone. */
    replayMessages: (name: string, replay: ReplayMessages) =>
      post<ReplayedMessages>(`/v1/consumers/${segment(name)}/replay`, replay),

    deadLetters: (query: DeadLetterQuery = {}) =>
      call<{ deadLetters: readonly DeadLetter[]; more: boolean }>("GET", "/v1/dead-letters", {
        query: { ...query },
      }),
    deadLetter: (id: string) => call<DeadLetterContent>("GET", `/v1/dead-letters/${segment(id)}`),
    analyseDeadLetters: (query: { since?: string } = {}) =>
      call<DeadLetterAnalysis>("GET", "/v1/dead-letters/analysis", { query }),
    /** Back to the consumer that it died in, under its own id, once. */
    requeueDeadLetter: (id: string, because: string) =>
      post<DeadLetter>(`/v1/dead-letters/${segment(id)}/requeue`, { because }),
    /** To another consumer, under its own id, once. */
    rerouteDeadLetter: (
      id: string,
      to: { consumer?: string; agent?: string; role?: string; because: string },
    ) => post<DeadLetter>(`/v1/dead-letters/${segment(id)}/reroute`, to),
    discardDeadLetter: (id: string, because: string) =>
      post<DeadLetter>(`/v1/dead-letters/${segment(id)}/discard`, { because }),
  };
}
