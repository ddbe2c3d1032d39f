/** What this room needs of its neighbours, and no more. */
import type { ChangeId, IncidentId } from "../ids.ts";
import type { Step } from "../layers/layer.ts";
import type { Change } from "../ledger/change.ts";
import type { Verdict } from "../signals/verdict.ts";

export interface SignalSource {
  /** Calls on every verdict that is new, and again while a regression lasts. Returns how to stop. */
  onVerdict(listener: (verdict: Verdict) => void): () => void;
  /** What the rule says of its signal (or segment) now; `gone` when it is no longer in force. */
  stateOf(rule: string, dimension: string | null): "well" | "bad" | "unknown" | "gone";
  /** How strongly the rule's signal after `exposedAt` contradicts what it was before; null: no such rule. */
  contrast(service: string, rule: string, exposedAt: Date): Promise<Contrast | null>;
  /** Distinct people who reported the service since then. */
  reporters(service: string, since: Date): Promise<number>;
}

export interface Contrast {
  /** An e-value; 1 says nothing either way. */
  readonly evidence: number;
  readonly before: { readonly mean: number; readonly n: number };
  readonly after: { readonly mean: number; readonly n: number };
}

/** What is kept of an incident, written by the learning room. */
export interface WriteUps {
  /** The good revision is served: its check can be run against it. Returns at once. */
  beginCheck(incident: IncidentId): void;
  /** The post-mortem, drafted from the records. */
  draft(incident: IncidentId): Promise<void>;
  /** The post-mortem, with all there is. */
  finish(incident: IncidentId): Promise<void>;
  /** What is still missing before an incident with a rollback may close; null: nothing. */
  wanting(incident: IncidentId): Promise<string | null>;
  /** The same where a person took a release back, and no recovery did; null also where it was no release. */
  wantingByHand(incident: IncidentId): Promise<string | null>;
}

/** What earlier recoveries taught. It says where to look first, and is never evidence. */
export interface Playbooks {
  /** Suspects that resemble what once did the same, the likeliest first. Soon, and never fails. */
  leads(
    incident: IncidentId,
    signatures: readonly string[],
    suspects: readonly Change[],
  ): Promise<readonly Lead[]>;
  /** What the evidence came to, whether it is enough to act on, and the steps that are planned. */
  decided(
    incident: IncidentId,
    decided: {
      readonly changes: readonly ChangeId[];
      readonly sure: boolean;
      readonly steps: readonly Step[];
    },
  ): Promise<void>;
}

export interface Lead {
  readonly change: ChangeId;
  /** In (0, 1]. */
  readonly likeness: number;
}

/** A regression that recorded samples show, with its signal's contrast at any moment. */
export interface Replayed {
  readonly verdict: Verdict;
  contrast(exposedAt: Date): Contrast;
}

/** Recorded samples run through the same detectors again. */
export type ReplaySamples = (since: Date, signal: AbortSignal) => Promise<readonly Replayed[]>;

/** Told when a change that was taken back is pushed again. */
export interface Barred {
  readonly repository: string;
  readonly commit: string;
  readonly agent: string;
  /** The incident whose recovery took it back. */
  readonly incident: IncidentId | null;
  readonly because: string;
}
