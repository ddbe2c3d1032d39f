/** What responders do about incidents, within their authority and under their own name. */
import type { Recovery } from "@lastgood/sdk";
import { z } from "zod";
import { adds, list, reads, type Tool, tool } from "../tool.ts";
import { because, limit, session } from "./arguments.ts";

const incident = z
  .string()
  .min(1)
  .max(100)
  .describe("The incident's id, such as inc_1mf3k9q7x2ap.");
const recovery = z.string().min(1).max(100).describe("The plan's id, such as rec_1ng2kbtnh2r6.");
const digest = z
  .string()
  .regex(/^[0-9a-f]{64}$/, "64 hex digits")
  .describe("The digest of the plan as you read it: what runs is what you saw.");
/** It reverts commits, restarts services, restores documents. */
const movesTheWorld = { ...adds, destructiveHint: true, openWorldHint: true };

const summary = {
  id: z.string(),
  kind: z.string(),
  state: z.string(),
  severity: z.string(),
  service: z.string(),
  title: z.string(),
  onset: z.string(),
  recovery: z.string().nullable().describe("The plan made for it, if any."),
  takenBy: z.string().nullable().describe("Who has it; nobody else touches it then."),
  because: z.string().describe("Why it stands where it stands."),
};

const incidents = tool({
  name: "incidents",
  title: "Look at incidents",
  description:
    "Lists incidents, newest first: what is wrong with which service, how severe, and where it stands. Then call suspects for one of them.",
  hints: reads,
  input: z.strictObject({
    state: z.enum(["open", "closed", "all"]).default("open"),
    limit: limit(100, 20),
    session,
  }),
  output: z.object({ incidents: list(z.object(summary)), more: z.boolean() }),
  run: async ({ state, limit: most, session: named }, caller) =>
    await caller.client(named).incidents({ state, limit: most }),
});

const suspects = tool({
  name: "suspects",
  title: "What did it, and how sure",
  description:
    "One incident in full: what fails, every suspected change with its probability and the evidence for and against it, Lastgood's decision, and the plan that waits if there is one. Read it before you plan, run or approve anything.",
  hints: reads,
  input: z.strictObject({ incident, session }),
  output: z.object({
    ...summary,
    symptoms: list(z.object({ service: z.string(), rule: z.string(), says: z.string() })),
    suspects: list(
      z.object({
        change: z.string(),
        agent: z.string(),
        layer: z.string(),
        target: z.string(),
        to: z.string().nullable(),
        reason: z.string(),
        posterior: z.number(),
        witnesses: list(z.string()),
        excluded: z.string().nullable().describe("Why it cannot be the one."),
        observations: list(z.string()),
      }),
    ),
    none: z.object({ posterior: z.number() }).nullable().describe("That none of them did it."),
    decision: z
      .object({ act: z.string(), changes: list(z.string()), because: list(z.string()) })
      .nullable(),
  }),
  run: async ({ incident: id, session: named }, caller) => await caller.client(named).incident(id),
});

const plan = z.object({
  id: z.string(),
  incident: z.string().nullable(),
  state: z.string(),
  because: z.string(),
  digest: z.string(),
  reason: z.string(),
  changes: list(z.string()),
  reversible: z.boolean(),
  blastRadius: z.number(),
  losses: list(z.string()),
  conflicts: list(z.string()).describe("With any of these it cannot run."),
  gaps: list(z.string()).describe("What it does not cover."),
  undoWith: z.string(),
  steps: list(
    z.object({
      says: z.string(),
      layer: z.string(),
      state: z.string(),
      observed: list(z.string()),
    }),
  ),
  plannedBy: z.string(),
  runBy: z.string().nullable(),
});

function shown({ plan: planned, ...recovered }: Recovery): z.input<typeof plan> {
  return { ...recovered, ...planned };
}

const recoverPlan = tool({
  name: "recover_plan",
  title: "Plan what takes changes back",
  description:
    "Computes a plan that takes changes back in every layer, and records it; moves nothing. Name the incident (then what it was decided to come from goes back, unless you name changes too), or changes, a task, or an agent with since. As a responder you may plan for anybody's changes, otherwise for your own. Read losses and conflicts, then recover_run it.",
  hints: adds,
  input: z.strictObject({
    incident: incident.optional(),
    changes: z.array(z.uuid()).min(1).max(500).optional().describe("As suspects names them."),
    task: z.string().max(200).optional(),
    agent: z.string().max(100).optional().describe("With since: all that it changed since then."),
    since: z.string().max(40).optional().describe("An ISO time, or a span back such as 2h."),
    because: because.optional(),
    session,
  }),
  output: plan,
  run: async ({ session: named, ...wanted }, caller) =>
    shown(
      await caller
        .client(named)
        .planRecovery(
          Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined)),
        ),
    ),
});

const recoverShow = tool({
  name: "recover_show",
  title: "How far a recovery is",
  description:
    "A plan with its digest and its steps: pending, running, applied, verified or failed, and what was read in the world. Call it before recover_run or approve, and again until its state is verified or failed.",
  hints: reads,
  input: z.strictObject({ recovery, session }),
  output: plan,
  run: async ({ recovery: id, session: named }, caller) =>
    shown(await caller.client(named).recovery(id)),
});

const recoverRun = tool({
  name: "recover_run",
  title: "Run your plan",
  description:
    "Starts a plan that you made with recover_plan, within your authority. It moves the world: commits are reverted, documents restored, services restarted. beyond_authority: leave it to a person. It answers when it has begun; follow it with recover_show.",
  hints: movesTheWorld,
  input: z.strictObject({ recovery, digest, session }),
  output: plan,
  run: async ({ recovery: id, digest: seen, session: named }, caller) =>
    shown(await caller.client(named).runRecovery(id, seen)),
});

const approve = tool({
  name: "approve",
  title: "Let somebody's plan run",
  description:
    "As a responder, lets a plan run that Lastgood or another made and that waits for approval, within your authority. It moves the world, as recover_run does. Never approve what you have not read with suspects and recover_show. Your own plans you run instead.",
  hints: movesTheWorld,
  input: z.strictObject({ recovery, digest, session }),
  output: plan,
  run: async ({ recovery: id, digest: seen, session: named }, caller) =>
    shown(await caller.client(named).approveRecovery(id, seen)),
});

const report = tool({
  name: "report",
  title: "Something is wrong with a service",
  description:
    "Reports that you saw something wrong with a service (one that lastgood.yaml declares). Three different reporters within an hour open an incident; nothing is ever rolled back for reports alone.",
  hints: adds,
  input: z.strictObject({
    service: z.string().min(1).max(100),
    text: z.string().trim().min(1).max(2_000).describe("What you saw, where, since when."),
    session,
  }),
  output: z.object({
    report: z.object({ id: z.string(), at: z.string(), service: z.string(), reporter: z.string() }),
    reporters: z.number().describe("Different reporters within the last hour."),
  }),
  run: async ({ service, text, session: named }, caller) =>
    await caller.client(named).report({ service, text }),
});

export const responderTools: readonly Tool[] = [
  ...[incidents, suspects, recoverPlan, recoverShow, recoverRun, approve, report],
];
