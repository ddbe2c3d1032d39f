import { type Call, segment } from "../call.ts";

export const gaps = [
  "shadow-window",
  "check-bank",
  "adversarial-bank",
  "canary",
  "review",
  "communication",
  "none-possible",
] as const;
export type Gap = (typeof gaps)[number];

/** What a post-mortem asks of whoever it belongs to. */
export const postMortemQuestions = [
  "whyNotCaughtLive",
  "whyChecksPassed",
  "wrongIncompleteOrMiscommunicated",
] as const;
export type PostMortemQuestion = (typeof postMortemQuestions)[number];

/** A run of a check, with what it printed. */
export interface CheckEvidence {
  readonly revision: string;
  readonly outcome: "good" | "bad" | "cannot-tell";
  readonly exitCode: number | null;
  readonly startedAt: string;
  readonly tookMs: number;
  readonly output: string;
}

/** A permanent regression test. Accepted only when it was red on the bad revision and green on the good one. */
export interface Check {
  readonly id: string;
  readonly incident: string;
  readonly service: string;
  readonly command: readonly string[];
  readonly badRevision: string;
  readonly goodRevision: string;
  readonly accepted: boolean;
  readonly because: string;
  readonly runs: readonly CheckEvidence[];
}

/** Checks of what failed under a release that was rolled back by hand. */
export interface Learning {
  readonly id: string;
  readonly environment: string;
  readonly artifact: string;
  readonly state: "running" | "ended";
  /** One per release that went; those that were not accepted say why, and are not in the bank. */
  readonly checks: readonly Check[];
  /** What kept it from trying. */
  readonly fault: string | null;
}

export interface PostMortem {
  readonly incident: string;
  readonly recovery: string | null;
  readonly title: string;
  readonly severity: string;
  readonly summary: string;
  readonly impact: readonly string[];
  /** Milliseconds between the marks; null where one was never reached. */
  readonly elapsedMs: {
    readonly changedToDetected: number | null;
    readonly detectedToDecided: number | null;
    readonly decidedToContained: number | null;
    readonly containedToRestored: number | null;
    readonly restoredToVerified: number | null;
    readonly verifiedToResumed: number | null;
  };
  readonly cause: {
    readonly change: string;
    readonly agent: string;
    readonly target: string;
    readonly revision: string | null;
    readonly reason: string;
    readonly posterior: number;
    readonly evidence: readonly string[];
  } | null;
  readonly losses: readonly string[];
  readonly notCovered: readonly string[];
  readonly timeline: readonly {
    readonly at: string;
    readonly elapsedMs: number;
    readonly actor: string;
    readonly event: string;
    readonly text: string;
  }[];
  readonly check: Check | null;
  /** Where it got through. `by`: who named it, `lastgood` where the records show it; null while it is unnamed. */
  readonly gap: {
    readonly is: Gap | "unnamed";
    readonly because: string;
    readonly by: string | null;
  };
  /** Each answered, or `unanswered`. */
  readonly questions: Readonly<Record<PostMortemQuestion, string>>;
  /** Who answered: `lastgood` where the records do; null while it is unanswered. */
  readonly answeredBy: Readonly<Record<PostMortemQuestion, string | null>>;
  /** Written when it was verified; it is written again, with its check, when the work has resumed. */
  readonly draft: boolean;
  readonly writtenAt: string;
}

export function learningApi(call: Call) {
  return {
    /**
     * Makes a check of what failed under the release that the last rollback took away, or the `rollout` was.
     * Returns at once; follow it with `learning`. `state_forbids` where nothing was rolled back.
     */
    learnFromRollback: (
      environment: string,
      artifact: string,
      of: { readonly rollout?: string | undefined } = {},
    ) =>
      call<Learning>(
        "POST",
        `/v1/environments/${segment(environment)}/pins/${segment(artifact)}/learn`,
        { body: of },
      ),
    /** Waits up to `waitMs` (at most 20,000) for its end. */
    learning: (id: string, query: { readonly waitMs?: number | undefined } = {}) =>
      call<Learning>("GET", `/v1/learning/${segment(id)}`, { query: { ...query } }),
    postMortem: (incident: string) =>
      call<PostMortem>("GET", `/v1/incidents/${segment(incident)}/post-mortem`),
    /** Names where it got through, in place of what the records show. `not_found` before there is a post-mortem. */
    nameGap: (incident: string, gap: Gap, because: string) =>
      call<PostMortem>("POST", `/v1/incidents/${segment(incident)}/gap`, {
        body: { gap, because },
      }),
    /** Answers at least one of the three questions. `not_found` before there is a post-mortem. */
    answerPostMortem: (
      incident: string,
      answers: { readonly [question in PostMortemQuestion]?: string | undefined },
    ) => call<PostMortem>("POST", `/v1/incidents/${segment(incident)}/answers`, { body: answers }),
    postMortemMarkdown: (incident: string) =>
      call<{ markdown: string }>("GET", `/v1/incidents/${segment(incident)}/post-mortem.md`),
  };
}
