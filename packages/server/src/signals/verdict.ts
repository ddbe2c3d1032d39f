/** What a rule says of its signal now. `insufficient`: too few samples, or missing ones: nothing moves. */
export type VerdictKind = "hold" | "regression" | "drift" | "insufficient";

export interface Verdict {
  readonly rule: string;
  readonly service: string;
  readonly signal: string;
  readonly kind: VerdictKind;
  readonly customerFacing: boolean;
  readonly severity: "critical" | "high" | "low";
  /** Of the sample that decided. */
  readonly at: Date;
  /** When the signal went bad, as the detector dates it. Null unless a regression. */
  readonly onset: Date | null;
  /** The e-value (or R of the e-detector) at the decision: how strongly the past is contradicted. */
  readonly evidence: number;
  /** m: the floor that the signal is held to, and its mean since the onset. Both in [0,1]. */
  readonly floor: number;
  readonly level: number;
  readonly samples: number;
  /** Distinct execution keys among the failures: fewer than three are one user's bad luck. */
  readonly failingKeys: number;
  readonly hard: boolean;
  /** Segment, as `language=de`; null for the whole. */
  readonly dimension: string | null;
  /** One line for people. */
  readonly says: string;
}
