/**
 * Pull requests to a JetStream consumer, spoken directly: one request, and what it brings until the
 * server says that it is over.
 */
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { createInbox, nanos } from "@nats-io/transport-node";
import type { StoredMessage } from "../message.ts";

export interface PullRequest {
  readonly stream: string;
  readonly consumer: string;
  readonly batch: number;
  /** How long the server keeps the request; 0 asks for what is there now. */
  readonly expiresMs: number;
}

export interface PulledMessage {
  readonly message: StoredMessage;
  readonly reference: string;
  /** How many more messages the consumer has after this one. */
  readonly remaining: number;
}

/** Over because the batch is full (0), because the time is over (408, 404), or for another reason. */
export interface PullEnd {
  readonly status: number;
  readonly description: string;
}

const graceMs = 2_000;

/**
 * Calls `onMessage` for each message and resolves when the request is over, or `signal` aborts it. A
 * message that the server sends after an abort is lost to us and comes again after the ack wait.
 */
export function pull(
  connection: NatsConnection,
  request: PullRequest,
  onMessage: (pulled: PulledMessage) => void,
  signal: AbortSignal,
): Promise<PullEnd> {
  return new Promise((resolve) => {
    const inbox = createInbox();
    let received = 0;
    const end = (status: number, description: string) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", aborted);
      subscription.unsubscribe();
      resolve({ status, description });
    };
    const aborted = () => end(-1, "aborted");
    const timer = setTimeout(() => end(408, "nothing came"), request.expiresMs + graceMs);
    const subscription = connection.subscribe(inbox, {
      callback: (error, msg) => {
        if (error !== null) return end(-1, error.message);
        const status = statusOf(msg);
        // 100 is a sign of life.
        if (status !== null && status.status < 200) return;
        if (status !== null) return end(status.status, status.description);
        onMessage(toPulled(msg, request.stream));
        received += 1;
        if (received === request.batch) end(0, "complete");
      },
    });
    signal.addEventListener("abort", aborted);
    if (signal.aborted) return aborted();
    connection.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${request.stream}.${request.consumer}`,
      JSON.stringify({
        batch: request.batch,
        ...(request.expiresMs === 0 ? { no_wait: true } : { expires: nanos(request.expiresMs) }),
      }),
      { reply: inbox },
    );
  });
}

function statusOf(msg: Msg): PullEnd | null {
  const status = msg.headers?.code ?? 0;
  if (msg.data.length > 0 || status === 0) return null;
  return { status, description: msg.headers?.description ?? "" };
}

/** `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<count>.<seq>.<consumer seq>.<time>.<remaining>` */
function toPulled(msg: Msg, stream: string): PulledMessage {
  const reference = msg.reply ?? "";
  const tokens = reference.split(".");
  const first = tokens.length >= 11 ? 4 : 2;
  const [seq = 0, , timeNanos = 0, remaining = 0] = tokens.slice(first + 3).map(Number);
  return {
    reference,
    remaining,
    message: toStored(stream, seq, msg.subject, msg.headers, msg.data, new Date(timeNanos / 1e6)),
  };
}

const ownHeaders = /^(nats|lastgood)-/i;
export const senderHeader = "Lastgood-Sender";
export const idHeader = "Nats-Msg-Id";

/** A message as NATS holds it. One that was published without an id is named by its place. */
export function toStored(
  stream: string,
  seq: number,
  subject: string,
  headers: Msg["headers"],
  data: Uint8Array,
  at: Date,
): StoredMessage {
  const names = headers?.keys() ?? [];
  return {
    stream,
    seq,
    subject,
    at,
    id: headers?.get(idHeader) || `${stream}:${seq}@${at.getTime()}`,
    sender: headers?.get(senderHeader) || null,
    headers: Object.fromEntries(
      names
        .filter((name) => !ownHeaders.test(name))
        .map((name) => [name, headers?.values(name).join(", ") ?? ""]),
    ),
    payload: Buffer.from(data),
  };
}
