/** The SDK's shapes as zod: a difference between the two does not compile. */
import type {
  BriefMessage,
  DeadLetter,
  DeadLetterContent,
  FailedDelivery,
  MessageConsumer,
  MessageDelivery,
  MessageStream,
  MessagesEngine,
  PublishedMessage,
  ReplayedMessages,
} from "@lastgood/sdk";
import { z } from "zod";

export const name = z.string().min(1).max(100);
export const because = z.string().trim().min(1).max(1_000);
export const deadLetterReasons = [
  "max_deliver",
  "oversized",
  "malformed",
  "handler_error",
  "rejected",
  "misrouted",
] as const;
export const deadLetterStates = ["dead", "requeued", "rerouted", "discarded"] as const;
const encoding = z.enum(["json", "text", "base64"]);

export const publishedSchema: z.ZodType<PublishedMessage> = z.object({
  id: z.string(),
  stream: z.string(),
  seq: z.number(),
  subject: z.string(),
  duplicate: z.boolean(),
});

export const deliverySchema: z.ZodType<MessageDelivery> = z.object({
  token: z.string(),
  consumer: z.string(),
  stream: z.string(),
  seq: z.number(),
  id: z.string(),
  subject: z.string(),
  sender: z.string().nullable(),
  publishedAt: z.string(),
  headers: z.record(z.string(), z.string()),
  payload: z.unknown(),
  encoding,
  deliveries: z.number(),
  maxDeliver: z.number(),
  deadline: z.string(),
  lastError: z.string().nullable(),
  handled: z.boolean(),
  cause: z.enum(["log", "requeue", "reroute", "replay"]),
  overtaken: z.boolean(),
});

export const waitingSchema: z.ZodType<BriefMessage> = z.object({
  id: z.string(),
  consumer: z.string(),
  stream: z.string(),
  seq: z.number(),
  subject: z.string(),
  sender: z.string().nullable(),
  publishedAt: z.string(),
  deliveries: z.number(),
  state: z.enum(["waiting", "out", "resting"]),
  lastError: z.string().nullable(),
  excerpt: z.string(),
});

export const failedSchema: z.ZodType<FailedDelivery> = z.object({
  outcome: z.enum(["waits", "dead"]),
  again: z.string().nullable(),
  deadLetter: z.string().nullable(),
});

export const streamSchema: z.ZodType<MessageStream> = z.object({
  name: z.string(),
  subjects: z.array(z.string()),
  keepMs: z.number(),
  maxBytes: z.number(),
  maxMessageBytes: z.number(),
  duplicateWindowMs: z.number(),
  replicas: z.number(),
  storage: z.enum(["file", "memory"]),
  reviewer: z.string().nullable(),
  adopted: z.boolean(),
  firstSeq: z.number(),
  lastSeq: z.number(),
  messages: z.number(),
  bytes: z.number(),
});

export const consumerSchema: z.ZodType<MessageConsumer> = z.object({
  name: z.string(),
  stream: z.string(),
  agent: z.string().nullable(),
  role: z.string().nullable(),
  subjects: z.array(z.string()),
  ackWaitMs: z.number(),
  maxDeliver: z.number(),
  maxInFlight: z.number(),
  maxHandleMs: z.number(),
  adopted: z.boolean(),
  holds: z.array(
    z.object({ hold: z.string(), heldBy: z.string(), because: z.string(), at: z.string() }),
  ),
  waiting: z.number(),
  inFlight: z.number(),
  resting: z.number(),
  handled: z.number(),
  deadLetters: z.number(),
  missed: z.number(),
  oldestWaitingAt: z.string().nullable(),
});

export const replayedSchema: z.ZodType<ReplayedMessages> = z.object({
  replayed: z.number(),
  firstSeq: z.number().nullable(),
  lastSeq: z.number().nullable(),
  nextSeq: z.number().nullable(),
});

export const engineSchema: z.ZodType<MessagesEngine> = z.object({
  engine: z.enum(["embedded", "nats"]),
  version: z.string(),
  reachable: z.boolean(),
  degraded: z.array(z.string()),
});

const deadLetterShape = {
  id: z.string(),
  diedAt: z.string(),
  stream: z.string().nullable(),
  seq: z.number().nullable(),
  consumer: z.string().nullable(),
  life: z.number(),
  messageId: z.string(),
  subject: z.string(),
  sender: z.string().nullable(),
  size: z.number(),
  sha256: z.string(),
  complete: z.boolean(),
  publishedAt: z.string().nullable(),
  reason: z.enum(deadLetterReasons),
  detail: z.string(),
  deliveries: z.number(),
  times: z.number(),
  state: z.enum(deadLetterStates),
  settledAt: z.string().nullable(),
  settledBy: z.string().nullable(),
  settledBecause: z.string().nullable(),
  destination: z.string().nullable(),
};

export const deadLetterSchema: z.ZodType<DeadLetter> = z.object(deadLetterShape);
export const deadLetterContentSchema: z.ZodType<DeadLetterContent> = z.object({
  ...deadLetterShape,
  headers: z.record(z.string(), z.string()),
  payload: z.unknown(),
  encoding,
});

const counts = z.record(z.string(), z.number());
export const analysisSchema = z.object({
  total: z.number(),
  byReason: counts,
  bySender: counts,
  byConsumer: counts,
  bySize: counts,
});
