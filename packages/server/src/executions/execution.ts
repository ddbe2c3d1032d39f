/**
 * A piece of work under a release, and what becomes of it when the pin moves. Pure.
 *
 *     running ──> finished
 *        │  └───> failed ───> requeued ──┐
 *        ├──────> switched ──> (the next one runs)
 *        └──────> cancelled ─────────────┴──> retried ──> (the next one runs)
 *
 *   E1. An execution belongs to one release for ever: what goes on under another one is the next of its key.
 *   E2. Of a key one runs at a time, and one is finished.
 *   E3. Cancelled is who was told so: nobody else does its work before it has heard.
 *   E4. An irreversible effect under way is never cancelled away: it is spared, and it is said why.
 */
import type { ExecutionState, InFlightPolicy } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import type { Json } from "../json/canonical.ts";

export const inputBytesMax = 65_536;
/** Of an output of which only the digest is kept. */
export const comparedBytesMax = 1_048_576;
export const takenMax = 100;
export const keysMax = 1_000;

export type Door = "sdk" | "http" | "gateway" | "mirror";

export interface Execution {
  readonly id: string;
  readonly environment: string;
  readonly artifact: string;
  readonly key: string;
  readonly attempt: number;
  readonly target: string;
  readonly version: string;
  readonly epoch: number;
  readonly state: ExecutionState;
  readonly door: Door;
  readonly agent: string | null;
  readonly session: string | null;
  readonly dimensions: Readonly<Record<string, string>> | null;
  readonly outputDigest: string | null;
  readonly error: string | null;
  readonly spared: string | null;
  readonly previous: string | null;
  readonly next: string | null;
  readonly mirrorOf: string | null;
  readonly score: number | null;
  readonly begunAt: Date;
  readonly endedAt: Date | null;
  readonly expiresAt: Date;
  /** Each step begins it anew. */
  readonly expireMs: number;
}

/** With what it was given and what it made. */
export interface WholeExecution extends Execution {
  readonly input: Json;
  readonly output: Json;
}

/** A release that a pin gives. */
export interface Chosen {
  readonly version: string;
  readonly epoch: number;
}

/** The clock of whoever tells may be off by this much. */
const offMsMax = 60_000;

/** When something was, told late, as it is kept: not after now. Faults `bad_input` for what is well ahead of now. */
export function requirePast(at: Date, now: Date, path: string): Date {
  if (at.getTime() <= now.getTime()) return at;
  if (at.getTime() <= now.getTime() + offMsMax) return now;
  throw new Fault(
    "bad_input",
    `${at.toISOString()} is ahead of ${now.toISOString()}, which it is here: tell when it was, by a clock that is set right.`,
    { context: { path, now: now.toISOString() } },
  );
}

/** When it ended, as it is kept. Faults `bad_input` for what is ahead of now, or well before its beginning. */
export function requireEnd(
  { id, begunAt }: Pick<Execution, "id" | "begunAt">,
  at: Date,
  now: Date,
) {
  const ended = requirePast(at, now, "at");
  if (ended.getTime() >= begunAt.getTime()) return ended;
  if (ended.getTime() >= begunAt.getTime() - offMsMax) return begunAt;
  throw new Fault(
    "bad_input",
    `${id} did not end at ${at.toISOString()}, before it was begun at ${begunAt.toISOString()}: tell when it was, by a clock that is set right.`,
    { context: { path: "at", now: now.toISOString() } },
  );
}

/** Faults `bad_input` for a pin that was never made. */
export function requireMade(claimed: number, made: number, environment: string): void {
  if (claimed <= made) return;
  throw new Fault(
    "bad_input",
    `${environment} is at epoch ${made}, and ${claimed} was not yet: name the one that the work was begun by.`,
    { context: { path: "late.epoch", environment, epoch: made } },
  );
}

/** What a step decides. */
export type Going =
  | { readonly go: "on"; readonly spared: string | null }
  | { readonly go: "switch"; readonly to: Chosen }
  | { readonly go: "cancel"; readonly because: string };

/**
 * Whether work that was begun under one release goes on under it. `now` is what its target gets now, null where
 * nothing is pinned; `irreversible` names an irreversible effect of it that is under way.
 */
export function goingOn(
  { artifact, version }: Pick<Execution, "artifact" | "version">,
  policy: InFlightPolicy | null,
  now: Chosen | null,
  irreversible: string | null,
): Going {
  if (now === null || now.version === version || policy === "finish-old" || policy === null) {
    return { go: "on", spared: null };
  }
  const moved = `${artifact} is ${now.version} since epoch ${now.epoch}`;
  if (irreversible !== null) {
    return {
      go: "on",
      spared: `${moved}, but the irreversible effect ${irreversible} is under way`,
    };
  }
  return policy === "switch" ? { go: "switch", to: now } : { go: "cancel", because: moved };
}

/** What begins under a key, by the last execution of it. */
export type Beginning =
  | { readonly begin: "first" }
  /** This very begin was heard before. */
  | { readonly begin: "again" }
  | { readonly begin: "done" }
  | { readonly begin: "next"; readonly after: Execution };

/** Faults `target_busy` while another one runs. */
export function beginningOf(last: Execution | null, asked: Asking): Beginning {
  if (last === null) return { begin: "first" };
  if (last.id === asked.id) return { begin: last.state === "finished" ? "done" : "again" };
  switch (last.state) {
    case "finished":
      return { begin: "done" };
    case "failed":
    case "cancelled":
    case "requeued":
      return { begin: "next", after: last };
    case "running":
      if (asked.id === null && isSameWorker(last, asked)) return { begin: "again" };
      throw new Fault(
        "target_busy",
        `${last.artifact} ${last.key.slice(0, 100)} is being done already, as ${last.id} by ${last.agent ?? "nobody known"} since ${last.begunAt.toISOString()}: leave it to that one. Unheard of, it ends at ${last.expiresAt.toISOString()}.`,
        { context: { execution: last.id, key: last.key } },
      );
    case "switched":
    case "retried":
      // Their next one is the last of the key.
      throw new Error(`${last.id} is ${last.state} and the last of its key`);
  }
}

export interface Asking {
  /** Null: the asker did not name its begin. */
  readonly id: string | null;
  readonly agent: string | null;
  readonly session: string | null;
}

function isSameWorker(one: Execution, other: Asking): boolean {
  return one.agent === other.agent && one.session === other.session;
}

/** The error of what failed because nobody was heard of. */
export const unheard = "nobody said in time how it ended";

/** Faults `state_forbids` where it may not end any more. */
export function requireMayEnd(execution: Execution): void {
  const { id, state, next, error } = execution;
  // Cancelled, or not heard of in time, and done nevertheless before anybody began it again: it is done.
  if (state === "running" || state === "cancelled") return;
  if (error === unheard && (state === "failed" || state === "requeued")) return;
  const instead = next === null ? "" : `, and ${next} goes on with it`;
  throw new Fault(
    "state_forbids",
    `${id} is ${state}${instead}: what it made counts no more. See \`lastgood executions show ${id}\`.`,
    { context: { execution: id, state, next } },
  );
}

/** Which release may be worked under again: one that is bad must be gone. */
export function requireGone(
  artifact: string,
  version: string,
  pinned: readonly { readonly version: string }[],
): void {
  if (pinned.length === 0) {
    throw new Fault(
      "state_forbids",
      `${artifact} is not pinned: deploy the release that the work is to be done again under.`,
    );
  }
  if (!pinned.some((each) => each.version === version)) return;
  throw new Fault(
    "state_forbids",
    `${artifact}:${version} is still pinned: what is queued again would fail under it again. Roll back first (\`lastgood rollback ${artifact}\`).`,
    { context: { artifact, version } },
  );
}
