import { type Call, segment } from "../call.ts";
import type { JsonValue } from "./state.ts";

/**
 * `intended`: it has its id and was not sent. `dispatched`: it may have happened. `unknown`: whoever
 * dispatched it is gone, or does not know. The later work's `compensated` and `irreversible` have their
 * names reserved.
 */
export type EffectState = "intended" | "dispatched" | "confirmed" | "failed" | "unknown";
export type EffectNature = "read-only" | "reversible" | "compensable" | "irreversible";

/** What may be done with an effect, by its state. To begin it is always allowed: the answer says what to do. */
export const effectActs = {
  dispatch: ["intended", "failed"],
  confirm: ["dispatched", "unknown"],
  fail: ["intended", "dispatched", "unknown"],
  doubt: ["dispatched"],
  settle: ["unknown", "failed"],
} as const satisfies Record<string, readonly EffectState[]>;
export type EffectAct = keyof typeof effectActs;

/** An act on the outside world. */
export interface Effect {
  /** Made by Lastgood before it is dispatched, and the same whenever the same key is used again. */
  readonly id: string;
  readonly agent: string;
  /** The agent's fork: within one, a key means the same effect. Empty until the first. */
  readonly fork: string;
  /** Where it was begun, or dispatched last. */
  readonly session: string;
  readonly task: string | null;
  readonly key: string;
  /** What acts, such as a tool's name. */
  readonly kind: string;
  readonly nature: EffectNature;
  readonly state: EffectState;
  /** As it was dispatched, or intended, last. */
  readonly request: JsonValue;
  readonly result: JsonValue;
  /** Why it failed, or why its outcome is unknown. */
  readonly error: string | null;
  readonly attempts: number;
  /** How often its recorded result stood in for doing it again. */
  readonly replayed: number;
  readonly intendedAt: string;
  readonly dispatchedAt: string | null;
  readonly settledAt: string | null;
  readonly settledBy: string | null;
  /** What a look-up or a person gave as its reason; null where whoever dispatched it said how it went. */
  readonly settledBecause: string | null;
  /**
   * What a session that had dispatched it said after its own end. It was refused as a write, and decides
   * nothing; but it is evidence for whoever finds out what happened.
   */
  readonly late: LateWord | null;
}

export interface LateWord {
  readonly state: "confirmed" | "failed";
  readonly session: string;
  readonly result: JsonValue;
  readonly error: string | null;
  readonly at: string;
}

export interface NewEffect {
  readonly session: string;
  /** Names the effect within the agent's task: the same key is the same effect. At most 300 characters. */
  readonly key: string;
  readonly task?: string | undefined;
  readonly kind?: string | undefined;
  /** Default `irreversible`: what is not known must not be repeated. `read-only` may always be repeated. */
  readonly nature?: EffectNature | undefined;
  /** At most 16 kB of JSON. */
  readonly request?: JsonValue | undefined;
  /** False: it is only written down, to be dispatched later. Default true. */
  readonly dispatch?: boolean | undefined;
  /**
   * Names this very try: when its answer was lost and it is asked for again, it is answered the same. Without
   * it the repetition is taken for a second handler, and is `target_busy`.
   */
  readonly attempt?: string | undefined;
}

/**
 * What to do now: `run` it, `replay` the recorded result, `look-up` whether it happened (it was dispatched
 * and its outcome is unknown), or `wait` (only written down, as asked for).
 */
export interface EffectBegun {
  readonly effect: Effect;
  readonly go: "run" | "replay" | "look-up" | "wait";
}

export interface EffectQuery {
  readonly agent?: string | undefined;
  readonly session?: string | undefined;
  readonly task?: string | undefined;
  readonly state?: EffectState | undefined;
  /** 1 to 1,000; default 100. Latest first. */
  readonly limit?: number | undefined;
}

export function effectsApi(call: Call) {
  const effect = (id: string) => `/v1/effects/${segment(id)}`;
  const post = (path: string, body: unknown) => call<Effect>("POST", path, { body });
  return {
    /** `target_busy` while another handler of the same session has it under way. */
    beginEffect: (effect: NewEffect) => call<EffectBegun>("POST", "/v1/effects", { body: effect }),
    effects: (query: EffectQuery = {}) =>
      call<{ effects: readonly Effect[]; more: boolean }>("GET", "/v1/effects", {
        query: { ...query },
      }),
    effect: (id: string) => call<Effect>("GET", effect(id)),
    /** One that was only written down. `effect_unknown` where it must be looked up first. */
    dispatchEffect: (id: string, session: string, attempt?: string) =>
      post(`${effect(id)}/dispatch`, { session, attempt }),
    /** At most 64 kB of JSON. After the session's end it is `fenced`, and kept as the effect's `late` word. */
    confirmEffect: (id: string, end: { session: string; result?: JsonValue }) =>
      post(`${effect(id)}/confirm`, end),
    /** It surely did not happen, and may be tried again. After the session's end as for `confirmEffect`. */
    failEffect: (id: string, end: { session: string; error: string }) =>
      post(`${effect(id)}/fail`, end),
    /** Nobody knows whether it happened. */
    doubtEffect: (id: string, end: { session: string; error: string }) =>
      post(`${effect(id)}/doubt`, end),
    /** What a look-up, or a person, found of an unknown one. Did not happen: it may be run. */
    settleEffect: (
      id: string,
      found: { happened: boolean; result?: JsonValue; because: string; session?: string },
    ) => post(`${effect(id)}/settle`, found),
  };
}
