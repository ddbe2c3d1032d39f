/** A brief's parts as plain data, to be changed by each test. */
import type {
  BriefCommit,
  BriefMessage,
  Effect,
  Task,
  UncommittedFile,
  WorkTreeReport,
} from "@lastgood/sdk";
import type { Parts } from "../../src/brief/brief.ts";
import type { Session } from "../../src/fleet/session.ts";

export const at = new Date("2026-09-21T09:00:00.000Z");

export function sessionOf(change: Partial<Session> = {}): Session {
  return {
    id: "sess_20260921_083000_marketing",
    agent: "marketing",
    epoch: 7,
    door: "sdk",
    startedAt: new Date("2026-09-21T08:30:00.000Z"),
    endedAt: new Date("2026-09-21T08:55:10.000Z"),
    exitReason: "crashed",
    detectedAt: new Date("2026-09-21T08:55:10.000Z"),
    detail: "its process 4711 is gone",
    leaseMs: 10_000,
    leaseUntil: new Date("2026-09-21T08:55:20.000Z"),
    heardAt: new Date("2026-09-21T08:55:09.000Z"),
    suspectSince: null,
    previous: null,
    tasksStarted: ["task_2026_0921_014"],
    tasksCompleted: [],
    commits: [id("c3"), id("c2")],
    messagesProcessed: 4,
    tokenUsage: 12_000,
    recoveryTokens: 0,
    workTree: { path: "/tree/marketing", host: "here" },
    process: null,
    ...change,
  };
}

/** A commit's full id that begins with `start`. */
export function id(start: string): string {
  return start.padEnd(40, "0");
}

export function commitOf(start: string, change: Partial<BriefCommit> = {}): BriefCommit {
  return {
    ...{ type: "feat", scope: "marketing", summary: "blog post draft" },
    ...{ task: "task_2026_0921_014", subtask: null, commit: id(start) },
    ...{ at: "2026-09-21T08:40:00.000Z", author: "marketing <m@fleet.test>", reverted: null },
    ...change,
  };
}

const steps = ["Research", "Outline", "Draft", "Review", "Publish"];

export function taskOf(change: Partial<Task> = {}, done = 2): Task {
  const claim = {
    agent: "marketing",
    session: "sess_20260921_083000_marketing",
    since: "2026-09-21T08:31:00.000Z",
  };
  return {
    id: "task_2026_0921_014",
    title: "Write the launch post",
    state: "pending",
    ...{ agent: "marketing", role: null, assigner: "lead" },
    subtasks: steps.map((title, index) => ({
      n: index + 1,
      title,
      state: index < done ? "completed" : "pending",
      updatedAt: "2026-09-21T08:40:00.000Z",
    })),
    artifact: { path: "posts/launch.md" },
    details: { tone: "plain" },
    ...{ claim: null, lastClaim: claim, blockedBecause: null, failures: 0, result: null },
    createdAt: "2026-09-21T08:00:00.000Z",
    updatedAt: "2026-09-21T08:55:10.000Z",
    ...change,
  };
}

export function fileOf(change: Partial<UncommittedFile> = {}): UncommittedFile {
  return {
    ...{ path: "posts/launch.md", status: "modified", kind: "file", bytes: 4_800 },
    ...{ lines: 41, words: 800, newLines: 6, newWords: 120 },
    excerpt: "and then the index was gone,\nwhich nobody",
    ...change,
  };
}

export function treeOf(change: Partial<WorkTreeReport> = {}): WorkTreeReport {
  return {
    ...{ path: "/tree/marketing", host: "here", readAt: "2026-09-21T08:59:59.900Z" },
    ...{ source: "disk", branch: "main", head: id("c3") },
    commits: [commitOf("c3", { subtask: { n: 2, of: 5 } }), commitOf("c1", { task: null })].map(
      ({ reverted: _, ...commit }, index) => ({
        ...commit,
        at: `2026-09-21T08:${40 - index * 10}:00.000Z`,
      }),
    ),
    files: [fileOf()],
    ...{ more: 0, leftovers: [], unread: [] },
    ...change,
  };
}

export function messageOf(n: number, change: Partial<BriefMessage> = {}): BriefMessage {
  return {
    ...{ id: `m-${n}`, consumer: "marketing-durable-v1", stream: "AGENT_INBOX_MARKETING", seq: n },
    ...{ subject: "agents.marketing.inbox", sender: "lead" },
    publishedAt: "2026-09-21T08:50:00.000Z",
    ...{ deliveries: 0, state: "waiting", lastError: null, excerpt: `{"say":"message ${n}"}` },
    ...change,
  };
}

export function effectOf(change: Partial<Effect> = {}): Effect {
  return {
    ...{ id: "eff_1mf3k9q7x2ap", agent: "marketing", fork: "" },
    ...{ session: "sess_20260921_083000_marketing", task: "task_2026_0921_014" },
    ...{ key: "tweet", kind: "social.post", nature: "irreversible", state: "unknown" },
    ...{ request: { text: "We launched" }, result: null, error: null, attempts: 1, replayed: 0 },
    intendedAt: "2026-09-21T08:54:00.000Z",
    dispatchedAt: "2026-09-21T08:54:01.000Z",
    ...{ settledAt: null, settledBy: null, settledBecause: null, late: null },
    ...change,
  };
}

/** A crash in the middle of the third of five subtasks, with 120 words that no commit has. */
export function partsOf(change: Partial<Parts> = {}): Parts {
  const task = taskOf();
  const workTree = treeOf();
  const branch = workTree.commits.map((commit) => ({ ...commit, reverted: null }));
  return {
    agent: "marketing",
    at,
    session: null,
    before: [sessionOf()],
    recorded: [],
    branch,
    choice: { as: "interrupted", task, others: [] },
    taskCommits: branch.filter((commit) => commit.task !== null),
    ...{ tasks: [task], moreTasks: 0, messages: [], moreMessages: 0, holds: [] },
    ...{ skills: [], moreSkills: 0 },
    told: { contained: [], takenBack: [], parked: null },
    ...{
      state: null,
      workTree,
      measured: null,
      place: workTree.path,
      effects: [],
      inputs: [],
      unanswered: [],
    },
    ...change,
  };
}
