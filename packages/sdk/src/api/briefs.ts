import { type Call, segment } from "../call.ts";
import type { CheckpointCommit } from "./checkpoints.ts";
import type { Effect } from "./effects.ts";
import type { SessionRecord } from "./sessions.ts";
import type { SkillSummary } from "./skills.ts";
import type { Document } from "./state.ts";
import type { Subtask, Task } from "./tasks.ts";
import type { WorkTreeReport } from "./work-trees.ts";

/** A commit of the brief. What took it back says why: what it did is not there any more. */
export interface BriefCommit extends CheckpointCommit {
  readonly reverted: {
    readonly by: string;
    /** The reverting commit. */
    readonly commit: string | null;
    readonly because: string;
  } | null;
}

/** A message that waits for the agent, or was in the hands of one that died. */
export interface BriefMessage {
  readonly id: string;
  readonly consumer: string;
  readonly stream: string;
  readonly seq: number;
  readonly subject: string;
  readonly sender: string | null;
  readonly publishedAt: string;
  /** How often it went out before. */
  readonly deliveries: number;
  /** `out`: with a handler now. */
  readonly state: "waiting" | "out" | "resting";
  readonly lastError: string | null;
  /** The content as text, at most 500 characters. */
  readonly excerpt: string;
}

/** A document that the session before read, and that has changed since. */
export interface ChangedInput {
  readonly collection: string;
  readonly id: string;
  readonly read: number;
  readonly now: number;
  readonly by: string;
  readonly at: string;
}

/** Where to go on. Where there is nothing to resume, `says` says so. */
export interface Conclusion {
  readonly task: string | null;
  readonly subtask: (Pick<Subtask, "n" | "title"> & { readonly of: number }) | null;
  readonly artifact: {
    readonly path: string;
    /** How much of it is there: the next word and line come after these. Null where it was not read. */
    readonly words: number | null;
    readonly lines: number | null;
    /** How many of the words no commit has; null where that is not known. */
    readonly uncommittedWords: number | null;
  } | null;
  /** One sentence: `Resume task T at subtask 3 of 5 ("…") from artifact A, word 800, line 41.` */
  readonly says: string;
  readonly doubts: readonly string[];
}

/** What a restarted agent must know, in this order. */
export interface Brief {
  readonly agent: string;
  readonly at: string;
  /** The session it is for, and the one before. */
  readonly session: string | null;
  readonly before: SessionRecord | null;
  readonly recovery: "full" | "fresh";
  /** What it must be told first: `your commit b8e4d12 was reverted because …`. */
  readonly notices: readonly string[];
  /** 1. The last 20 of the working branch, and all of the current task; newest first. */
  readonly commits: readonly BriefCommit[];
  /** At most 200. */
  readonly taskCommits: readonly BriefCommit[];
  /** 2. Assigned to the agent or to its roles, and not completed; at most 50, then counted. */
  readonly tasks: readonly Task[];
  readonly moreTasks: number;
  /** 3. Oldest first; at most 50, then counted (in a stream that others share, as far as 10,000 of it say). */
  readonly messages: readonly BriefMessage[];
  readonly moreMessages: number;
  /** 4. The document `agents/<name>`. */
  readonly state: Document | null;
  /** 5. */
  readonly workTree: WorkTreeReport | null;
  /** 6. Dispatched with unknown outcome, at most 50; releases pinned since; inputs that changed; what was left locked. */
  readonly effects: readonly Effect[];
  readonly pins: readonly {
    readonly artifact: string;
    readonly release: string;
    readonly changed: boolean;
  }[];
  readonly inputs: readonly ChangedInput[];
  readonly leftovers: readonly string[];
  /** Learned since the session before began, the last first; at most 5, then counted up to 100. */
  readonly skills: readonly Pick<SkillSummary, "name" | "service" | "description" | "updatedAt">[];
  readonly moreSkills: number;
  readonly conclusion: Conclusion;
}

export interface BriefRequest {
  /** The session that asks; its predecessor is what is reported on. */
  readonly session?: string | undefined;
  /** As read on the agent's own machine; without it the server reads what it can reach. */
  readonly workTree?: WorkTreeReport | undefined;
}

/** For a model's context. */
export interface BriefText {
  readonly markdown: string;
  /** An estimate: characters divided by four, rounded up. */
  readonly tokens: number;
  /** What did not fit, least important first. */
  readonly cut: readonly string[];
}

export function briefsApi(call: Call) {
  return {
    brief: (agent: string, request: BriefRequest = {}, signal?: AbortSignal) =>
      call<Brief>("POST", `/v1/agents/${segment(agent)}/brief`, {
        body: request,
        ...(signal && { signal }),
      }),
    /** `maxTokens`: 100 to 200,000. Default 4,000. */
    briefText: (agent: string, request: BriefRequest & { maxTokens?: number | undefined } = {}) =>
      call<BriefText>("POST", `/v1/agents/${segment(agent)}/brief/markdown`, { body: request }),
  };
}
