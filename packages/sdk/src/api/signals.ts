import { type Call, segment } from "../call.ts";

/**
 * One observation of a signal of a service. It carries `ok`, or a measured `value`, or both; a rule with
 * `good` judges the value, any other rule `ok` (or a value in [0,1], higher is better).
 */
export interface Sample {
  readonly service: string;
  /** Such as `publish` or `reads_latency_ms`. */
  readonly signal: string;
  /** When what is observed began, ISO 8601. Default: when the server takes it in. */
  readonly at?: string;
  readonly ok?: boolean;
  readonly value?: number;
  /** Whose execution it was (a user, a task, a request): several failures of one key count once. */
  readonly key?: string;
  /** Up to 4 declared dimensions, such as `{ language: "de" }`. */
  readonly dimensions?: Readonly<Record<string, string>>;
  /** A failure that is not averaged: an exited process, or a policy violation. */
  readonly hard?: "exit" | "violation";
  /** The release that served, as `artifact:version`: it is judged by the rollout of the artifact. */
  readonly release?: string;
  /** Where the release serves. Default: the environment that the server's configuration names. */
  readonly environment?: string;
}

export interface SamplesTaken {
  readonly accepted: number;
  /** How many of them no rule judges: they are kept for the record only. */
  readonly unjudged: number;
  /** Too old to be judged in the order of time: kept for the record only. */
  readonly late: number;
  /** Of a release that was never published, or an environment that nothing was pinned in: not judged. */
  readonly unknownRelease: number;
  /** Those labels, at most 20, as `artifact:version in environment`. */
  readonly unknownReleases: readonly string[];
}

export type RuleVerdictKind = "hold" | "regression" | "drift" | "insufficient";

/** What a rule says of its signal now, with every figure it says it from. */
export interface RuleStatus {
  readonly rule: string;
  readonly service: string;
  readonly signal: string;
  /** True when it follows from a declared probe instead of `rules` in lastgood.yaml. */
  readonly implied: boolean;
  readonly detector: "floor" | "late-onset" | "hard";
  readonly customerFacing: boolean;
  readonly verdict: RuleVerdictKind;
  readonly says: string;
  /** Since when the verdict is what it is; null before the first sample. */
  readonly since: string | null;
  readonly onset: string | null;
  /** m; null while it is not measured yet. */
  readonly floor: number | null;
  /** Where m comes from, in words. */
  readonly floorFrom: string;
  readonly level: number | null;
  /** The e-value, and what it must reach; at most 1e12 is shown. */
  readonly evidence: number;
  readonly threshold: number;
  readonly samples: number;
  readonly failingKeys: number;
  readonly lastSampleAt: string | null;
  /** The announced change that keeps a regression from counting, in words; null without one. */
  readonly suppressedBy: string | null;
  /** Segments with 20 samples or more, each judged by itself. */
  readonly segments: readonly {
    readonly dimension: string;
    readonly verdict: RuleVerdictKind;
    readonly floor: number | null;
    readonly level: number | null;
    readonly evidence: number;
    readonly samples: number;
  }[];
  /** Samples that are judged in the whole alone: 32 segments are, and theirs is none of them. */
  readonly leftOut: { readonly samples: number; readonly busiest: readonly string[] };
}

export interface SignalsStatus {
  readonly rules: readonly RuleStatus[];
  readonly counts: {
    readonly samples: number;
    readonly unjudged: number;
    readonly late: number;
    /** Samples of signals beyond the 500 that are kept. */
    readonly untracked: number;
    /** Records dropped because PostgreSQL was away for long. */
    readonly dropped: number;
    /** Samples of releases that nobody knows: kept for the record, not judged. */
    readonly unknownRelease: number;
    /** Samples from the future, or of no finite number, that came by way of other rooms. */
    readonly unfit: number;
    /** Probe turns that were skipped because the one before was still under way. */
    readonly probesSkipped: number;
  };
}

/** One point of a rule's trajectory: the evidence for what it said. */
export interface TrajectoryPoint {
  readonly at: string;
  readonly dimension: string | null;
  readonly verdict: RuleVerdictKind;
  readonly samples: number;
  readonly evidence: number;
  readonly threshold: number;
  readonly floor: number | null;
  readonly level: number | null;
}

export interface RuleDetails {
  readonly rule: RuleStatus;
  /** Oldest first, at most 1,000 of the whole and 200 of each segment. */
  readonly trajectory: readonly TrajectoryPoint[];
  /** Changes of the verdict, newest first, at most 100. */
  readonly verdicts: readonly {
    readonly at: string;
    readonly dimension: string | null;
    readonly verdict: RuleVerdictKind;
    readonly says: string;
  }[];
}

export type ReleaseVerdictKind = "hold" | "regression" | "drift" | "insufficient" | "well";

/** One signal of a candidate, or of one segment, and every figure that it is judged by. */
export interface JudgedLine {
  readonly signal: string;
  readonly dimension: string | null;
  readonly verdict: ReleaseVerdictKind;
  readonly method: "paired" | "floor" | "late-onset";
  readonly evidence: number;
  /** What the evidence must reach for this candidate alone; alpha is shared by all its lines. */
  readonly threshold: number;
  readonly level: number;
  readonly against: number;
  readonly samples: number;
  readonly controlSamples: number;
  readonly pairs: number;
  /** m; null while it is not known. */
  readonly floor: number | null;
  /** Where m comes from, in words. */
  readonly floorFrom: string;
}

/** A candidate that is watched. */
export interface Judgement {
  readonly environment: string;
  readonly artifact: string;
  readonly candidate: string;
  readonly control: string | null;
  /** The release before, which is asked copies of requests where nothing serves beside the candidate. */
  readonly prior: string | null;
  readonly since: string;
  readonly verdict: ReleaseVerdictKind;
  readonly says: string;
  readonly onset: string | null;
  readonly controlIsWell: boolean | null;
  readonly needsControl: boolean;
  readonly failing: readonly string[];
  readonly lines: readonly JudgedLine[];
  /** Samples of it that could not be scored: no `ok`, and no value in [0,1] or none that `good` judges. */
  readonly unscored: number;
  readonly late: number;
  /**
   * Its samples that were judged in the whole alone, as 32 segments are judged and theirs was none of them; with the
   * segments that were most of it. Empty: there are none.
   */
  readonly leftOut: readonly {
    readonly signal: string;
    readonly samples: number;
    readonly busiest: readonly string[];
  }[];
}

export interface JudgementDetails {
  /** Null: nothing of the artifact is watched there now. */
  readonly judgement: Judgement | null;
  /** Floors that its releases were held to, newest first, at most 200. */
  readonly floors: readonly {
    readonly version: string;
    readonly signal: string;
    readonly dimension: string | null;
    readonly m: number;
    readonly from: string;
    readonly at: string;
  }[];
  /** Changes of what was said, newest first, at most 100. */
  readonly verdicts: readonly {
    readonly version: string;
    readonly at: string;
    readonly verdict: ReleaseVerdictKind;
    readonly says: string;
  }[];
  /** Of the candidate, or of the last one: oldest first, at most 1,000 a signal. */
  readonly trajectory: readonly {
    readonly at: string;
    readonly signal: string;
    readonly dimension: string | null;
    readonly verdict: ReleaseVerdictKind;
    readonly samples: number;
    readonly evidence: number;
    readonly threshold: number;
    readonly floor: number | null;
    readonly level: number | null;
  }[];
}

export interface Report {
  readonly id: string;
  readonly at: string;
  readonly service: string;
  readonly reporter: string;
  readonly text: string;
}

export interface NewReport {
  readonly service: string;
  readonly text: string;
  /** Who noticed; an operator may name somebody else. */
  readonly reporter?: string;
}

export interface ReportTaken {
  readonly report: Report;
  /** Distinct reporters on this service within the last hour: three are a witness. */
  readonly reporters: number;
}

export function signalsApi(call: Call) {
  return {
    /** At most 5,000 at once; all of them or none. */
    sendSamples: (samples: readonly Sample[], signal?: AbortSignal) =>
      call<SamplesTaken>("POST", "/v1/samples", { body: { samples }, ...(signal && { signal }) }),
    signals: (query: { readonly service?: string } = {}) =>
      call<SignalsStatus>("GET", "/v1/signals", { query }),
    rule: (name: string) => call<RuleDetails>("GET", `/v1/signals/${segment(name)}`),
    /** The rule's floor is measured anew from the samples that come now. */
    remeasureRule: (name: string) =>
      call<RuleStatus>("POST", `/v1/signals/${segment(name)}/remeasure`, { body: {} }),
    /** Every candidate that is watched, and what is said of it. */
    judgements: () => call<{ readonly judgements: readonly Judgement[] }>("GET", "/v1/judgements"),
    judgement: (environment: string, artifact: string) =>
      call<JudgementDetails>("GET", `/v1/judgements/${segment(environment)}/${segment(artifact)}`),
    report: (report: NewReport) => call<ReportTaken>("POST", "/v1/reports", { body: report }),
    reports: (query: { readonly service?: string; readonly since?: string } = {}) =>
      call<{ readonly reports: readonly Report[] }>("GET", "/v1/reports", { query }),
  };
}
