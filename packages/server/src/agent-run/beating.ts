/**
 * Keeps a session alive for a program that does not do so itself, and sees when it is over.
 *
 *   B1. A program that is stopped (SIGSTOP, a debugger) is not alive: nobody beats for it, so that its lease
 *       ends as that of any agent that hangs.
 *   B2. Once the agent beats by itself, these beats keep nothing (the server holds them to it): they only
 *       find out that the session is over.
 *   B3. A server that is away is waited for; the program goes on.
 */
import { setTimeout as pause } from "node:timers/promises";
import { type Client, Fault, faults, type Session } from "@lastgood/sdk";

export interface BeatingOptions {
  readonly client: Client;
  readonly session: string;
  readonly everyMs: number;
  doing(): "runs" | "stopped" | "gone";
  /** `null`: it is back. Told when it changes. */
  away(fault: Fault | null): void;
  readonly signal: AbortSignal;
}

const answerMsMax = 5_000;

/** Resolves with the session once it is over, or with null when `signal` aborts. */
export async function beatUntilOver(options: BeatingOptions): Promise<Session | null> {
  const { everyMs, away, signal } = options;
  let isAway = false;
  while (!signal.aborted) {
    const began = performance.now();
    try {
      const over = await beat(options);
      if (over !== null) return over;
      if (isAway) away(null);
      isAway = false;
    } catch (error) {
      if (signal.aborted) break;
      if (!(error instanceof Fault)) throw error;
      if (!isAway) away(error);
      isAway = true;
    }
    await rest(everyMs - (performance.now() - began), signal);
  }
  return null;
}

async function beat({ client, session, doing, signal }: BeatingOptions): Promise<Session | null> {
  if (doing() === "runs") {
    try {
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(answerMsMax)]);
      await client.heartbeat(session, { by: "wrapper" }, deadline);
      return null;
    } catch (error) {
      if (!(error instanceof Fault && error.code === "fenced")) throw error;
    }
  }
  const now = await client.sessionOf(session);
  return now.state === "ended" ? now : null;
}

/** Whether waiting may mend it. */
export function isPassing(error: unknown): boolean {
  return error instanceof Fault && faults[error.code].retry === "later";
}

/** Ends early when `signal` aborts. */
export async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await pause(Math.max(0, ms), undefined, { signal }).catch(() => {});
}
