import { type Call, segment } from "../call.ts";
import type { Mode } from "./incidents.ts";
import type { InFlightPolicy } from "./releases.ts";

export const rolloutPhases = [
  "candidate",
  "shadow",
  "canary",
  "live",
  "frozen",
  "rolling-back",
  "rolled-back",
  "superseded",
  "refused",
] as const;
export type RolloutPhase = (typeof rolloutPhases)[number];

/** What a person may do to a rollout, by the phase that it is in. */
export const rolloutActions = {
  freeze: ["shadow", "canary", "live", "rolling-back"],
  resume: ["frozen"],
  promote: ["canary", "frozen", "rolling-back"],
  back: ["candidate", "shadow", "canary", "live", "frozen", "rolling-back"],
} as const satisfies Readonly<Record<string, readonly RolloutPhase[]>>;
export type RolloutAction = keyof typeof rolloutActions;

export function mayTurn(action: RolloutAction, phase: RolloutPhase): boolean {
  const phases: readonly RolloutPhase[] = rolloutActions[action];
  return phases.includes(phase);
}

/** One step of a ramp: so much of the keys, for at least so long. */
export interface RampStep {
  readonly percent: number;
  readonly holdMs: number;
}

/** Fixed when the rollout begins. */
export interface RampPlan {
  /** Percent to the candidate; ends at 100. A first step of 0 starts it without serving anybody. */
  readonly ramp: readonly RampStep[];
  /** Percent to the release before, on the way back; ends at 100. */
  readonly reverse: readonly RampStep[];
  /** How long it is looked at closely once it serves everybody. */
  readonly bakeMs: number;
  /** Percent that the release before keeps afterwards, so that there is something to compare with. */
  readonly holdback: number;
  /** What Lastgood does by itself when the candidate is worse; stricter modes count. */
  readonly automatic: Mode;
}

export interface RolloutVerdict {
  readonly kind: "hold" | "regression" | "drift" | "insufficient" | "well";
  readonly says: string;
  readonly signal: string;
  readonly dimension: string | null;
  readonly method: string;
  readonly evidence: number;
  readonly level: number;
  readonly against: number;
  readonly samples: number;
}

/** A release's passage. */
export interface Rollout {
  readonly id: string;
  /** Raised by every move: give it as `expect`, and who comes second is refused. */
  readonly version: number;
  readonly environment: string;
  readonly artifact: string;
  readonly candidate: string;
  /** The release that it goes back to; null while none is fixed, and where there is no way back. */
  readonly prior: string | null;
  readonly purpose: "release" | "drill";
  readonly phase: RolloutPhase;
  /** One line: where it stands, and why. */
  readonly says: string;
  /** Of the candidate now. */
  readonly percent: number;
  readonly plan: RampPlan;
  readonly because: string;
  readonly startedBy: string;
  readonly startedAt: string;
  /** When it came where it is. */
  readonly since: string;
  readonly endedAt: string | null;
  readonly incident: string | null;
  readonly recovery: string | null;
  /** A person's own act on it: nothing automatic goes back past that. */
  readonly decidedBy: string | null;
}

export interface RolloutEvent {
  readonly at: string;
  readonly actor: string;
  readonly event: string;
  readonly text: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface RolloutDetails extends Rollout {
  /** What the judge says now; null: nothing watches it. */
  readonly verdict: RolloutVerdict | null;
  /** What it waits for by itself; null: for nothing. */
  readonly waits: string | null;
  /** Oldest first, at most 500. */
  readonly events: readonly RolloutEvent[];
}

export interface RolloutStart {
  readonly version: string;
  readonly because?: string | undefined;
  /** Percents, such as [1, 10, 50, 100]; by default those of lastgood.yaml. */
  readonly ramp?: readonly number[] | undefined;
  /** How long each step is held, in milliseconds. */
  readonly holdMs?: number | undefined;
  /** All at once, after it was started beside the other: the ramp [0, 100], no holdback, and back the same way. */
  readonly blueGreen?: boolean | undefined;
  /** The epoch of the pin that this was planned on: `version_conflict` where it moved. */
  readonly expect?: number | undefined;
  readonly inFlight?: InFlightPolicy | undefined;
  readonly override?: string | undefined;
}

export interface RolloutTurn {
  readonly because: string;
  /** The version of the rollout that this was decided on. */
  readonly expect?: number | undefined;
}

export interface RolloutBack extends RolloutTurn {
  /** Without the reverse ramp. */
  readonly now?: boolean | undefined;
  /** Without the reverse gate; recorded. Only with `now`. */
  readonly unchecked?: boolean | undefined;
}

/** One thing that the reverse gate looked at. */
export interface GateFinding {
  readonly what: "digest" | "starts" | "health" | "smoke";
  readonly ok: boolean;
  readonly says: string;
  readonly tookMs: number;
}

/** Whether a release that one could go back to is whole and starts. */
export interface PriorProbe {
  readonly environment: string;
  readonly artifact: string;
  readonly version: string;
  readonly ok: boolean;
  /** False: no command says how it is started. */
  readonly starts: boolean;
  readonly says: string;
  readonly findings: readonly GateFinding[];
  readonly at: string;
  readonly tookMs: number;
}

export interface ReverseDrill {
  readonly rollout: string;
  readonly environment: string;
  readonly artifact: string;
  readonly prior: string;
  readonly ended: boolean;
  readonly ok: boolean;
  readonly proofs: readonly {
    readonly what: string;
    readonly holds: boolean;
    readonly seen: string;
  }[];
  readonly startedAt: string;
  readonly endedAt: string | null;
}

export function rolloutsApi(call: Call) {
  const rollout = (id: string) => `/v1/rollouts/${segment(id)}`;
  const dial = (env: string, name: string) =>
    `/v1/environments/${segment(env)}/pins/${segment(name)}`;
  const turn = (verb: RolloutAction) => (id: string, body: RolloutTurn) =>
    call<Rollout>("POST", `${rollout(id)}/${verb}`, { body });
  return {
    /** Newest first; `open`: those that are under way, and what is live and watched. */
    rollouts: (
      query: {
        readonly state?: "open" | "ended" | "all";
        readonly artifact?: string;
        readonly environment?: string;
        readonly limit?: number;
      } = {},
    ) =>
      call<{ readonly rollouts: readonly Rollout[]; readonly more: boolean }>(
        "GET",
        "/v1/rollouts",
        { query: { ...query } },
      ),
    rollout: (id: string) => call<RolloutDetails>("GET", rollout(id)),
    /** `policy_missing`, `review_missing`, `was_rolled_back`, `target_busy`, `version_conflict`: nothing moved. */
    startRollout: (env: string, name: string, start: RolloutStart) =>
      call<Rollout>("POST", `${dial(env, name)}/rollout`, { body: start }),
    freezeRollout: turn("freeze"),
    resumeRollout: turn("resume"),
    promoteRollout: turn("promote"),
    backRollout: (id: string, body: RolloutBack) =>
      call<Rollout>("POST", `${rollout(id)}/back`, { body }),
    /** What a rollback would go to, and whether it is known to start. */
    priorProbes: () => call<{ readonly probes: readonly PriorProbe[] }>("GET", "/v1/prior-probes"),
    /** Probes now what a rollback of this artifact would go to. */
    probePrior: (env: string, name: string) =>
      call<PriorProbe>("POST", `${dial(env, name)}/probe-prior`, { timeoutMs: 15_000 }),
    /** Moves a share of the live fleet to the release before and back again. */
    startReverseDrill: (
      env: string,
      name: string,
      body: { readonly percent?: number; readonly holdMs?: number } = {},
    ) => call<ReverseDrill>("POST", `${dial(env, name)}/drill`, { body }),
    reverseDrill: (id: string) => call<ReverseDrill>("GET", `${rollout(id)}/drill`),
  };
}
