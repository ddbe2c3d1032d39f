/** The SDK's shapes as zod: a difference between the two does not compile. */
import type {
  Task as ApiTask,
  AssignedTask,
  JsonValue,
  TaskClaim,
  TaskEvent,
  TaskState,
} from "@lastgood/sdk";
import { z } from "zod";
import { subtasksMax, type Task, type Worker } from "./task.ts";

export const taskStates = ["pending", "in_progress", "blocked", "completed"] as const;
const taskActNames = [
  ...["claim", "release", "subtask", "complete"],
  ...["fail", "block", "unblock", "reopen"],
] as const;

const plain = (most: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(most)
    .refine((text) => text.isWellFormed() && !text.includes("\0"), "well-formed text without NUL");
const name = z
  .string()
  .regex(/^[A-Za-z0-9][\w.-]{0,99}$/, "a name: letters, digits, `.`, `_` or `-`, at most 100");

/** It stands in commit messages as `[task:ID]`, and at the beginning of message ids. */
export const taskId = z
  .string()
  .regex(
    /^[A-Za-z0-9][\w.:-]{0,99}$/,
    "a task's id: letters, digits, `.`, `_`, `:` or `-`, at most 100",
  );
export const session = z.string().min(1).max(200);
export const because = plain(2_000);
export const limit = z.coerce.number().int().min(1).max(1_000).default(100);

const artifactPath = plain(1_000).refine(
  (path) => !path.startsWith("/") && !path.split("/").includes(".."),
  "a path inside the work tree: relative, and without `..`",
);
const artifactSchema = z.strictObject({ path: artifactPath, repository: name.optional() });
const json: z.ZodType<JsonValue> = z.json();

export const newTaskSchema = z
  .strictObject({
    id: taskId,
    title: plain(300),
    agent: name.optional(),
    role: name.optional(),
    assigner: z
      .string()
      .regex(/^(token:)?[A-Za-z0-9][\w.-]{0,99}$/, "an agent's name, or `token:` and a token's")
      .optional(),
    subtasks: z.array(plain(300)).max(subtasksMax).default([]),
    artifact: artifactSchema.optional(),
    details: z.unknown().optional(),
  })
  .refine(({ agent, role }) => agent === undefined || role === undefined, {
    message: "name an agent or a role, not both",
    path: ["role"],
  });

export const querySchema = z.strictObject({
  agent: name.optional(),
  role: name.optional(),
  state: z.enum([...taskStates, "open", "all"]).default("open"),
  limit,
});

const claimSchema: z.ZodType<TaskClaim> = z.object({
  agent: z.string(),
  session: z.string(),
  since: z.string(),
});
const state: z.ZodType<TaskState> = z.enum(taskStates);
const shape = {
  id: z.string(),
  title: z.string(),
  state,
  agent: z.string().nullable(),
  role: z.string().nullable(),
  assigner: z.string(),
  subtasks: z.array(
    z.object({
      n: z.number(),
      title: z.string(),
      state: z.enum(["pending", "in_progress", "completed"]),
      updatedAt: z.string(),
    }),
  ),
  artifact: z.object({ path: z.string(), repository: z.string().optional() }).nullable(),
  details: json,
  claim: claimSchema.nullable(),
  lastClaim: claimSchema.nullable(),
  blockedBecause: z.string().nullable(),
  failures: z.number(),
  result: json,
  createdAt: z.string(),
  updatedAt: z.string(),
};
export const taskSchema: z.ZodType<ApiTask> = z.object(shape);
export const assignedSchema: z.ZodType<AssignedTask> = z.object({ ...shape, already: z.boolean() });
export const eventSchema: z.ZodType<TaskEvent> = z.object({
  at: z.string(),
  what: z.enum([...taskActNames, "assign", "untold"]),
  who: z.string(),
  session: z.string().nullable(),
  from: state.nullable(),
  to: state,
  subtask: z.number().nullable(),
  because: z.string(),
});

export function toApi({ phase, lastWorker, createdAt, updatedAt, ...task }: Task): ApiTask {
  return {
    ...task,
    state: phase.state,
    subtasks: task.subtasks.map((each) => ({ ...each, updatedAt: each.updatedAt.toISOString() })),
    details: task.details as JsonValue,
    claim: phase.state === "in_progress" ? toClaim(phase.worker) : null,
    lastClaim: lastWorker === null ? null : toClaim(lastWorker),
    blockedBecause: phase.state === "blocked" ? phase.because : null,
    result: phase.state === "completed" ? (phase.result as JsonValue) : null,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}

function toClaim({ since, ...worker }: Worker): TaskClaim {
  return { ...worker, since: since.toISOString() };
}
