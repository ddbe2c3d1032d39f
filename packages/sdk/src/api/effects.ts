import { type Call, segment } from "../call.ts";
import type { JsonValue } from "./state.ts";

/**
 * `intended`: it has its id and was not sent. `dispatched`: it may have happened. `unknown`: whoever
 * dispatched it is gone, or does not know. The later work's `compensated` and `irreversible` have their
 * names reserved.
 */
export type EffectState = "intended" | "dispatched" | "confirmed" | "failed" | "unknown";
export type EffectNature = "read-only" | "reversible" | "compensable" | "irreversible";

/** An act on the outside world. */
export interface Effect {
  /** Made by Lastgood before it is dispatched, and the same whenever the same key is used again. */
  readonly id: string;
  readonly agent: string;
  readonly session: string;
  readonly task: string | null;
  readonly key: string;
  /** What acts, such as a tool's name. */
  readonly kind: string;
  readonly nature: EffectNature;
  readonly state: EffectState;
  readonly request: JsonValue;
  readonly result: JsonValue;
  readonly error: string | null;
  readonly attempts: number;
  readonly intendedAt: string;
  readonly dispatchedAt: string | null;
  readonly settledAt: string | null;
  readonly settledBy: string | null;
}

export interface NewEffect {
  readonly session: string;
  /** Names the effect within the agent's task: the same key is the same effect. At most 300 characters. */
  readonly key: string;
  readonly task?: string | undefined;
  readonly kind?: string | undefined;
  /** Default `irreversible`: what is not known must not be repeated. */
  readonly nature?: EffectNature | undefined;
  /** At most 16 kB of JSON. */
  readonly request?: JsonValue | undefined;
  /** False: it is only written down, to be dispatched later. Default true. */
  readonly dispatch?: boolean | undefined;
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
    beginEffect: (effect: NewEffect) => call<EffectBegun>("POST", "/v1/effects", { body: effect }),
    effects: (query: EffectQuery = {}) =>
      call<{ effects: readonly Effect[]; more: boolean }>("GET", "/v1/effects", {
        query: { ...query },
      }),
    effect: (id: string) => call<Effect>("GET", effect(id)),
    dispatchEffect: (id: string, session: string) => post(`${effect(id)}/dispatch`, { session }),
    confirmEffect: (id: string, end: { session: string; result?: JsonValue }) =>
      post(`${effect(id)}/confirm`, end),
    /** It surely did not happen, and may be tried again. */
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
