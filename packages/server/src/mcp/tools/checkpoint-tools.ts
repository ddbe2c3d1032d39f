import { checkpointMessage } from "@lastgood/sdk";
import { z } from "zod";
import { addsOnce, reads, type Tool, tool } from "../tool.ts";
import { session, task } from "./arguments.ts";

const checkpointText = tool({
  name: "checkpoint_message",
  title: "The commit message of a checkpoint",
  description:
    "Writes the commit message that marks how far a task is, such as feat(marketing): blog post draft [task:T] [subtask:3/5]. Commit with exactly this message, then call checkpoint_record. Writes nothing itself.",
  hints: reads,
  input: z.strictObject({
    summary: z.string().trim().min(1).max(500).describe("What was done, one line."),
    task,
    subtask: z
      .strictObject({
        n: z.number().int().min(1).describe("The subtask that this commit finishes."),
        of: z.number().int().min(1),
      })
      .optional(),
    type: z.string().max(32).optional().describe("feat, fix, docs, ..."),
    scope: z.string().max(100).optional(),
    body: z.string().max(65_536).optional(),
    as: z.enum(["subject", "trailers"]).default("subject").describe("Where the marks stand."),
    session,
  }),
  output: z.object({ message: z.string() }),
  run: async ({ session: _, ...wanted }) => ({ message: checkpointMessage(wanted) }),
  says: ({ message }) => message,
});

const checkpointRecord = tool({
  name: "checkpoint_record",
  title: "A checkpoint was committed",
  description:
    "Records a commit that you made as a checkpoint of your session: call it right after each commit, with the full commit id and the message as committed. Recording it again changes nothing.",
  hints: addsOnce,
  input: z.strictObject({
    commit: z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/, "a full commit id"),
    message: z.string().min(1).max(1_000_000),
    repository: z.string().max(100).optional().describe("Its name in lastgood.yaml."),
    session,
  }),
  output: z.object({
    commit: z.string(),
    summary: z.string(),
    task: z.string().nullable(),
    subtask: z.object({ n: z.number(), of: z.number() }).nullable(),
    session: z.string().nullable(),
    repository: z.string().nullable(),
  }),
  async run({ session: named, commit, message, repository }, caller) {
    const { client, session: mine } = await caller.inSession(named);
    return await client.recordCheckpoint(mine, {
      ...{ commit, message },
      ...(repository === undefined ? {} : { repository }),
    });
  },
});

export const checkpointTools: readonly Tool[] = [checkpointText, checkpointRecord];
