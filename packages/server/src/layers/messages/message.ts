import type { DeadLetterReason, MessageCause, MessageEncoding } from "@lastgood/sdk";

/** A message on its way into a stream. */
export interface OutgoingMessage {
  readonly stream: string;
  readonly subject: string;
  readonly id: string;
  readonly sender: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: Buffer;
  readonly at: Date;
}

/** A message as a stream holds it. */
export interface StoredMessage extends OutgoingMessage {
  readonly seq: number;
}

/** What a consumer has not settled, as a row of ours. The content is read apart. */
export interface PendingMessage {
  readonly consumer: string;
  readonly stream: string;
  readonly seq: number;
  readonly messageId: string;
  readonly publishedAt: Date;
  readonly life: number;
  readonly cause: MessageCause;
  readonly deadLetter: string | null;
  /** Names the engine's own delivery, where the engine redelivers by itself. */
  readonly reference: string | null;
  readonly state: "due" | "out" | "resting";
  readonly deliveries: number;
  readonly epoch: number;
  readonly nonce: string | null;
  readonly holder: string | null;
  readonly session: string | null;
  readonly outSince: Date | null;
  readonly deadline: Date | null;
  readonly lastError: string | null;
}

export interface Choice<Row> {
  readonly deliver: readonly Row[];
  /** They used up their deliveries: dead letters. */
  readonly exhausted: readonly Row[];
}

/**
 * Which of the candidates go out now. A redelivery always may, since it holds its place in flight;
 * a first delivery only while fewer than `maxInFlight` messages have gone out without being settled.
 */
export function choose<Row extends { readonly deliveries: number }>(
  candidates: readonly Row[],
  limits: {
    readonly count: number;
    readonly maxDeliver: number;
    readonly maxInFlight: number;
    /** Messages of this consumer that have gone out and are not settled, candidates included. */
    readonly outstanding: number;
  },
): Choice<Row> {
  const exhausted = candidates.filter((row) => row.deliveries >= limits.maxDeliver);
  const again = candidates.filter(
    (row) => row.deliveries > 0 && row.deliveries < limits.maxDeliver,
  );
  const room = Math.max(0, limits.maxInFlight - limits.outstanding);
  const first = candidates.filter((row) => row.deliveries === 0).slice(0, room);
  return { deliver: [...again, ...first].slice(0, limits.count), exhausted };
}

/** What becomes of a message whose handler failed. While its consumer is held nothing dies. */
export function afterFailure(
  deliveries: number,
  { maxDeliver, held }: { readonly maxDeliver: number; readonly held: boolean },
): "rests" | "dies" {
  return deliveries >= maxDeliver && !held ? "dies" : "rests";
}

const restMsMin = 1_000;
const restMsMax = 30_000;

/** How long a failed message rests when its handler does not say: 1 s, doubling to 30 s. */
export function restMs(deliveries: number): number {
  return Math.min(restMsMax, restMsMin * 2 ** Math.max(0, deliveries - 1));
}

export const payloadKeptBytes = 4_096;

/** JSON where it is JSON, text where it is UTF-8, base64 otherwise. */
export function decodePayload(payload: Buffer): {
  readonly payload: unknown;
  readonly encoding: MessageEncoding;
} {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(payload);
  } catch {
    return { payload: payload.toString("base64"), encoding: "base64" };
  }
  try {
    return { payload: JSON.parse(text) as unknown, encoding: "json" };
  } catch {
    return { payload: text, encoding: "text" };
  }
}

/** What counts against a stream's limit: the content and its headers. */
export function sizeOf(message: Pick<OutgoingMessage, "payload" | "headers">): number {
  return Object.entries(message.headers).reduce(
    (total, [name, value]) => total + name.length + Buffer.byteLength(value) + 4,
    message.payload.length,
  );
}

/** Names one delivery. Only the newest of a message is honoured. */
export interface DeliveryKey {
  readonly consumer: string;
  readonly stream: string;
  readonly seq: number;
  readonly epoch: number;
  readonly nonce: string;
}

export function formatDeliveryToken(key: DeliveryKey): string {
  const { consumer, stream, seq, epoch, nonce } = key;
  return Buffer.from([consumer, stream, seq, epoch, nonce].join("\n")).toString("base64url");
}

/** Null for a text that no delivery ever had. */
export function parseDeliveryToken(token: string): DeliveryKey | null {
  const parts = Buffer.from(token, "base64url").toString("utf8").split("\n");
  const [consumer, stream, seq, epoch, nonce] = parts;
  const numbers = [Number(seq), Number(epoch)] as const;
  if (parts.length !== 5 || !consumer || !stream || !/^[0-9a-f]{16}$/.test(nonce ?? ""))
    return null;
  if (!numbers.every((each) => Number.isSafeInteger(each) && each > 0)) return null;
  return { consumer, stream, seq: numbers[0], epoch: numbers[1], nonce: nonce ?? "" };
}

/** A message that ended in a consumer, or that a stream refused. */
export interface Death {
  readonly reason: DeadLetterReason;
  readonly detail: string;
}
