/** What is said of a candidate, and what it is held to. */
import type { FloorOrigin } from "./baseline.ts";
import type { Good } from "./sample.ts";

/** What a release is held to while it is watched. */
export interface Guardrail {
  readonly signal: string;
  /** What a measured value must be to count as good; without it samples carry `ok`, or a value in [0,1]. */
  readonly good?: Good;
  /** How much worse is still not worse. */
  readonly delta: number;
  /** The floor where nothing serves beside it; null: it is taken from the release before. */
  readonly objective?: number | null;
  readonly sustainMs: number;
  readonly minSamples: number;
  /** Names of dimensions whose values are judged by themselves as well. */
  readonly dimensions: readonly string[];
}

export interface Watched {
  readonly environment: string;
  readonly artifact: string;
  /** A version of the artifact. */
  readonly candidate: string;
  /** The version that served before it, and may be asked where nothing serves beside it. */
  readonly prior: string;
  /** The prior, where it still serves beside it; null: nothing is left to compare with. */
  readonly control: string | null;
  readonly guardrails: readonly Guardrail[];
}

/**
 * - `insufficient`: too few samples, or none lately. Nothing moves.
 * - `hold`: it may be worse, and that is not proved; or a control is being asked.
 * - `well`: enough was seen, and it is not worse: a ramp may go on.
 * - `regression`: it is worse than what serves beside it, proved also among everything else that is watched; or
 *   it fell below its floor and there is nothing to ask (`control` null): then a person is called.
 * - `drift`: it is below its floor, and so is what served before, or nothing was changed for long.
 */
export type ReleaseVerdictKind = "hold" | "regression" | "drift" | "insufficient" | "well";

export type ReleaseMethod = "paired" | "floor" | "late-onset";

export interface ReleaseVerdict {
  readonly kind: ReleaseVerdictKind;
  readonly signal: string;
  /** Segment, as `language=de`; null for the whole. */
  readonly dimension: string | null;
  readonly method: ReleaseMethod;
  /** The e-value (or R of the e-detector), at most 1e12, and what it must reach for this signal alone. */
  readonly evidence: number;
  readonly threshold: number;
  /** The candidate's mean since the onset, or since it is watched, and the mean or the floor it is held to. */
  readonly level: number;
  readonly against: number;
  /** The candidate's. */
  readonly samples: number;
  readonly onset: Date | null;
  /** The version that it was compared with; null: with none. */
  readonly control: string | null;
  /** False: the control suffers alike. Null: nobody can tell. */
  readonly controlIsWell: boolean | null;
  /** Little or nothing serves beside it, and copies of requests to the release before would tell. */
  readonly needsControl: boolean;
  /** Keys of executions that failed since the onset, newest first, at most 200. */
  readonly failing: readonly string[];
  /** One line for people. */
  readonly says: string;
}

/** What is said of the releases of an artifact stands under this name, as what a rule says stands under the rule's. */
export function ruleOfReleases({
  environment,
  artifact,
}: Pick<Watched, "environment" | "artifact">): string {
  return `${artifact}@${environment}`;
}

/** Where the m of a release comes from: `measured` and `provisional` are of the release named `of`. */
export interface ReleaseFloor {
  readonly m: number;
  readonly origin: FloorOrigin;
  readonly of: string | null;
  readonly at: number;
}

export const failingShown = 200;
