/** The SDK's shapes as zod: a difference between the two does not compile. */
import type { Brief, BriefText, WorkTreeReport } from "@lastgood/sdk";
import { z } from "zod";
import { checkpointSchema } from "../checkpoints/checkpoint-routes.ts";
import { recordSchema } from "../fleet/session-routes.ts";
import { effectSchema } from "../layers/effects/effect-schemas.ts";
import { waitingSchema } from "../layers/messages/messages-schemas.ts";
import { documentSchema } from "../layers/state/state-schemas.ts";
import { taskSchema } from "../tasks/task-schemas.ts";

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const text = (max: number) => z.string().max(max);
const moment = z.iso.datetime({ offset: true });

/** As an agent's own machine sends it: bounded in every part. */
export const sentTreeSchema: z.ZodType<WorkTreeReport> = z.strictObject({
  path: text(4_096),
  host: text(2_000),
  readAt: moment,
  source: z.enum(["disk", "saved"]),
  branch: text(1_000).nullable(),
  head: text(64).nullable(),
  commits: z
    .array(
      z.strictObject({
        type: text(100).nullable(),
        scope: text(100).nullable(),
        summary: text(1_000),
        task: text(200).nullable(),
        subtask: z.strictObject({ n: count, of: count }).nullable(),
        commit: z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/, "a commit's full id"),
        at: moment,
        author: text(1_000),
      }),
    )
    .max(20),
  files: z
    .array(
      z.strictObject({
        path: text(16_384),
        status: z.enum(["new", "modified", "deleted"]),
        kind: z.enum(["file", "link", "other"]),
        bytes: count,
        lines: count.nullable(),
        words: count.nullable(),
        newLines: count.nullable(),
        newWords: count.nullable(),
        excerpt: text(2_000).nullable(),
      }),
    )
    .max(500),
  more: count,
  leftovers: z.array(text(2_000)).max(100),
  unread: z.array(text(20_000)).max(1_000),
});

const treeSchema: z.ZodType<WorkTreeReport> = z.object({
  path: z.string(),
  host: z.string(),
  readAt: z.string(),
  source: z.enum(["disk", "saved"]),
  branch: z.string().nullable(),
  head: z.string().nullable(),
  commits: z.array(checkpointSchema),
  files: z.array(
    z.object({
      path: z.string(),
      status: z.enum(["new", "modified", "deleted"]),
      kind: z.enum(["file", "link", "other"]),
      bytes: z.number(),
      lines: z.number().nullable(),
      words: z.number().nullable(),
      newLines: z.number().nullable(),
      newWords: z.number().nullable(),
      excerpt: z.string().nullable(),
    }),
  ),
  more: z.number(),
  leftovers: z.array(z.string()),
  unread: z.array(z.string()),
});

const commitSchema = checkpointSchema.extend({
  reverted: z
    .object({ by: z.string(), commit: z.string().nullable(), because: z.string() })
    .nullable(),
});

export const briefSchema: z.ZodType<Brief> = z.object({
  agent: z.string(),
  at: z.string(),
  session: z.string().nullable(),
  before: recordSchema.nullable(),
  recovery: z.enum(["full", "fresh"]),
  notices: z.array(z.string()),
  commits: z.array(commitSchema),
  taskCommits: z.array(commitSchema),
  tasks: z.array(taskSchema),
  moreTasks: z.number(),
  messages: z.array(waitingSchema),
  moreMessages: z.number(),
  state: documentSchema.nullable(),
  workTree: treeSchema.nullable(),
  effects: z.array(effectSchema),
  pins: z.array(z.object({ artifact: z.string(), release: z.string(), changed: z.boolean() })),
  inputs: z.array(
    z.object({
      collection: z.string(),
      id: z.string(),
      read: z.number(),
      now: z.number(),
      by: z.string(),
      at: z.string(),
    }),
  ),
  leftovers: z.array(z.string()),
  skills: z.array(
    z.object({
      name: z.string(),
      service: z.string(),
      description: z.string(),
      updatedAt: z.string(),
    }),
  ),
  moreSkills: z.number(),
  conclusion: z.object({
    task: z.string().nullable(),
    subtask: z.object({ n: z.number(), of: z.number(), title: z.string() }).nullable(),
    artifact: z
      .object({
        path: z.string(),
        words: z.number().nullable(),
        lines: z.number().nullable(),
        uncommittedWords: z.number().nullable(),
      })
      .nullable(),
    says: z.string(),
    doubts: z.array(z.string()),
  }),
});

export const briefTextSchema: z.ZodType<BriefText> = z.object({
  markdown: z.string(),
  tokens: z.number(),
  cut: z.array(z.string()),
});
