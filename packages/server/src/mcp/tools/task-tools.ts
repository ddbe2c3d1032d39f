import { z } from "zod";
import { addsOnce, list, reads, type Tool, tool } from "../tool.ts";
import { because, json, limit, session, task } from "./arguments.ts";

const shown = z.object({
  id: z.string(),
  title: z.string(),
  state: z.enum(["pending", "in_progress", "blocked", "completed"]),
  agent: z.string().nullable(),
  role: z.string().nullable(),
  assigner: z.string(),
  subtasks: list(
    z.object({
      n: z.number(),
      title: z.string(),
      state: z.enum(["pending", "in_progress", "completed"]),
    }),
  ),
  artifact: z.object({ path: z.string(), repository: z.string().optional() }).nullable(),
  details: z.unknown(),
  claim: z.object({ agent: z.string(), session: z.string(), since: z.string() }).nullable(),
  blockedBecause: z.string().nullable(),
  failures: z.number(),
  result: z.unknown(),
  updatedAt: z.string(),
});

const tasks = tool({
  name: "tasks",
  title: "Look at tasks",
  description:
    "Lists tasks with their subtasks and who works on them, newest first; or one task by its id. Without a filter: the open ones that are assigned to you.",
  hints: reads,
  input: z.strictObject({
    task: task.optional(),
    agent: z.string().max(100).optional(),
    role: z.string().max(100).optional(),
    state: z
      .enum(["pending", "in_progress", "blocked", "completed", "open", "all"])
      .default("open"),
    limit: limit(200, 50),
    session,
  }),
  output: z.object({ tasks: list(shown), more: z.boolean() }),
  async run({ task: id, agent, role, state, limit: most, session: named }, caller) {
    const client = caller.client(named);
    if (id !== undefined) return { tasks: [await client.task(id)], more: false };
    const of =
      agent === undefined && role === undefined
        ? { agent: await caller.agentOf({ session: named }) }
        : { agent, role };
    return await client.tasks({ ...of, state, limit: most });
  },
});

const assign = tool({
  name: "task_assign",
  title: "Ask for work",
  description:
    "Makes a task for an agent or for whoever of a role takes it; they hear of it in their inbox, and you hear once how it ended. Choose an id that is made of the work: asking again under the same id with the same content changes nothing.",
  hints: addsOnce,
  input: z.strictObject({
    task: task.describe("An id of your choice, such as task_2026_0921_014."),
    title: z.string().trim().min(1).max(500),
    agent: z.string().max(100).optional(),
    role: z.string().max(100).optional(),
    subtasks: z
      .array(z.string().min(1).max(500))
      .max(100)
      .optional()
      .describe("Their titles, in order."),
    artifact: z
      .strictObject({
        path: z.string().min(1).max(1_000),
        repository: z.string().max(100).optional(),
      })
      .optional()
      .describe("The file that it makes, relative to the work tree."),
    details: json.optional().describe("Whatever else whoever does it must know."),
    session,
  }),
  output: z.object({ ...shown.shape, already: z.boolean() }),
  run: async ({ task: id, session: named, ...asked }, caller) =>
    await caller.client(named).assignTask({ id, ...asked }),
});

const claim = tool({
  name: "task_claim",
  title: "Take a task",
  description:
    "Takes a pending task for your session before you work on it, so that nobody else does. If you crash it is free again. target_busy: another living session has it.",
  hints: addsOnce,
  input: z.strictObject({ task, session }),
  output: shown,
  async run({ task: id, session: named }, caller) {
    const { client, session: mine } = await caller.inSession(named);
    return await client.claimTask(id, mine);
  },
});

const progress = tool({
  name: "task_progress",
  title: "A subtask began or is done",
  description:
    "Says that subtask n (from 1) of a task you claimed is in_progress or completed. This is where your next session resumes, so say it as you go.",
  hints: addsOnce,
  input: z.strictObject({
    task,
    n: z.number().int().min(1).max(100).describe("Which subtask, from 1."),
    state: z.enum(["in_progress", "completed"]),
    session,
  }),
  output: shown,
  async run({ task: id, n, state, session: named }, caller) {
    const { client, session: mine } = await caller.inSession(named);
    return await client.moveSubtask(id, n, { session: mine, state });
  },
});

const complete = tool({
  name: "task_complete",
  title: "The task is done",
  description:
    "Completes a task you claimed, once all its subtasks are completed. Whoever asked for it is told once, with the result.",
  hints: addsOnce,
  input: z.strictObject({
    task,
    result: json.optional().describe("What came of it."),
    session,
  }),
  output: shown,
  async run({ task: id, result, session: named }, caller) {
    const { client, session: mine } = await caller.inSession(named);
    return await client.completeTask(id, {
      session: mine,
      ...(result === undefined ? {} : { result }),
    });
  },
});

const block = tool({
  name: "task_block",
  title: "The task cannot go on",
  description:
    "Blocks a task you claimed, with the reason: something outside must happen first, or (failed: true) you tried and it does not work. Whoever asked for it is told, and can unblock it. Do not keep a task that you cannot go on with.",
  hints: addsOnce,
  input: z.strictObject({
    task,
    because,
    failed: z.boolean().default(false).describe("You tried, and count it as a failure."),
    session,
  }),
  output: shown,
  async run({ task: id, because: reason, failed, session: named }, caller) {
    const { client, session: mine } = await caller.inSession(named);
    const end = { session: mine, because: reason };
    return failed ? await client.failTask(id, end) : await client.blockTask(id, end);
  },
});

export const taskTools: readonly Tool[] = [tasks, assign, claim, progress, complete, block];
