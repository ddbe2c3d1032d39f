/** One run of the program in one session, from its start to what comes after it. */
import { Fault, faults, type OpenedSession, type Session, type SessionEnd } from "@lastgood/sdk";
import {
  type Ended,
  endedItself,
  endOf,
  type Next,
  nextAfter,
  type ProgramEnd,
} from "./agent-run.ts";
import { beatUntilOver, rest } from "./beating.ts";
import { begin } from "./begin.ts";
import type { Program } from "./program.ts";
import type { Run } from "./run-options.ts";

const untoldMsMax = 60_000;
const leftGraceMs = 1_000;
/** After a start that the server was not there for. */
const againMs = 1_000;
/** One whose session is over, or that hangs, is not waited for as long as one that is told to stop. */
const overGraceMs = 5_000;

export async function runOnce(run: Run, opened: OpenedSession, inARow: number): Promise<Next> {
  const { records, server, signals, told } = run;
  const { session_id: session } = opened.record;
  const life = keepAlive(run, opened);
  try {
    const begun = await begin(run, opened).catch((error: unknown) => {
      if (error instanceof Fault && isAway(error)) return error;
      throw error;
    });
    if (begun instanceof Fault) {
      told({ event: "trouble", what: "the start did not come about", because: begun.message });
      return { do: "restart", afterMs: againMs, inARow };
    }
    const { program, saving, token } = begun;
    const beganAt = performance.now();
    life.follow(program);
    const { end: programEnd, ended } = await seeToItsEnd(run, program, session, life.over);
    const endedAt = performance.now();
    signals.passTo(null);
    const end = endOf(programEnd, ended);
    // Of a death all must know at once; whoever ends in peace takes the time to save what it did.
    const isDeath = end.reason === "crashed" || ended?.by === "session";
    if (!isDeath) {
      await program.end(leftGraceMs);
      await saving?.stop({ isOver: false });
    }
    const toldAt = isDeath ? endedAt : performance.now();
    const [recorded] = await Promise.all([
      server.tellEnd(session, end).then((answer) => {
        const toldAfterMs = answer === null ? null : Math.round(performance.now() - toldAt);
        told({ event: "ended", session, end: asKept(end, answer), toldAfterMs });
        return answer;
      }),
      program.end(leftGraceMs),
    ]);
    records.ended({ session, program: program.identity, token: token.id });
    if (isDeath) await saving?.stop({ isOver: true });
    const lived = { livedMs: endedAt - beganAt, inARow };
    const next = (answer: Session | null) =>
      nextAfter(programEnd, endedBy(answer, ended), run.restarting, lived);
    if (recorded !== null || ended?.by === "session") return next(recorded);
    // Another may have taken over meanwhile: that must be known before it is started again.
    const waitMs = next(null).do === "restart" ? null : untoldMsMax;
    return next(await server.tellUntold(session, waitMs));
  } finally {
    life.stop();
  }
}

/** Not what the server refuses now and may grant later, such as a task that another session has. */
function isAway({ code }: Fault): boolean {
  return faults[code].retry === "later" && faults[code].status >= 500;
}

/** Beats from now on: before the program is there, and until its end was told. */
function keepAlive({ client, told }: Run, opened: OpenedSession) {
  const stopping = new AbortController();
  let program: Program | null = null;
  let isEnded = false;
  const over = beatUntilOver({
    ...{ client, session: opened.record.session_id, everyMs: opened.heartbeatMs },
    signal: stopping.signal,
    doing: () => (program === null || isEnded ? "runs" : program.doing()),
    away: (fault) =>
      told(
        fault === null
          ? { event: "server-back" }
          : { event: "server-away", because: fault.message },
      ),
  });
  return {
    /** Null where the agent itself said that it was done: its program will end as well. */
    over: over.then((last) =>
      last === null || endedItself(last.record.exit_reason) ? null : last,
    ),
    follow(started: Program) {
      program = started;
      void started.ended.then(() => {
        isEnded = true;
      });
    },
    stop: () => stopping.abort(),
  };
}

/** Until the program has ended, by itself or by us. */
async function seeToItsEnd(
  { signals, told, graceMs, onTerm }: Run,
  program: Program,
  session: string,
  over: Promise<Session | null>,
): Promise<{ readonly end: ProgramEnd; readonly ended: Ended }> {
  const first = await firstOf(program, over, signals.stop);
  let ended: Ended = null;
  if (first.is === "told") {
    const reason = first.signal === "SIGTERM" ? onTerm : "stopped";
    ended = { by: "signal", signal: first.signal, reason };
    program.tell(first.signal);
    const gone = new AbortController();
    void program.ended.then(() => gone.abort());
    await rest(graceMs, AbortSignal.any([gone.signal, signals.hurry]));
    await program.end(0);
  } else if (first.is === "over") {
    const { detail, record } = first.session;
    const reason = record.exit_reason ?? "fenced";
    ended = { by: "session", reason, detail };
    told({ event: "session-over", session, reason, detail });
    // One that is stopped hears nothing but the end.
    await program.end(program.doing() === "stopped" ? 0 : overGraceMs);
  }
  const end = await program.ended;
  const interrupted = signals.interruptedAt();
  if (ended === null && interrupted !== null && performance.now() - interrupted < graceMs) {
    ended = { by: "signal", signal: "SIGINT", reason: "stopped" };
  }
  return { end, ended };
}

type First =
  | { readonly is: "ended" }
  | { readonly is: "over"; readonly session: Session }
  | { readonly is: "told"; readonly signal: NodeJS.Signals };

async function firstOf(
  program: Program,
  over: Promise<Session | null>,
  stop: AbortSignal,
): Promise<First> {
  const ended = program.ended.then(() => ({ is: "ended" }) as const);
  return await Promise.race<First>([
    ended,
    over.then<First>((session) => (session === null ? ended : { is: "over", session })),
    new Promise((resolve) => {
      const told = () => resolve({ is: "told", signal: stop.reason as NodeJS.Signals });
      if (stop.aborted) told();
      else stop.addEventListener("abort", told, { once: true });
    }),
  ]);
}

/** What the server recorded first stays. */
function asKept(end: SessionEnd, answer: Session | null): SessionEnd {
  const reason = answer?.record.exit_reason ?? null;
  if (answer === null || reason === null || reason === end.reason) return end;
  return { ...end, detail: `${reason}: ${answer.detail}` };
}

function endedBy(recorded: Session | null, ended: Ended): Ended {
  const reason = recorded?.record.exit_reason;
  if (ended !== null || (reason !== "fenced" && reason !== "parked")) return ended;
  return { by: "session", reason, detail: recorded?.detail ?? "" };
}
