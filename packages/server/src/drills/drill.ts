import type { Gain } from "./gain.ts";

/** What a drill prints with `--json`, and what readiness is computed from. Times in milliseconds. */
export interface DrillReport {
  readonly drill: string;
  readonly ok: boolean;
  /** Where the drill follows an incident to its end. */
  readonly ending?: Ending;
  readonly seed: number;
  readonly variant: string;
  readonly timeline: readonly DrillEvent[];
  readonly ms: {
    readonly injectedToDetected: number | null;
    readonly detectedToDecided: number | null;
    readonly decidedToContained: number | null;
    readonly containedToVerified: number | null;
    readonly injectedToVerified: number | null;
    readonly injectedToResumed: number | null;
  };
  readonly lost: Readonly<Record<"messages" | "documents" | "commits" | "executions", number>>;
  readonly duplicated: Readonly<Record<"messages" | "effects" | "work", number>>;
  readonly incident: string | null;
  readonly suspects: readonly {
    readonly change: string;
    readonly posterior: number;
    readonly evidence: readonly string[];
  }[];
  readonly pages: number;
  readonly postMortem: string | null;
  readonly check: string | null;
  readonly skill: string | null;
  /** Where the same damage was done again: how much sooner it was put right. */
  readonly gain?: Gain;
  /** What the drill itself read in the world afterwards; each that does not hold makes it fail. */
  readonly proofs: readonly Proof[];
  readonly details: Readonly<Record<string, unknown>>;
}

/** How the incident stood when the drill stopped following it: `unfinished` when its patience ran out. */
export type Ending = "closed" | "waits-for-person" | "unfinished";

export interface DrillEvent {
  readonly at: string;
  readonly elapsedMs: number;
  readonly actor: string;
  readonly event: string;
}

export interface Proof {
  readonly what: string;
  readonly holds: boolean;
  readonly seen: string;
}

export interface DrillOptions {
  readonly seed: number;
  /** Null: the seed decides. */
  readonly variant: string | null;
  /** Leave the world here for others to look at; null: a temporary folder, removed. */
  readonly keep: string | null;
  readonly databaseUrl: string | null;
  readonly natsUrl: string | null;
  /** The program that is drilled: argv before `start`. Tests drill broken ones. */
  readonly program: readonly [string, ...string[]];
  /** Do the same damage again once it was put right. Only for drills that say that they can. */
  readonly again?: boolean;
  /** How long the end of the incident is waited for, where not the drill's own time. */
  readonly patienceMs?: number;
  told(event: DrillEvent): void;
  readonly signal: AbortSignal;
}

export interface Drill {
  readonly name: string;
  readonly summary: string;
  readonly variants: readonly string[];
  /** Whether the same damage can be done again, from another change, to see what was learned. */
  readonly canRepeat?: true;
  run(options: DrillOptions): Promise<DrillReport>;
}
