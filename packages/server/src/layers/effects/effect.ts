/**
 * An act on the outside world, and what may become of it. Pure: one function per arrow, and each answers with
 * the same effect where there is nothing to change.
 *
 *   intended ── dispatch ──> dispatched ── confirm ──> confirmed
 *      ^                      │   │  └──── fail ─────> failed ──> (begun again: dispatched)
 *      └─ begun, not sent     │   └─ doubt, or its session is over
 *                             │          └──> unknown ── confirm, fail, settle ──> confirmed | failed
 *
 *   E1. What is dispatched has its id, its key and its request in the database before.
 *   E2. Nothing is run while it may have happened: a key is run when it never was dispatched, or surely did
 *       not happen. Only a `read-only` effect may always be run again.
 *   E3. What is confirmed is never run again: its result is replayed.
 *   E4. A session that is over decides nothing. What it says of an effect that it dispatched is kept beside
 *       it, and where it contradicts a failure the outcome is unknown.
 */
import {
  type EffectAct,
  type EffectBegun,
  type EffectNature,
  type EffectState,
  effectActs,
} from "@lastgood/sdk";
import { Fault } from "../../fault.ts";
import { canonical, type Json } from "../../json/canonical.ts";

export interface Settled {
  readonly at: Date;
  readonly by: string;
  /** Null where whoever dispatched it said so itself. */
  readonly because: string | null;
}

export type Phase =
  | { readonly state: "intended" }
  | { readonly state: "dispatched" }
  | { readonly state: "confirmed"; readonly result: Json; readonly settled: Settled }
  | { readonly state: "failed"; readonly error: string; readonly settled: Settled }
  | { readonly state: "unknown"; readonly error: string };

/** What a session said of an effect after its own end. */
export interface LateWord {
  readonly state: "confirmed" | "failed";
  readonly session: string;
  readonly result: Json;
  readonly error: string | null;
  readonly at: Date;
}

export interface Effect {
  readonly id: string;
  readonly agent: string;
  readonly fork: string;
  readonly task: string | null;
  readonly key: string;
  readonly kind: string;
  readonly nature: EffectNature;
  readonly request: Json;
  /** Where it was begun or dispatched last, and by whom in it. */
  readonly session: string;
  readonly attempt: string | null;
  readonly phase: Phase;
  readonly attempts: number;
  /** The sessions that dispatched it, the last 20. */
  readonly dispatchers: readonly string[];
  readonly replayed: number;
  readonly replayedAt: Date | null;
  readonly intendedAt: Date;
  readonly dispatchedAt: Date | null;
  readonly late: LateWord | null;
}

export const requestBytesMax = 16_384;
export const resultBytesMax = 65_536;
export const dispatchersMax = 20;

/** Who begins it, and as what. The session lives. */
export interface Begin {
  readonly session: string;
  readonly attempt: string | null;
  readonly dispatch: boolean;
  readonly kind: string;
  readonly nature: EffectNature;
  readonly request: Json;
}

/** E2, E3. `busy`: another handler of the same session has it under way. */
export function whatToDo(
  effect: Pick<Effect, "phase" | "nature" | "session" | "attempt">,
  { session, attempt, dispatch }: Pick<Begin, "session" | "attempt" | "dispatch">,
): EffectBegun["go"] | "busy" {
  const go = dispatch ? "run" : "wait";
  switch (effect.phase.state) {
    case "intended":
    case "failed":
      return go;
    case "confirmed":
      return "replay";
    case "unknown":
      return effect.nature === "read-only" ? go : "look-up";
    case "dispatched": {
      // An agent lives once: while this session lives, any other of it is over.
      if (effect.session !== session) return effect.nature === "read-only" ? go : "look-up";
      const isRepeated = dispatch && attempt !== null && attempt === effect.attempt;
      return isRepeated ? "run" : "busy";
    }
  }
}

/** What to do, and the effect as it is from now on. Faults `target_busy`. */
export function begin(
  effect: Effect,
  asked: Begin,
  at: Date,
): { readonly effect: Effect; readonly go: EffectBegun["go"] } {
  const go = whatToDo(effect, asked);
  switch (go) {
    case "busy":
      throw isBusy(effect);
    case "replay":
      return { go, effect: { ...effect, replayed: effect.replayed + 1, replayedAt: at } };
    case "look-up":
      return { go, effect: abandon(effect) };
    case "wait":
      return { go, effect: intend(effect, asked) };
    case "run": {
      const isUnderWay = effect.phase.state === "dispatched" && effect.session === asked.session;
      return {
        go,
        effect: isUnderWay ? effect : send({ ...effect, ...wantedOf(asked) }, asked, at),
      };
    }
  }
}

/** One that was only written down is sent now. */
export function dispatch(
  effect: Effect,
  by: { readonly session: string; readonly attempt: string | null },
  at: Date,
): Effect {
  const { phase, session, attempt } = effect;
  if (phase.state === "dispatched" && session === by.session) {
    if (attempt !== null && attempt === by.attempt) return effect;
    throw isBusy(effect);
  }
  if (isOpen(effect) && effect.nature !== "read-only") throw isUnknown(effect);
  if (!isOpen(effect)) requireMay(effect, "dispatch");
  return send(effect, by, at);
}

export function confirm(effect: Effect, session: string, result: Json, settled: Settled): Effect {
  const { phase } = effect;
  if (phase.state === "confirmed" && effect.session === session) {
    if (canonical(phase.result) === canonical(result)) return effect;
  }
  requireDispatchedBy(effect, session, "confirm");
  return { ...effect, phase: { state: "confirmed", result, settled } };
}

/** It surely did not happen: unless a session that is over says that it did (E4). */
export function fail(effect: Effect, session: string, error: string, settled: Settled): Effect {
  const { phase } = effect;
  if (phase.state === "failed" && effect.session === session && phase.error === error) {
    return effect;
  }
  requireDispatchedBy(effect, session, "fail");
  return contradicted({ ...effect, phase: { state: "failed", error, settled } });
}

export function doubt(effect: Effect, session: string, error: string): Effect {
  if (effect.phase.state === "unknown" && effect.session === session) return effect;
  requireDispatchedBy(effect, session, "doubt");
  return { ...effect, phase: { state: "unknown", error } };
}

/** The session that dispatched it is over, and did not say how it went. */
export function abandon(effect: Effect): Effect {
  if (effect.phase.state !== "dispatched") return effect;
  return { ...effect, phase: { state: "unknown", error: abandonedError(effect.session) } };
}

export function abandonedError(session: string): string {
  return `the session ${session} ended before it said how it went`;
}

/** What a look-up or a person found. */
export function settle(
  effect: Effect,
  found: { readonly happened: boolean; readonly result: Json },
  settled: Settled & { readonly because: string },
): Effect {
  const { phase: before } = effect;
  if (before.state === (found.happened ? "confirmed" : "failed")) return effect;
  if (before.state === "confirmed") {
    throw new Fault(
      "state_forbids",
      `The effect ${effect.id} is confirmed, by ${before.settled.by}: what happened cannot be settled as never done. To have it done again, use another key, or open a session that forks.`,
      { context: { state: before.state } },
    );
  }
  requireMay(effect, "settle");
  const phase: Phase = found.happened
    ? { state: "confirmed", result: found.result, settled }
    : { state: "failed", error: settled.because, settled };
  return { ...effect, phase };
}

/**
 * E4. The word of a session that is over: kept where it had dispatched the effect. A later word does not
 * replace one that it happened.
 */
export function hearLate(effect: Effect, late: LateWord): Effect {
  if (!effect.dispatchers.includes(late.session) || isRepeatedWord(effect, late)) return effect;
  if (effect.late?.state === "confirmed") return effect;
  return contradicted({ ...effect, late });
}

/** Whether the session said so while it lived, or has said so since. */
function isRepeatedWord({ phase, session, late: known }: Effect, late: LateWord): boolean {
  const saidInTime =
    phase.state === late.state && session === late.session && phase.settled.because === null;
  return saidInTime || (known?.session === late.session && known.state === late.state);
}

function contradicted(effect: Effect): Effect {
  const { phase, late } = effect;
  if (late?.state !== "confirmed") return effect;
  if (phase.state !== "failed" && phase.state !== "intended") return effect;
  const was = phase.state === "failed" ? `it failed (${phase.error})` : "it was to be done again";
  const error = `${was}, but the session ${late.session} says that it happened`;
  return { ...effect, phase: { state: "unknown", error } };
}

/** Whether anybody may do it in the effect's state. */
export function may(effect: Pick<Effect, "phase">, act: EffectAct): boolean {
  const allowed: readonly EffectState[] = effectActs[act];
  return allowed.includes(effect.phase.state);
}

/** It may have happened, and nobody says so. */
function isOpen({ phase }: Effect): boolean {
  return phase.state === "unknown" || phase.state === "dispatched";
}

function intend(effect: Effect, asked: Begin): Effect {
  const { session, attempt } = asked;
  return { ...effect, ...wantedOf(asked), session, attempt, phase: { state: "intended" } };
}

function send(
  effect: Effect,
  { session, attempt }: { readonly session: string; readonly attempt: string | null },
  at: Date,
): Effect {
  const others = effect.dispatchers.filter((each) => each !== session);
  return {
    ...effect,
    ...{ session, attempt, phase: { state: "dispatched" }, dispatchedAt: at },
    attempts: effect.attempts + 1,
    dispatchers: [...others, session].slice(-dispatchersMax),
  };
}

function wantedOf({ kind, nature, request }: Begin): Pick<Effect, "kind" | "nature" | "request"> {
  return { kind, nature, request };
}

/** Only the session that sent it, or wrote it down, says how it went. */
function requireDispatchedBy(effect: Effect, session: string, act: EffectAct): void {
  if (isOpen(effect) && effect.session !== session) throw isUnknown(effect);
  requireMay(effect, act);
}

function requireMay(effect: Effect, act: EffectAct): void {
  if (may(effect, act)) return;
  const { id, phase } = effect;
  throw new Fault(
    "state_forbids",
    `The effect ${id} is ${phase.state}, which does not let anybody ${act} it: ${remedies[phase.state]}.`,
    { context: { state: phase.state } },
  );
}

const remedies: Readonly<Record<EffectState, string>> = {
  intended: "dispatch it first",
  dispatched: "whoever dispatched it says how it went, or its session must end first",
  confirmed: "begin it again under its key to get its result",
  failed: "begin it again under its key to try it again",
  unknown: "look up whether it happened, and settle it",
};

function isBusy({ id, session }: Effect): Fault {
  return new Fault(
    "target_busy",
    `The effect ${id} is under way in the session ${session}: wait until that handler says how it went.`,
    { context: { effect: id, session } },
  );
}

function isUnknown({ id, session }: Effect): Fault {
  return new Fault(
    "effect_unknown",
    `The effect ${id} was dispatched in the session ${session}, which is over: look up whether it happened, and settle it (\`lastgood effects settle ${id}\`).`,
    { context: { effect: id, session } },
  );
}
