import type { Call } from "../call.ts";

/**
 * How bad it is that something is not covered, worst first.
 * - `broken`: it is meant to work and does not.
 * - `unprotected`: it could not be put back, or nobody would notice or be called.
 * - `stale`: it was proven once, too long ago, or never.
 * - `noted`: it is so on purpose, perhaps.
 */
export type FindingKind = "broken" | "unprotected" | "stale" | "noted";

/** One gap, and the one command that mends it. */
export interface Finding {
  readonly kind: FindingKind;
  /** Such as `service-without-sandbox`: the same for the same gap, whatever it is about. */
  readonly code: string;
  /** Such as `service content-api`, or `installation`. */
  readonly about: string;
  readonly says: string;
  readonly mend: string;
}

/** What can be done for one service. A text says how; null: it cannot. */
export interface ServiceCoverage {
  readonly name: string;
  /** Its commits can be reverted. */
  readonly code: string | null;
  /** What serves it can be moved to another revision. */
  readonly runtime: string | null;
  /** It is noticed when it goes bad. */
  readonly probes: string | null;
  /** A suspect commit can be rerun. */
  readonly sandbox: string | null;
  /** Who is called when it cannot be put back. */
  readonly owner: string | null;
}

export interface Coverage {
  readonly at: string;
  readonly services: readonly ServiceCoverage[];
  /** What holds, in words: the other half of the findings. */
  readonly protects: readonly string[];
  /** Worst first. */
  readonly findings: readonly Finding[];
}

/** How a drill ended. */
export interface DrillOutcome {
  readonly drill: string;
  readonly ok: boolean;
}

export function coverageApi(call: Call) {
  return {
    /** What is protected, what is not, what is stale. */
    coverage: () => call<Coverage>("GET", "/v1/coverage", { timeoutMs: 60_000 }),
    /** Doctor counts from it how long ago the way back was rehearsed. */
    recordDrill: (body: DrillOutcome) =>
      call<DrillOutcome>("POST", "/v1/coverage/drills", { body }),
  };
}
