/**
 * What `agent run` asks of the server: patiently, so that one that is away stops nothing.
 *
 *   V1. An end is on the disk before it is told, and told until it was answered, by this run or by the next.
 *   V2. Whoever runs the agent here next ends what a killed run left alive, before anything else.
 */
import {
  type Client,
  Fault,
  type NewSession,
  type OpenedSession,
  type Session,
  type SessionEnd,
} from "@lastgood/sdk";
import { doingOf, endGroup } from "../process-group.ts";
import { isPassing, rest } from "./beating.ts";
import type { RunEvent } from "./run-events.ts";
import type { RunRecords } from "./run-records.ts";

export interface ServerSide {
  /** Null when we were told to stop before the server was there. `parked`, and whatever else refuses. */
  open(asked: NewSession): Promise<OpenedSession | null>;
  /** Null: the server does not know yet, and will be told. */
  tellEnd(session: string, end: SessionEnd): Promise<Session | null>;
  /**
   * Waits at most `withinMs`; null: until we are told to stop. Answers with what the server recorded of
   * `session`, where it was untold.
   */
  tellUntold(session: string, withinMs: number | null): Promise<Session | null>;
  endAbandoned(): Promise<void>;
}

export interface ServerSideDeps {
  readonly client: Client;
  readonly url: string;
  readonly records: RunRecords;
  /** Aborts when we are told to stop. */
  readonly stop: AbortSignal;
  told(event: RunEvent): void;
}

const answerMsMax = 5_000;
const pauseMsMin = 250;
const pauseMsMax = 5_000;
const saidEveryMs = 10_000;
const abandonedGraceMs = 5_000;

export function createServerSide(deps: ServerSideDeps): ServerSide {
  const { client, url, records, stop, told } = deps;

  /** Until it is answered; null when `until` aborts first. */
  async function patiently<T>(
    what: string,
    until: AbortSignal,
    call: () => Promise<T>,
  ): Promise<T | null> {
    let saidAt = Number.NEGATIVE_INFINITY;
    for (let pauseMs = pauseMsMin; !until.aborted; pauseMs = Math.min(pauseMs * 2, pauseMsMax)) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof Fault && isPassing(error))) throw error;
        if (performance.now() - saidAt >= saidEveryMs) {
          told({ event: "waiting", what, because: error.message });
          saidAt = performance.now();
        }
        await rest(pauseMs, until);
      }
    }
    return null;
  }

  /** V1. What the server refuses to hear, such as of a session that it does not know, is dropped and said. */
  async function tell(session: string, end: SessionEnd): Promise<Session | null> {
    try {
      const answer = await withinAnswer(client.endSession(session, end));
      records.told(session);
      return answer;
    } catch (error) {
      if (!(error instanceof Fault) || isPassing(error)) throw error;
      records.told(session);
      told({ event: "trouble", what: `the end of ${session} was refused`, because: error.message });
      return null;
    }
  }

  async function tellAll(until: AbortSignal): Promise<ReadonlyMap<string, Session>> {
    const answers = new Map<string, Session>();
    for (const { session, end } of records.allUntold()) {
      const what = `tell how ${session} ended`;
      const answer = await patiently(what, until, () => tell(session, end));
      if (answer !== null) answers.set(session, answer);
    }
    return answers;
  }

  async function revoke(token: string | null): Promise<void> {
    if (token === null) return;
    await client.revokeToken(token).catch((error: unknown) => {
      const because = error instanceof Error ? error.message : String(error);
      told({ event: "trouble", what: `the token ${token} was not revoked`, because });
    });
  }

  return {
    async open(asked) {
      await tellAll(stop);
      const opened = await patiently("open a session", stop, () => client.openSession(asked));
      if (opened === null) return null;
      // Whatever ran before, here or elsewhere, is over now.
      for (const run of records.abandoned()) {
        if (run.url === url) await revoke(run.token);
        records.forget(run);
      }
      return opened;
    },
    async tellEnd(session, end) {
      records.untold({ session, end });
      try {
        return await tell(session, end);
      } catch (error) {
        if (isPassing(error)) return null;
        throw error;
      }
    },
    async tellUntold(session, withinMs) {
      const until =
        withinMs === null ? stop : AbortSignal.any([stop, AbortSignal.timeout(withinMs)]);
      return (await tellAll(until)).get(session) ?? null;
    },
    async endAbandoned() {
      for (const { here, program, session, wrapper, ...run } of records.abandoned()) {
        if (!here || program === null) continue;
        const detail = `its agent run (process ${wrapper.pid}) was killed`;
        const isTold =
          run.url !== url || records.allUntold().some((each) => each.session === session);
        if (!isTold) records.untold({ session, end: { reason: "crashed", detail } });
        if (doingOf(program) !== "gone") {
          told({ event: "abandoned-ended", session, pid: program.pid });
        }
        await endGroup(program, abandonedGraceMs);
      }
    },
  };
}

async function withinAnswer<T>(answer: Promise<T>): Promise<T> {
  const late = new AbortController();
  try {
    return await Promise.race([
      answer,
      rest(answerMsMax, late.signal).then(() => {
        throw new Fault("timed_out", `The server did not answer in ${answerMsMax / 1_000} s.`);
      }),
    ]);
  } finally {
    late.abort();
  }
}
