import { type Task, type TaskAct, type TaskQuery, taskActs } from "@lastgood/sdk";
import type { Command } from "commander";
import { Fault } from "../../fault.ts";
import { withServer } from "../command.ts";
import type { Terminal } from "../terminal.ts";

export function tasksCommands(program: Command): void {
  const tasks = program
    .command("tasks")
    .summary("what agents have to do, and who works on it")
    .description(
      "Tasks are assigned to an agent, to a role or to anybody. An agent claims one for its session; when " +
        "that ends or dies, the task is free again.\n\n" +
        "  lastgood tasks assign blog-17 'Write about recovery' --agent marketing --subtask outline draft\n" +
        "  lastgood tasks list --agent marketing",
    );
  readCommands(tasks);
  changeCommands(tasks);
}

function readCommands(tasks: Command): void {
  tasks
    .command("list")
    .summary("what is open; what changed last first")
    .option("--agent <name>", "assigned to this agent, or worked on by it last")
    .option("--role <name>", "assigned to this role")
    .option(
      "--state <state>",
      "pending, in_progress, blocked, completed, open (all but completed) or all",
      "open",
    )
    .option("--limit <n>", "at most this many (1 to 1000)", Number, 100)
    .action(
      withServer<TaskQuery, []>(async ({ client, terminal }, { agent, role, state, limit }) => {
        const page = await client.tasks({ agent, role, state, limit });
        terminal.result(page);
        terminal.table(
          ["ID", "STATE", "FOR", "DONE", "WORKED ON BY", "CHANGED", "TITLE"],
          page.tasks.map((task) => [
            task.id,
            task.state,
            ownerOf(task),
            doneOf(task),
            task.claim?.agent ?? "",
            task.updatedAt,
            task.title.slice(0, 60),
          ]),
        );
        if (page.tasks.length === 0) terminal.line("No task fits.");
        if (page.more) terminal.line("There are more: narrow it, or raise --limit.");
      }),
    );

  tasks
    .command("show")
    .argument("<id>")
    .summary("one, with what happened to it")
    .action(
      withServer<object, [string]>(async ({ client, terminal }, _options, id) => {
        const task = await client.task(id);
        const { history } = await client.taskHistory(id, { limit: 50 });
        terminal.result({ ...task, history });
        showTask(terminal, task);
        terminal.table(
          ["AT", "WHAT", "WHO", "SESSION", "BECAUSE"],
          history.map((each) => [
            each.at,
            each.subtask === null ? each.what : `${each.what} ${each.subtask}`,
            each.who,
            each.session ?? "",
            each.because.slice(0, 80),
          ]),
        );
      }),
    );
}

function showTask(terminal: Terminal, task: Task): void {
  terminal.line(`${task.id}  ${task.title}`);
  const facts: readonly (readonly [string, string | null])[] = [
    ["state", task.state],
    ["because", task.blockedBecause],
    ["for", ownerOf(task)],
    ["assigned by", task.assigner],
    ["artifact", task.artifact === null ? null : placeOf(task.artifact)],
    ["worked on by", said(task.claim)],
    ["last by", task.claim === null ? said(task.lastClaim) : null],
    ["failures", task.failures === 0 ? null : String(task.failures)],
    ["details", jsonOf(task.details)],
    ["result", jsonOf(task.result)],
    ["may now be", mayNow(task)],
  ];
  for (const [name, value] of facts) {
    if (value !== null) terminal.line(`${name.padEnd(14)}${value}`);
  }
  terminal.table(
    ["", "SUBTASK", "STATE", "CHANGED"],
    task.subtasks.map(({ n, title, state, updatedAt }) => [String(n), title, state, updatedAt]),
  );
}

const participles: Partial<Record<TaskAct, string>> = {
  claim: "claimed",
  unblock: "unblocked",
  reopen: "reopened",
};

function mayNow({ state }: Task): string | null {
  const acts = Object.entries(participles).filter(([act]) =>
    taskActs[act as TaskAct].some((each) => each === state),
  );
  return acts.length === 0 ? null : acts.map(([, word]) => word).join(", ");
}

interface AssignOptions {
  readonly agent?: string;
  readonly role?: string;
  readonly subtask?: readonly string[];
  readonly artifact?: string;
  readonly repository?: string;
  readonly details?: string;
}

function changeCommands(tasks: Command): void {
  tasks
    .command("assign")
    .argument("<id>", "chosen by you: assigning the same again changes nothing")
    .argument("<title>")
    .summary("give an agent or a role something to do")
    .description(
      "The agent, or whoever of the role takes it, hears of it in its inbox.\n\n" +
        "  lastgood tasks assign blog-17 'Write about recovery' --agent marketing \\\n" +
        "    --subtask outline draft polish --artifact posts/recovery.md",
    )
    .option("--agent <name>", "whose it is")
    .option("--role <name>", "whose it is: whoever of the role claims it first")
    .option("--subtask <title...>", "its parts, in order")
    .option("--artifact <path>", "the file that it makes, relative to the work tree")
    .option("--repository <name>", "the repository that the file is in")
    .option("--details <json>", "anything else that whoever does it must know")
    .action(
      withServer<AssignOptions, [string, string]>(
        async ({ client, terminal }, options, id, title) => {
          const { agent, role, subtask, artifact, repository, details } = options;
          const assigned = await client.assignTask({
            ...{ id, title, agent, role, subtasks: subtask },
            artifact: artifact === undefined ? undefined : { path: artifact, repository },
            details: details === undefined ? undefined : parseDetails(details),
          });
          terminal.result(assigned);
          const to = ownerOf(assigned);
          terminal.line(
            assigned.already
              ? `${id} was assigned to ${to} before: nothing changed.`
              : `${id} is assigned to ${to}.`,
          );
        },
      ),
    );

  tasks
    .command("unblock")
    .argument("<id>")
    .summary("what blocked it is gone: it may be claimed again")
    .requiredOption("--because <reason>", "what changed")
    .action(
      withServer<{ because: string }, [string]>(async ({ client, terminal }, { because }, id) => {
        const task = await client.unblockTask(id, because);
        terminal.result(task);
        terminal.line(`${id} is ${task.state}.`);
      }),
    );

  tasks
    .command("reopen")
    .argument("<id>")
    .summary("a completed one must be done again")
    .description(
      "For work that was taken back: its agent would take the task for done.\n\n" +
        "  lastgood tasks reopen blog-17 --because 'the draft was reverted' --from 2",
    )
    .requiredOption("--because <reason>", "why")
    .option("--from <n>", "the first subtask that must be done again", Number, 1)
    .action(
      withServer<{ because: string; from: number }, [string]>(
        async ({ client, terminal }, { because, from }, id) => {
          const task = await client.reopenTask(id, { because, fromSubtask: from });
          terminal.result(task);
          terminal.line(`${id} is ${task.state}: ${doneOf(task)} subtasks are done.`);
        },
      ),
    );
}

function parseDetails(text: string) {
  try {
    return JSON.parse(text) as Task["details"];
  } catch (cause) {
    throw new Fault("bad_input", `The details are not JSON: ${String(cause).slice(0, 200)}`, {
      cause,
      context: { path: "details" },
    });
  }
}

function ownerOf({ agent, role }: Task): string {
  if (agent !== null) return agent;
  return role === null ? "anybody" : `the role ${role}`;
}

function doneOf({ subtasks }: Task): string {
  const done = subtasks.filter(({ state }) => state === "completed").length;
  return `${done}/${subtasks.length}`;
}

function placeOf({ path, repository }: NonNullable<Task["artifact"]>): string {
  return repository === undefined ? path : `${path} in ${repository}`;
}

function said(claim: Task["claim"]): string | null {
  return claim === null ? null : `${claim.agent} in ${claim.session} since ${claim.since}`;
}

function jsonOf(value: Task["details"]): string | null {
  return value === null ? null : JSON.stringify(value);
}
