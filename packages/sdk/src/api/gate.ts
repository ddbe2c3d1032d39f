import { type Call, segment } from "../call.ts";
import type { CheckResult } from "./checks.ts";

/** `refuse`: it stays where it is, and what served before goes on. `freeze`: nothing moves, a person is called. */
export type GateKind = "promote" | "refuse" | "freeze";

export interface GateScore {
  readonly name: string;
  readonly value: number;
}

export interface GateFailure {
  readonly check: string;
  readonly bank: "checks" | "adversarial" | "shadow";
  readonly why: string;
}

export interface GateVerdict {
  readonly kind: GateKind;
  /** What decided it comes first. */
  readonly because: string;
  readonly scores: readonly GateScore[];
  readonly failed: readonly GateFailure[];
  /** The incident that calls a person, where it froze. */
  readonly incident: string | null;
}

/** The candidate beside the live release on the same inputs, from 0 to 1. */
export interface PairedScore {
  /** `answered`, `right`, or `right: segment=caps` for one segment. */
  readonly of: string;
  readonly inputs: number;
  readonly live: number;
  readonly candidate: number;
  /** How much worse the candidate is at least, with the confidence that was asked for. */
  readonly worseByAtLeast: number;
  readonly worse: boolean;
}

export interface ShadowResult {
  readonly source: "recorded" | "live";
  readonly inputs: number;
  /** Inputs on which both gave the same answer. */
  readonly same: number;
  readonly paired: readonly PairedScore[];
  /** What the candidate got wrong and the live release right; at most 50. */
  readonly worse: readonly { readonly key: string; readonly why: string }[];
}

export interface GateProgress {
  readonly done: number;
  readonly total: number;
  readonly says: string;
}

export interface GateRun {
  readonly id: string;
  readonly environment: string;
  readonly artifact: string;
  readonly candidate: string;
  /** What it was compared with; null where nothing is pinned. */
  readonly live: string | null;
  /** Only these checks were run, and nothing was decided; null: the whole gate. */
  readonly only: readonly string[] | null;
  readonly state: "running" | "ended" | "broken-off";
  readonly by: string;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly progress: GateProgress;
  readonly verdict: GateVerdict | null;
  readonly shadow: ShadowResult | null;
  readonly checks: readonly CheckResult[];
  /** Why it broke off. */
  readonly fault: string | null;
}

export interface NewGateRun {
  /** Default: the environment of the server's configuration. */
  readonly environment?: string | undefined;
  /** Run these checks alone, and decide nothing. */
  readonly only?: readonly string[] | undefined;
}

/** What the bank said of a release that serves. */
export interface LiveLook {
  readonly environment: string;
  readonly artifact: string;
  readonly version: string;
  /** What a rollback would go to, where it was asked too. */
  readonly prior: string | null;
  readonly at: string;
  readonly tookMs: number;
  /** False: it fails what passed before, and what a rollback goes to passes. Null: it could not be told. */
  readonly ok: boolean | null;
  readonly passed: number;
  readonly checks: number;
  readonly says: string;
  /** Whoever is to blame, each with why. */
  readonly failing: readonly { readonly check: string; readonly why: string }[];
}

const lookMsMax = 600_000;

export function gateApi(call: Call) {
  return {
    /** What the bank said of the releases that serve; what fails comes first. */
    liveLooks: () => call<{ readonly looks: readonly LiveLook[] }>("GET", "/v1/live-looks"),
    /** Asks the bank's checks of the release that serves now. */
    lookAtLive: (environment: string, artifact: string) =>
      call<LiveLook>(
        "POST",
        `/v1/environments/${segment(environment)}/pins/${segment(artifact)}/look`,
        { timeoutMs: lookMsMax },
      ),
    /** Returns at once; the same while it runs already. Follow it with `gateRun`. */
    startGateRun: (artifact: string, version: string, wanted: NewGateRun = {}) =>
      call<GateRun>(
        "POST",
        `/v1/artifacts/${segment(artifact)}/releases/${segment(version)}/gate`,
        { body: wanted },
      ),
    /** Waits up to `waitMs` (at most 20,000) for more progress than `done`, or for its end. */
    gateRun: (
      id: string,
      query: { readonly waitMs?: number | undefined; readonly done?: number | undefined } = {},
    ) => call<GateRun>("GET", `/v1/gate/runs/${segment(id)}`, { query: { ...query } }),
    /** Newest first. */
    gateRuns: (
      query: {
        readonly artifact?: string | undefined;
        readonly version?: string | undefined;
        readonly limit?: number | undefined;
      } = {},
    ) =>
      call<{ readonly runs: readonly GateRun[]; readonly more: boolean }>("GET", "/v1/gate/runs", {
        query: { ...query },
      }),
  };
}
