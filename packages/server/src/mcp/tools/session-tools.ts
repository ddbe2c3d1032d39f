import { z } from "zod";
import { adds, reads, type Tool, tool } from "../tool.ts";
import { session } from "./arguments.ts";

const agent = z
  .string()
  .max(100)
  .optional()
  .describe("The agent's name. Leave it out where your token is the agent's own.");

const start = tool({
  name: "session_start",
  title: "Begin your session",
  description:
    "Call this first, once, when you begin to work. It begins your session with Lastgood: from now on your claims, messages and effects are yours until it ends, and if you crash they are given back and the next session is told what you left. When it answers recovery: full, the session before you did not end cleanly: call brief before anything else. Calling it again over the same stdio connection answers the session you have. Any other living session of the same agent is ended by it.",
  hints: { ...adds, destructiveHint: true },
  input: z.strictObject({
    agent,
    join: session.describe("A living session to go on in, instead of beginning one."),
    work_tree: z
      .strictObject({
        path: z.string().min(1).max(2_000).describe("The folder of your git work tree, absolute."),
        repository: z.string().max(100).optional().describe("Its name in lastgood.yaml."),
      })
      .optional()
      .describe("Where you work, so that uncommitted files are in the next brief."),
    effects: z
      .enum(["replay", "fork"])
      .optional()
      .describe("fork: effects under keys you used before happen anew. Default replay."),
    because: z.string().max(2_000).optional().describe("Why it is forked."),
    lease_seconds: z
      .number()
      .int()
      .min(1)
      .max(600)
      .optional()
      .describe(
        "Over HTTP: how long you may go without any call before you count as crashed (300).",
      ),
  }),
  output: z.object({
    session: z.string(),
    agent: z.string(),
    recovery: z.enum(["full", "fresh"]),
    before: z.string().nullable().describe("The session before this one."),
    held: z.boolean().describe("True: the connection knows the session; leave `session` out."),
    already: z.boolean().describe("True: it was yours already."),
    leaseMs: z.number(),
    next: z.string(),
  }),
  async run({ agent: named, join, work_tree, effects, because, lease_seconds }, caller) {
    const started = await caller.start({
      ...{ agent: named, join, effects, because },
      workTree: work_tree,
      leaseMs: lease_seconds === undefined ? undefined : lease_seconds * 1_000,
    });
    const naming = started.held ? "" : ` Name session ${started.session} in every call.`;
    const first =
      started.recovery === "full"
        ? "Call brief before anything else: the session before did not end cleanly."
        : "Nothing was left undone. Look at tasks and inbox_next.";
    return { ...started, next: `${first}${naming}` };
  },
});

const end = tool({
  name: "session_end",
  title: "End your session",
  description:
    "Call this last, when your work is done (completed) or you are told to stop (stopped). What you still had claimed is free for others at once. Without it your end looks like a crash once your lease runs out.",
  hints: { ...adds, idempotentHint: true },
  input: z.strictObject({
    reason: z.enum(["completed", "stopped"]).default("completed"),
    detail: z.string().max(2_000).optional(),
    session,
  }),
  output: z.object({ session: z.string(), exitReason: z.string() }),
  run: async ({ reason, detail, session: named }, caller) =>
    await caller.end(named, { reason, detail }),
});

const brief = tool({
  name: "brief",
  title: "What you must know to go on",
  description:
    "What a restarted or compacted agent must know, rebuilt from records: recent commits, your tasks and how far they are, waiting messages, your state document, uncommitted files, effects of unknown outcome, and where to resume. Call it after session_start answers recovery: full, and whenever your context was lost.",
  hints: reads,
  input: z.strictObject({
    agent: agent.describe("Whose brief, if not your session's agent's."),
    max_tokens: z
      .number()
      .int()
      .min(100)
      .max(200_000)
      .default(4_000)
      .describe("The least important is cut to fit, and what was cut is said."),
    session,
  }),
  output: z.object({
    markdown: z.string(),
    tokens: z.number(),
    cut: z.array(z.string()).readonly(),
  }),
  async run({ agent: named, max_tokens: maxTokens, session: id }, caller) {
    const of = await caller.agentOf({ agent: named, session: id });
    // A brief of the own session is told apart from a look at somebody else's.
    const own = named === undefined ? { session: (await caller.inSession(id)).session } : {};
    return await caller.client(id).briefText(of, { ...own, maxTokens });
  },
  says: ({ markdown }) => markdown,
});

export const sessionTools: readonly Tool[] = [start, end, brief];
