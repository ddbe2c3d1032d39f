import type {
  Client,
  Execution,
  ExecutionQuery,
  ExecutionState,
  JsonValue,
  OutcomeOfMany,
  OutcomeRefused,
} from "@lastgood/sdk";
import type { Command } from "commander";
import { Fault, faults } from "../../fault.ts";
import { withServer } from "../command.ts";
import { inEnvironment, type Where } from "../environment-option.ts";
import { namedRelease, textOf } from "../release-words.ts";
import type { Terminal } from "../terminal.ts";

export function executionsCommands(program: Command): void {
  const executions = program
    .command("executions")
    .summary("pieces of work by release: what runs, what failed, what is done again")
    .description(
      "Work that is begun under a release, through the SDK, plain HTTP or the gateway. When a pin moves, it\n" +
        "ends under the old release, goes on under the new one or is cancelled and done again: as the policy of\n" +
        "its artifact says.\n\n" +
        "  lastgood executions list --artifact customer-service --state failed\n" +
        "  lastgood executions account customer-service\n" +
        "  lastgood executions requeue customer-service:2.1.0",
    );
  readCommands(executions);
  accountCommand(executions);
  againCommands(executions);
  outcomesCommand(executions);
}

interface ListFlags extends Omit<ExecutionQuery, "state"> {
  readonly state?: ExecutionState;
}

function readCommands(executions: Command): void {
  executions
    .command("list")
    .summary("begun last first")
    .option("--environment <name>", "of this environment only")
    .option("--artifact <name>", "under releases of this artifact")
    .option("--release-version <version>", "under this version of it")
    .option(
      "--state <state>",
      "running, finished, failed, switched, cancelled, requeued or retried",
    )
    .option("--key <key>", "all of one piece of work")
    .option("--agent <name>", "of this agent")
    .option("--session <id>", "of this session")
    .option("--limit <n>", "at most this many (1 to 1000)", Number, 100)
    .action(
      withServer<ListFlags & { releaseVersion?: string }, []>(
        async ({ client, terminal }, options) => {
          const { environment, artifact, state, key, agent, session, limit } = options;
          const version = options.releaseVersion;
          const page = await client.executions({
            ...{ environment, artifact, version, state, key, agent, session, limit },
          });
          terminal.result(page);
          tableOf(terminal, page.executions);
          if (page.executions.length === 0) terminal.line("No execution fits.");
          if (page.more) terminal.line("There are more: narrow it, or raise --limit.");
        },
      ),
    );

  executions
    .command("show")
    .argument("<id>")
    .summary("one, with what it was given, what it made, and what turned out")
    .action(
      withServer<object, [string]>(async ({ client, terminal }, _options, id) => {
        const execution = await client.execution(id);
        terminal.result(execution);
        const { input, output, outcomes, ...rest } = execution;
        const facts = Object.entries({ ...rest, input, output });
        terminal.facts(
          facts.map(([name, value]) => [wordsOf(name), value === null ? null : said(value)]),
        );
        terminal.table(
          ["TOLD AT", "BY", "SCORE", "EXPECTED", "NOTE"],
          outcomes.map((each) => [
            ...[each.at, each.by, String(each.score)],
            ...[each.expected === null ? "" : said(each.expected).slice(0, 60), each.note],
          ]),
        );
      }),
    );
}

function accountCommand(executions: Command): void {
  inEnvironment(
    executions
      .command("account")
      .argument("<artifact>")
      .summary("what became of all that were in flight when its pin moved"),
  )
    .option("--epoch <n>", "when it moved to this epoch (default: the last time)", Number)
    .action(
      withServer<Where & { epoch?: number }, [string]>(
        async ({ client, terminal }, { environment, epoch }, artifact) => {
          const account = await client.inFlightAccount(environment, artifact, { epoch });
          terminal.result(account);
          const { inFlight, running, finished, switched, retried, failed } = account;
          terminal.line(
            `${inFlight} were in flight when ${artifact} moved at epoch ${account.epoch} (${account.at}).`,
          );
          terminal.table(
            ["FINISHED", "SWITCHED", "RETRIED", "FAILED", "WAITING", "STILL RUNNING", "SPARED"],
            [
              [finished, switched, retried, failed, account.waiting, running, account.spared].map(
                String,
              ),
            ],
          );
        },
      ),
    );
}

function againCommands(executions: Command): void {
  inEnvironment(
    executions
      .command("requeue")
      .argument("<release>", "the bad one, as customer-service:2.1.0; it must be pinned no more")
      .summary("what failed under a bad release is done again under the good one, each once")
      .description(
        "Agents take it with `takeExecutions` (POST /v1/executions/take). Repeating the command queues nothing twice.",
      ),
  )
    .option("--key <key...>", "only these pieces of work")
    .option("--because <reason>", "why")
    .action(
      withServer<Where & { key?: readonly string[]; because?: string }, [string]>(
        async ({ client, terminal }, { environment, key: keys, because }, release) => {
          const { artifact, version } = namedRelease([release]);
          const wanted = { environment, artifact, version, keys, because };
          const requeued = await client.requeueExecutions(wanted);
          terminal.result(requeued);
          terminal.line(`${requeued.requeued} that failed under ${release} are queued again.`);
        },
      ),
    );

  executions
    .command("outcome")
    .argument("<id>")
    .summary("what turned out to be right: a score, or the right answer")
    .description(
      "May come days later, and for a part of the executions only. Only outcomes make the quality of a release.\n\n" +
        "  lastgood executions outcome exe_... --expected '\"billing\"'\n" +
        "  lastgood executions outcome exe_... --score 0.5 --note 'half of it'",
    )
    .option("--score <n>", "from 0 to 1", Number)
    .option("--expected <json>", "the right answer, which the output is compared with")
    .option("--note <text>", "anything else")
    .action(
      withServer<{ score?: number; expected?: string; note?: string }, [string]>(
        async ({ client, terminal }, { score, expected: text, note }, id) => {
          const expected = text === undefined ? undefined : parseExpected(text);
          if (score === undefined && expected === undefined) {
            throw new Fault("bad_input", "Give --score, or --expected, or both.", {
              context: { path: "--score" },
            });
          }
          const told =
            score === undefined ? { expected: expected ?? null, note } : { score, expected, note };
          const execution = await client.tellOutcome(id, told);
          terminal.result(execution);
          terminal.line(
            `${execution.id} of ${execution.artifact}:${execution.version} scores ${execution.score}.`,
          );
        },
      ),
    );
}

function outcomesCommand(executions: Command): void {
  executions
    .command("outcomes")
    .argument("<file>", "one outcome as JSON on each line, or - for standard input")
    .summary("what turned out of many: each is taken or refused by itself")
    .description(
      "Telling the same again changes nothing: after a failure the whole file may be told once more.\n\n" +
        '  {"execution": "exe_...", "expected": "billing"}\n' +
        '  {"execution": "exe_...", "score": 0.5, "note": "half of it"}',
    )
    .action(
      withServer<object, [string]>(async ({ client, terminal }, _options, file) => {
        const lines = outcomesIn(file);
        const told = await tellAll(client, lines);
        terminal.result(told);
        const { taken, corrected, known, refused } = told;
        terminal.line(`${taken} taken, ${corrected} corrected, ${known} known already.`);
        terminal.table(
          ["LINE", "CODE", "WHY"],
          refused.map(({ line, code, detail }) => [String(line), code, detail]),
        );
        if (refused.length > 0) process.exitCode = faults.state_forbids.exit;
      }),
    );
}

interface OutcomeLine {
  readonly line: number;
  readonly outcome: OutcomeOfMany;
}

/** The server checks the form of each; here only that each line is JSON. */
function outcomesIn(file: string): readonly OutcomeLine[] {
  return textOf(file)
    .split("\n")
    .flatMap((text, index) => {
      if (text.trim() === "") return [];
      try {
        return [{ line: index + 1, outcome: JSON.parse(text) as OutcomeOfMany }];
      } catch (cause) {
        throw new Fault("bad_input", `Line ${index + 1} of ${file} is no JSON: nothing was told.`, {
          cause,
          context: { path: `${file}:${index + 1}` },
        });
      }
    });
}

const atOnce = 500;

async function tellAll(client: Client, lines: readonly OutcomeLine[]) {
  const sum = { taken: 0, corrected: 0, known: 0 };
  const refused: (OutcomeRefused & { readonly line: number })[] = [];
  for (let from = 0; from < lines.length; from += atOnce) {
    const some = lines.slice(from, from + atOnce);
    const told = await client.tellOutcomes(some.map(({ outcome }) => outcome));
    for (const kind of ["taken", "corrected", "known"] as const) sum[kind] += told[kind];
    for (const each of told.refused) refused.push({ ...each, line: some[each.index]?.line ?? 0 });
  }
  return { ...sum, refused };
}

function parseExpected(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (cause) {
    throw new Fault(
      "bad_input",
      `--expected is no JSON (a text goes in double quotes): ${String(cause).slice(0, 200)}`,
      { cause, context: { path: "--expected" } },
    );
  }
}

function tableOf(terminal: Terminal, executions: readonly Execution[]): void {
  terminal.table(
    ["ID", "KEY", "RELEASE", "STATE", "TRY", "AGENT", "BEGUN", "SCORE", "BECAUSE"],
    executions.map((each) => [
      each.id,
      each.key.slice(0, 40),
      `${each.artifact}:${each.version}`,
      each.state,
      String(each.attempt),
      each.agent ?? "",
      each.begunAt,
      each.score === null ? "" : String(each.score),
      (each.error ?? each.spared ?? "").slice(0, 60),
    ]),
  );
}

/** `begunAt` as people write it: begun at. */
function wordsOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function said(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
