/**
 * What `lastgood agent run` decides. Pure.
 *
 *     open a session ──> start the program ──> it ends ──> tell how ──> stop, or start it again
 *           │                   │ the session is over: end the program
 *           │                   │ told to stop: pass it on, wait, end the program
 *           └ parked: stop, a person is needed
 */

import { constants } from "node:os";
import type { ExitReason, SessionEnd } from "@lastgood/sdk";

export type RestartPolicy = "on-crash" | "always" | "never";
export const restartPolicies: readonly RestartPolicy[] = ["on-crash", "always", "never"];

/** How a program went. */
export interface ProgramEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The kernel killed it for its memory. */
  readonly outOfMemory: boolean;
}

/** Why we ended the program, where we did. */
export type Ended =
  /** Somebody told `agent run` to stop. */
  | {
      readonly by: "signal";
      readonly signal: NodeJS.Signals;
      readonly reason: "stopped" | "evicted";
    }
  /** The session was over: taken over, hung, parked. */
  | { readonly by: "session"; readonly reason: ExitReason; readonly detail: string }
  | null;

/** How one run ended, as it is told to the server. */
export function endOf(program: ProgramEnd, ended: Ended): SessionEnd {
  const detail = detailOf(program);
  if (ended?.by === "signal") {
    return { reason: ended.reason, detail: `${ended.signal} to agent run; then ${detail}` };
  }
  return program.code === 0 ? { reason: "completed", detail } : { reason: "crashed", detail };
}

function detailOf({ code, signal, outOfMemory }: ProgramEnd): string {
  if (signal === null) return `exit code ${code}`;
  return outOfMemory ? `signal ${signal}: out of memory` : `signal ${signal}`;
}

/** As a shell says it. */
export function exitCodeOf({ code, signal }: ProgramEnd): number {
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}

export interface Restarting {
  readonly policy: RestartPolicy;
  /** How often in a row, without a minute of health in between; null: as often as it takes. */
  readonly max: number | null;
}

export type Next =
  | { readonly do: "exit"; readonly code: number; readonly because: string | null }
  | { readonly do: "restart"; readonly afterMs: number; readonly inARow: number };

const healthMs = 60_000;
const pauseMsMin = 1_000;
const pauseMsMax = 60_000;
/** What a session that ended under a living program makes of the exit code: see the fault `fenced`. */
const fencedExit = 5;
const parkedExit = 7;

/** What comes after a run that lived for `livedMs`, after `inARow` restarts without a minute of health. */
export function nextAfter(
  program: ProgramEnd,
  ended: Ended,
  { policy, max }: Restarting,
  { livedMs, inARow }: { readonly livedMs: number; readonly inARow: number },
): Next {
  const code = exitCodeOf(program);
  if (ended?.by === "signal") return { do: "exit", code, because: null };
  if (ended?.reason === "fenced") {
    return { do: "exit", code: fencedExit, because: `its session was fenced: ${ended.detail}` };
  }
  if (ended?.reason === "parked") {
    return { do: "exit", code: parkedExit, because: `the agent was parked: ${ended.detail}` };
  }
  const crashed = ended !== null || code !== 0;
  const failure = code === 0 ? 1 : code;
  if (policy === "never" || (policy === "on-crash" && !crashed)) {
    return { do: "exit", code: crashed ? failure : 0, because: null };
  }
  const before = livedMs >= healthMs ? 0 : inARow;
  if (max !== null && before >= max) {
    const because = `it was started again ${before} times in a row (--max-restarts ${max})`;
    return { do: "exit", code: crashed ? failure : 0, because };
  }
  const afterMs = Math.min(pauseMsMax, pauseMsMin * 2 ** Math.min(before, 10));
  return { do: "restart", afterMs, inARow: before + 1 };
}

/**
 * Whether a session that is over leaves its program be: whoever speaks for it has said that it is done, and
 * it will exit.
 */
export function endedItself(reason: ExitReason | null): boolean {
  return reason === "completed" || reason === "stopped";
}
