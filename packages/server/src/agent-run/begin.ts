/** Saves what the session finds, hands the program what it must know, and starts it. */
import { Fault, type OpenedSession } from "@lastgood/sdk";
import type { AgentToken } from "./agent-token.ts";
import type { Saving } from "./own-work-tree.ts";
import { type Program, startProgram } from "./program.ts";
import type { Run } from "./run-options.ts";

export interface Begun {
  readonly program: Program;
  readonly saving: Saving | null;
  readonly token: AgentToken;
}

/** When it does not come to a start, the session is ended as `stopped`, and the reason thrown. */
export async function begin(run: Run, opened: OpenedSession): Promise<Begun> {
  const { client, task, workTree, server, signals } = run;
  const { session_id: session } = opened.record;
  let saving: Saving | null = null;
  try {
    saving = (await workTree?.startSaving(client, session, signals.stop)) ?? null;
    if (task !== null) await client.claimTask(task, session);
    await writeBrief(run, session);
    const token = await run.token();
    return { program: await start(run, opened, token), saving, token };
  } catch (error) {
    const because = error instanceof Error ? error.message : String(error);
    await server.tellEnd(session, { reason: "stopped", detail: because.slice(0, 1_000) });
    await saving?.stop({ isOver: true });
    throw error;
  }
}

async function start(
  run: Run,
  { record, recovery, before }: OpenedSession,
  token: AgentToken,
): Promise<Program> {
  const { agent, task, command, records, signals, told } = run;
  const { session_id: session } = record;
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
  const { pid } = program.identity;
  const ended = before?.exit_reason ?? null;
  told({ event: "began", session, pid, recovery, before: ended, brief: records.briefFile });
  return program;
}

/** A brief that cannot be had says so, and keeps nobody from working. */
async function writeBrief(run: Run, session: string): Promise<void> {
  const { client, agent, workTree, records, told } = run;
  const report = (await workTree?.report()) ?? null;
  try {
    const asked = { session, ...(report === null ? {} : { workTree: report }) };
    records.writeBrief((await client.briefText(agent, asked)).markdown);
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
