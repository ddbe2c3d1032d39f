/**
 * Wraps any program, so that an agent in any language is noticed when it dies and can be undone.
 *
 *   W1. One run of the program is one session. The session's process is this wrapper: it lives until it has told
 *       how the program ended, so that nobody who sees the program gone first takes a clean end for a crash.
 *   W2. Nothing of a program outlives its session: whatever is left of its group is ended with it.
 *   W3. A session that was fenced or parked under a living program ends the wrapper too: another works now,
 *       or a person must look. One that hung or whose lease ended is a crash, and is restarted like one.
 *   W4. A server that is away stops no program; only a start needs it.
 */
import {
  type Client,
  type Connection,
  createClient,
  Fault,
  type OpenedSession,
  type Session,
  type WorkTreePlace,
} from "@lastgood/sdk";
import { ownHost } from "../own-host.ts";
import { identify } from "../process-group.ts";
import {
  type Ended,
  endedItself,
  endOf,
  nextAfter,
  type ProgramEnd,
  type Restarting,
} from "./agent-run.ts";
import { type AgentToken, agentToken } from "./agent-token.ts";
import { beatUntilOver, rest } from "./beating.ts";
import { type Program, startProgram } from "./program.ts";
import type { RunEvent } from "./run-events.ts";
import { openRunRecords, type RunRecords } from "./run-records.ts";
import { createServerSide, type ServerSide } from "./server-side.ts";
import { listenToSignals, type StopSignals } from "./stop-signals.ts";

/** Saves a work tree while it changes. `stop` saves it a last time. */
export interface Saving {
  stop(): Promise<void>;
}

export interface RunAgentOptions {
  readonly connection: Connection;
  readonly agent: string;
  /** Claimed for every session, where one is named. */
  readonly task: string | null;
  readonly command: readonly string[];
  readonly leaseMs: number;
  readonly restarting: Restarting;
  /** What a SIGTERM to us means for the session. */
  readonly onTerm: "stopped" | "evicted";
  /** How long the program may take to end when it is told to. */
  readonly graceMs: number;
  /** Where this machine keeps what must not be forgotten. */
  readonly home: string;
  readonly workTree: WorkTreePlace | null;
  startSaving(session: OpenedSession): Saving | null;
  told(event: RunEvent): void;
}

const parkedExit = 7;
const untoldMsMax = 60_000;
const leftGraceMs = 1_000;
/** One whose session is over, or that hangs, is not waited for as long as one that is told to stop. */
const overGraceMs = 5_000;

/** Returns with the exit code when it is over for good. */
export async function runAgent(options: RunAgentOptions): Promise<number> {
  const { connection, agent, home, told } = options;
  const client = createClient(connection);
  const records = openRunRecords(home, agent, connection.url);
  const signals = listenToSignals(process.stdin.isTTY === true);
  const { url } = connection;
  const server = createServerSide({ client, url, records, told, stop: signals.stop });
  let token: AgentToken | null = null;
  try {
    await server.endAbandoned();
    for (let inARow = 0; ; ) {
      const opened = await open(options, server);
      if (opened === null) return 128 + 15;
      if (opened === "parked") return parkedExit;
      token ??= await agentToken(client, agent, connection.token);
      const run = { ...options, client, records, signals, server, token };
      const next = await runOnce(run, opened, inARow);
      if (next.do === "exit") {
        if (next.because !== null) told({ event: "stopped", because: next.because });
        return next.code;
      }
      inARow = next.inARow;
      told({ event: "restarting", afterMs: next.afterMs, inARow });
      await rest(next.afterMs, signals.stop);
    }
  } finally {
    signals.close();
    records.close();
    if (token !== null && token.id !== null) await client.revokeToken(token.id).catch(() => {});
  }
}

async function open(
  { agent, leaseMs, workTree, told }: RunAgentOptions,
  server: ServerSide,
): Promise<OpenedSession | "parked" | null> {
  // The first process of a container has no identity that would tell anything.
  const wrapper = identify(process.pid);
  try {
    return await server.open({
      ...{ agent, leaseMs, door: "agent-run" },
      ...(workTree === null ? {} : { workTree }),
      ...(wrapper === null ? {} : { process: { host: ownHost(), ...wrapper } }),
    });
  } catch (error) {
    if (!(error instanceof Fault && error.code === "parked")) throw error;
    told({ event: "stopped", because: error.message });
    return "parked";
  }
}

interface Run extends RunAgentOptions {
  readonly client: Client;
  readonly records: RunRecords;
  readonly signals: StopSignals;
  readonly server: ServerSide;
  readonly token: AgentToken;
}

/** One session, from its start to what comes after it. */
async function runOnce(run: Run, opened: OpenedSession, inARow: number) {
  const { records, server, told } = run;
  const { session_id: session } = opened.record;
  const program = await begin(run, opened);
  const beganAt = performance.now();
  const saving = run.startSaving(opened);
  const { end: programEnd, ended } = await seeToItsEnd(run, program, opened);
  const endedAt = performance.now();
  const end = endOf(programEnd, ended);
  const [recorded] = await Promise.all([
    server.tellEnd(session, end).then((answer) => {
      const toldAfterMs = answer === null ? null : Math.round(performance.now() - endedAt);
      told({ event: "ended", session, end: endAsKept(end, answer), toldAfterMs });
      return answer;
    }),
    program.end(leftGraceMs),
  ]);
  records.ended({ session, program: program.identity, token: run.token.id });
  await saving?.stop();
  const lived = { livedMs: endedAt - beganAt, inARow };
  const next = (answer: Session | null) =>
    nextAfter(programEnd, endedBy(answer, ended), run.restarting, lived);
  if (recorded !== null || ended?.by === "session") return next(recorded);
  // W3. Another may have taken over meanwhile: that must be known before it is started again.
  const waitMs = next(null).do === "restart" ? null : untoldMsMax;
  return next(await server.tellUntold(session, waitMs));
}

/** What the server recorded first stays. */
function endAsKept(end: ReturnType<typeof endOf>, answer: Session | null) {
  const reason = answer?.record.exit_reason ?? null;
  if (answer === null || reason === null || reason === end.reason) return end;
  return { ...end, detail: `${reason}: ${answer.detail}` };
}

function endedBy(recorded: Session | null, ended: Ended): Ended {
  const reason = recorded?.record.exit_reason;
  if (ended !== null || (reason !== "fenced" && reason !== "parked")) return ended;
  return { by: "session", reason, detail: recorded?.detail ?? "" };
}

/** Hands the program what it must know, and starts it. */
async function begin(run: Run, opened: OpenedSession): Promise<Program> {
  const { client, agent, task, command, records, server, signals, token, told } = run;
  const { session_id: session } = opened.record;
  try {
    if (task !== null) await client.claimTask(task, session);
    await writeBrief(run, session);
    const program = await startProgram(command, {
      ...inherited(),
      LASTGOOD_URL: run.connection.url,
      LASTGOOD_TOKEN: token.secret,
      LASTGOOD_SESSION: session,
      LASTGOOD_AGENT: agent,
      LASTGOOD_BRIEF: records.briefFile,
      ...(task === null ? {} : { LASTGOOD_TASK: task }),
    });
    records.started({ session, program: program.identity, token: token.id });
    signals.passTo(program);
    const { recovery, before } = opened;
    const ended = before?.exit_reason ?? null;
    const { pid } = program.identity;
    told({ event: "began", session, pid, recovery, before: ended, brief: records.briefFile });
    return program;
  } catch (error) {
    const because = error instanceof Error ? error.message : String(error);
    await server.tellEnd(session, { reason: "stopped", detail: because.slice(0, 1_000) });
    throw error;
  }
}

/** A brief that cannot be had says so, and keeps nobody from working. */
async function writeBrief({ client, agent, records, told }: Run, session: string): Promise<void> {
  try {
    const { markdown } = await client.briefText(agent, { session });
    records.writeBrief(markdown);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    told({ event: "trouble", what: "the brief could not be had", because: error.message });
    records.writeBrief(
      `The brief could not be had: ${error.message}\nAsk for it with: lastgood brief ${agent}\n`,
    );
  }
}

function inherited(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value]],
    ),
  );
}

/** Until the program has ended, by itself or by us. */
async function seeToItsEnd(
  run: Run,
  program: Program,
  opened: OpenedSession,
): Promise<{ readonly end: ProgramEnd; readonly ended: Ended }> {
  const { client, signals, told, graceMs, onTerm } = run;
  const { session_id: session } = opened.record;
  const finished = new AbortController();
  const over = beatUntilOver({
    ...{ client, session, everyMs: opened.heartbeatMs, signal: finished.signal },
    doing: () => program.doing(),
    away: (fault) =>
      told(
        fault === null
          ? { event: "server-back" }
          : { event: "server-away", because: fault.message },
      ),
  }).then((last) => (last === null || endedItself(last.record.exit_reason) ? null : last));
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
  finished.abort();
  signals.passTo(null);
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

/** `over`: null where the session ended by the agent's own word, so that its program will end as well. */
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
