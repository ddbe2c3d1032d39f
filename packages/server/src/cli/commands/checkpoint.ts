import {
  type Client,
  checkpointMessage,
  parseCheckpoint,
  type RecordedCheckpoint,
} from "@lastgood/sdk";
import type { Command } from "commander";
import { Fault } from "../../fault.ts";
import type { GlobalOptions } from "../command.ts";
import { commitHere, type MadeCommit } from "../commit-here.ts";
import { connect } from "../connect.ts";
import { createTerminal } from "../terminal.ts";

interface CheckpointOptions extends GlobalOptions {
  readonly message: string;
  readonly task: string;
  readonly subtask?: string;
  readonly type?: string;
  readonly scope?: string;
  readonly body?: string;
  readonly trailers?: boolean;
  readonly all?: boolean;
  readonly session?: string;
  readonly dryRun?: boolean;
}

export function checkpointCommands(program: Command): void {
  program
    .command("checkpoint")
    .summary("commit here, marked with the task and how far it is")
    .description(
      "Makes a git commit in the current folder whose message says which task it belongs to, and records it\n" +
        "in the session that LASTGOOD_SESSION names. Without a server it commits all the same, and says that\n" +
        "it was not recorded.\n\n" +
        "  lastgood checkpoint -m 'blog post draft' --task task_2026_0921_014 --subtask 3/5 --type feat --all",
    )
    .requiredOption("-m, --message <summary>", "one line: what was done")
    .requiredOption("--task <id>", "the task that it belongs to")
    .option("--subtask <n/of>", "how many of its subtasks are done, such as 3/5")
    .option("--type <type>", "such as feat, fix, docs")
    .option("--scope <scope>", "what it touches; needs a type")
    .option("--body <text>", "more than the one line")
    .option("--trailers", "mark it by trailers instead of in the subject")
    .option("--all", "stage everything first, new files too")
    .option("--session <id>", "the session to record it in (LASTGOOD_SESSION)")
    .option("--dry-run", "print the message and commit nothing")
    .action(async (_: unknown, self: Command) => {
      await makeCheckpoint(self.optsWithGlobals<CheckpointOptions>());
    });
}

async function makeCheckpoint(options: CheckpointOptions): Promise<void> {
  const terminal = createTerminal(options.json === true);
  const message = messageOf(options);
  if (options.dryRun === true) {
    terminal.result({ message, ...parseCheckpoint(message) });
    terminal.line(message.trimEnd());
    return;
  }
  const session = options.session ?? (process.env.LASTGOOD_SESSION || null);
  if (session !== null) await refuseOver(options, session);
  const made = await commitHere(message, options.all === true);
  const { recorded, because } = await record(options, session, made);
  const lost = parseCheckpoint(made.message).task === options.task ? null : changedByHook;
  terminal.result({ commit: made.commit, message: made.message, recorded, because });
  terminal.line(`${made.commit.slice(0, 12)} ${made.message.split("\n", 1)[0]}`);
  terminal.line(
    recorded === null ? `Not recorded: ${because}` : `Recorded in ${recorded.session}.`,
  );
  if (lost !== null) process.stderr.write(`lastgood: ${lost}\n`);
}

const changedByHook =
  "a hook of git changed the message, and the mark of the task is gone from it: look at the hook commit-msg.";

/** A type and scope may stand before the summary, as in any commit. Marks in it are refused. */
function messageOf(options: CheckpointOptions): string {
  const { message, task, type, scope, body, subtask } = options;
  const read = parseCheckpoint(message);
  const isMarked = read.task !== null || read.subtask !== null;
  const split = type === undefined && read.type !== null && !isMarked;
  return checkpointMessage({
    ...{ task, body },
    ...(split
      ? { type: read.type ?? undefined, scope: scope ?? read.scope ?? undefined }
      : { type, scope }),
    summary: split ? read.summary : message,
    subtask: subtask === undefined ? undefined : progressOf(subtask),
    as: options.trailers === true ? "trailers" : "subject",
  });
}

function progressOf(text: string): { n: number; of: number } {
  const [, n, of] = /^(\d{1,6})\s*\/\s*(\d{1,6})$/.exec(text.trim()) ?? [];
  if (n !== undefined && of !== undefined) return { n: Number(n), of: Number(of) };
  throw new Fault("bad_input", `"${text.slice(0, 40)}" is no progress: write it as 3/5.`, {
    context: { path: "--subtask" },
  });
}

/** Whose session is over must not go on committing. A server that is away stops nobody. */
async function refuseOver(options: CheckpointOptions, session: string): Promise<void> {
  const state = await unlessAway(async () => (await clientOf(options).sessionOf(session)).state);
  if (state.answer !== "ended") return;
  throw new Fault(
    "fenced",
    `The session ${session} is over: it ended, or another took its place. Nothing was committed; open a new session.`,
    { context: { session } },
  );
}

async function record(
  options: CheckpointOptions,
  session: string | null,
  { commit, message, at, author }: MadeCommit,
): Promise<{ readonly recorded: RecordedCheckpoint | null; readonly because: string | null }> {
  if (session === null) {
    return { recorded: null, because: "no session is named (LASTGOOD_SESSION, or --session)." };
  }
  try {
    const { answer, away } = await unlessAway(() =>
      clientOf(options).recordCheckpoint(session, { commit, message, at, author }),
    );
    return { recorded: answer, because: away };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const says = `The commit ${commit.slice(0, 12)} was made, and not recorded: ${error.message}`;
    throw new Fault(error.code, says, { cause: error, context: { ...error.context, commit } });
  }
}

function clientOf(options: CheckpointOptions): Client {
  return connect(options);
}

const awayCodes: readonly string[] = [
  "server_unreachable",
  "store_unreachable",
  "timed_out",
  "unauthenticated",
];

/** Without a server, or a token for it, there is no answer, and that is no failure. */
async function unlessAway<T>(
  ask: () => Promise<T>,
): Promise<{ readonly answer: T | null; readonly away: string | null }> {
  try {
    return { answer: await ask(), away: null };
  } catch (error) {
    if (!(error instanceof Fault) || !awayCodes.includes(error.code)) throw error;
    return { answer: null, away: error.message };
  }
}
