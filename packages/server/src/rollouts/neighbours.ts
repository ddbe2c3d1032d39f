/** What this room needs of its neighbours, and no more. */
import type { Mode } from "@lastgood/sdk";
import type { ChangeId, IncidentId } from "../ids.ts";
import type { RolloutId } from "./rollout.ts";

/** What a release is held to while it rolls out. */
export interface Guardrail {
  readonly signal: string;
  readonly good?: { readonly atMost?: number | undefined; readonly atLeast?: number | undefined };
  readonly delta: number;
  readonly objective: number | null;
  readonly sustainMs: number;
  readonly minSamples: number;
  readonly dimensions: readonly string[];
}

export interface Watched {
  readonly environment: string;
  readonly artifact: string;
  readonly candidate: string;
  /** The release that served before it. */
  readonly prior: string;
  /** The prior, where it still serves beside it; null: nothing is left to compare with. */
  readonly control: string | null;
  readonly guardrails: readonly Guardrail[];
}

/** What a judge says of a candidate now. `well`: enough was seen, and it is not worse. */
export interface ReleaseVerdict {
  readonly kind: "hold" | "regression" | "drift" | "insufficient" | "well";
  readonly signal: string;
  readonly dimension: string | null;
  readonly method: "paired" | "floor" | "late-onset";
  readonly evidence: number;
  readonly level: number;
  readonly against: number;
  readonly samples: number;
  readonly onset: Date | null;
  readonly control: string | null;
  /** False: the release before suffers alike, so the candidate is not to blame. Null: nobody can tell. */
  readonly controlIsWell: boolean | null;
  /** Executions that failed. */
  readonly failing: readonly string[];
  readonly says: string;
}

/** Compares a candidate with what served before, by the samples that carry their labels. */
export interface ReleaseJudge {
  /** Again with the same words changes nothing; with others the comparison begins anew. */
  watch(watched: Watched): void;
  unwatch(environment: string, artifact: string): void;
  /** Null: this release is not watched there. */
  verdictOf(
    release: Pick<Watched, "environment" | "artifact" | "candidate">,
  ): ReleaseVerdict | null;
  onVerdict(
    listener: (told: { readonly environment: string; readonly artifact: string }) => void,
  ): () => void;
}

export interface Gate {
  judge(
    asked: {
      readonly environment: string;
      readonly artifact: string;
      readonly candidate: string;
      readonly live: string;
    },
    progress: (says: string) => void,
    signal: AbortSignal,
  ): Promise<GateVerdict>;
}

export interface GateVerdict {
  readonly kind: "promote" | "refuse" | "freeze";
  readonly because: string;
  readonly scores: readonly { readonly name: string; readonly value: number }[];
  readonly failed: readonly {
    readonly check: string;
    readonly bank: string;
    readonly why: string;
  }[];
}

/** A candidate that is worse, as the incidents room is told of it. */
export interface Regressed {
  readonly rollout: RolloutId;
  readonly environment: string;
  readonly artifact: string;
  readonly candidate: string;
  readonly prior: string;
  /** The changes that brought it, oldest first. */
  readonly changes: readonly ChangeId[];
  readonly verdict: ReleaseVerdict;
  readonly automatic: Mode;
  /** What persons decided about this rollout. */
  readonly decided: readonly string[];
}

export interface IncidentDesk {
  /** Opens the incident, or finds it; decides, plans, and lets the recovery run where it may. Safe to repeat. */
  reportRelease(regressed: Regressed): Promise<IncidentId>;
  /** Opens an incident of what fell, and is not this release's doing: nothing is put back for it. Safe to repeat. */
  reportDrift(regressed: Regressed): Promise<void>;
  /** Calls a person about a dial that cannot go on by itself: once per rollout. */
  reportStuck(stuck: {
    readonly rollout: RolloutId;
    readonly environment: string;
    readonly artifact: string;
    readonly because: string;
  }): Promise<IncidentId>;
  /** The rollouts that a person was called for, and since when. */
  stuck(): Promise<readonly { readonly rollout: string; readonly since: Date }[]>;
  /** Somebody decided what a person was called for. */
  stuckOver(rollout: RolloutId, by: string, because: string): Promise<void>;
  /** `lastgood freeze`, or a person who took over; null: automation may move the dial. */
  heldBecause(artifact: string, environment: string): Promise<string | null>;
}
