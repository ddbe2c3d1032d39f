import type { AgentName, ChangeId, IncidentId, RepositoryName, ServiceName } from "../ids.ts";

/** What each layer can do to the world. A new layer starts as a new line here. */
export interface Actions {
  /** The hand that did it: fenced, its tokens suspended, its later pushes not deployed. */
  fleet: {
    do: "contain" | "reinstate";
    agent: AgentName;
    incident: IncidentId | null;
    because: string;
  };
  code: {
    do: "revert";
    repository: RepositoryName;
    branch: string;
    /** The tip that the revert was computed on, and the revert's own id: both full object ids. */
    from: string;
    to: string;
    /** Newest first. */
    commits: readonly string[];
    deliver: "push" | "branch";
    /**
     * Where the branch holds what must not go live yet: `from` lies under that, and what is pushed is the
     * merge of the revert into the tip.
     */
    onto?: { tip: string; merge: string };
    /** Migrations that the commits added and that are applied: each has its own down. Newest first. */
    migrations?: readonly { id: string; path: string }[];
  };
  state: {
    do: "put-versions";
    documents: readonly {
      collection: string;
      id: string;
      /** The head it was planned on, and the version whose body comes back (merged: null). */
      from: number;
      restores: number | null;
      /** RFC 8785 text; null removes the document. */
      body: string | null;
    }[];
    reverts: readonly ChangeId[];
  };
  messages:
    | { do: "hold" | "release"; consumer: string; because: string }
    /**
     * Dead letters that come back to the consumer under their own message ids, each once: those named,
     * and those that died between the plan and the hold. `since` is the onset, ISO 8601.
     */
    | { do: "requeue"; consumer: string; deadLetters: readonly string[]; since: string };
  versions:
    | ({ do: "move-pin" } & MovedPin)
    /** The rollout that brought it takes it back: by its reverse gate and its reverse ramp. */
    | ({ do: "turn-back"; rollout: string } & MovedPin);
  runtime: { do: "set-revision"; service: ServiceName; from: string | null; to: string };
  /** Nothing is done to the world: the step counts when the rules of the services hold again. */
  signals: {
    do: "await-baseline";
    services: readonly ServiceName[];
    /** The incident's onset, ISO 8601: the baseline is what was before it. */
    onset: string;
  };
}

/** From one pin to another. */
interface MovedPin {
  environment: string;
  artifact: string;
  /** The pin that it was planned on. */
  from: { epoch: number; shares: readonly Share[] };
  to: readonly Share[];
  /** Releases that go, and are refused until that is lifted; and those of which it is lifted. */
  bars: readonly string[];
  lifts: readonly string[];
  incident: IncidentId | null;
  reverts: readonly ChangeId[];
}

/** A part of the keys of an environment, and the release that they get. */
type Share = { readonly version: string; readonly share: number };

export type LayerKind = keyof Actions;
export const layerKinds = [
  "fleet",
  "versions",
  "code",
  "state",
  "messages",
  "runtime",
  "signals",
] as const;

/** When a step's turn comes. A layer may take part in several stages: hold first, release last. */
export const stages = [
  "contain",
  "hold",
  "restore",
  "relieve",
  "settle",
  "replay",
  "release",
] as const;
export type Stage = (typeof stages)[number];

/** How long a layer may wait, in one `verify` of the stage `settle`, for the world to settle. */
export const settleMsMax = 300_000;

/** One thing to do, as plain data: stored, shown, hashed, compared. Distributes over the kinds. */
export type Step<K extends LayerKind = LayerKind> = {
  [Kind in K]: {
    readonly layer: Kind;
    readonly stage: Stage;
    readonly action: Actions[Kind];
    /** One line for people: what this step does. */
    readonly says: string;
  };
}[K];

/** What is wanted. `window.since` is the onset of the damage; `services` are those that show it. */
export interface Undo {
  readonly changes: readonly ChangeId[];
  readonly agents: readonly AgentName[];
  readonly services: readonly ServiceName[];
  readonly since: Date;
  readonly incident: IncidentId | null;
  readonly because: string;
}

/** What will be done, and what cannot be kept. Plain data: the same world gives the same plan. */
export interface Plan<K extends LayerKind = LayerKind> {
  readonly steps: readonly Step<K>[];
  /** What will be gone afterwards, one line each. */
  readonly losses: readonly string[];
  /** What stands in the way; a plan with conflicts is never run by itself. */
  readonly conflicts: readonly string[];
  /** What this layer cannot see or put back here. */
  readonly gaps: readonly string[];
  /** False when applying it cannot be taken back. */
  readonly reversible: boolean;
  /** How much the plan touches. */
  readonly touches: {
    readonly commits: number;
    readonly documents: number;
    readonly consumers: number;
    readonly executions: number;
    readonly servicesDown: readonly ServiceName[];
  };
}

export const untouched = {
  commits: 0,
  documents: 0,
  consumers: 0,
  executions: 0,
  servicesDown: [],
} as const;

export const emptyPlan: Plan<never> = {
  steps: [],
  losses: [],
  conflicts: [],
  gaps: [],
  reversible: true,
  touches: untouched,
};

export type Verification =
  | { readonly ok: true; readonly observed: readonly string[] }
  /** Neither taken nor failed: somebody outside must act first, such as merge a branch. */
  | { readonly ok: "waiting"; readonly waitsFor: string }
  | { readonly ok: false; readonly differences: readonly [string, ...string[]] };

/**
 * One kind of thing that can be put back as it was before some changes.
 *
 * - `plan` reads and never writes. The same world gives the same plan.
 * - `apply` may be called again with the same step, after a crash at any line: what is already done
 *   is left alone, and a world that is neither before nor after is a `plan_stale` fault.
 * - `verify` reads the world afresh. It never trusts what `apply` remembers.
 * - `undo` gives the steps that would take an applied step back, as a plan of its own.
 */
export interface Layer<K extends LayerKind> {
  readonly kind: K;
  plan(undo: Undo, signal: AbortSignal): Promise<Plan<K>>;
  apply(step: Step<K>, context: ApplyContext, signal: AbortSignal): Promise<void>;
  verify(step: Step<K>, signal: AbortSignal): Promise<Verification>;
  undo(step: Step<K>, signal: AbortSignal): Promise<Plan<K>>;
}

/** Under whose name a step is applied. `changeId` is fixed in the journal before the first try. */
export interface ApplyContext {
  readonly changeId: ChangeId;
  readonly actor: string;
  readonly reason: string;
}

/** All of them. A kind without a layer, or a layer under the wrong kind, does not compile. */
export type Layers = { readonly [K in LayerKind]: Layer<K> };
