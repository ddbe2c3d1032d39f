/** How messages and documents are kept: the parts of lastgood.yaml that only those layers read. */
import { z } from "zod";
import { age, duration, glob, name, wait } from "./scalars.ts";

/** A consumer of an agent or a role, instead of the inbox that it has by itself. */
export const consumerSchema = z.strictObject({
  stream: name.optional(),
  agent: name.optional(),
  role: name.optional(),
  subjects: z.array(z.string().max(255)).default([]),
  ackWait: duration("100ms", "7d").optional().describe("Of an inbox 30s, otherwise 60s."),
  maxDeliver: z.number().int().min(1).max(100).optional().describe("Of an inbox 3, otherwise 5."),
  maxInFlight: z.number().int().min(1).max(10_000).default(1),
  maxHandle: wait("10m", "100ms"),
});

/** A stream, made or adopted by its name. */
export const streamSchema = z.strictObject({
  subjects: z.array(z.string().max(255)).min(1),
  keep: age("72h"),
  maxBytes: z.number().int().min(1).default(5_000_000_000),
  maxMessageBytes: z.number().int().min(1).max(67_108_864).default(1_048_576),
  duplicateWindow: age("2m"),
  replicas: z.number().int().min(1).max(5).default(1),
  storage: z.enum(["file", "memory"]).default("file"),
  reviewer: name.optional().describe("The agent that gets each dead letter once."),
});

/** What a restore must not bring back to life. */
export const neverReviveSchema = z.strictObject({
  documents: glob.describe("A glob over `collection/id`."),
  path: z
    .string()
    .regex(/^(\/[^/]+)+$/, "a JSON pointer such as /tokens or /grants/*/used")
    .max(300)
    .describe("Where in the document; `*` stands for every key."),
  stricter: z
    .enum(["fewer", "true", "false", "greater", "less"])
    .default("fewer")
    .describe("Which value a restore keeps; `fewer`: what is gone or replaced stays so."),
});
