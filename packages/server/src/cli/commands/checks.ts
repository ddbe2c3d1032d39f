import { extname } from "node:path";
import type { BankCheck, CheckResult, Evaluator, JsonValue, NewCheck } from "@lastgood/sdk";
import type { Command } from "commander";
import { Fault, faults } from "../../fault.ts";
import { withServer } from "../command.ts";
import { followRun, showChecks } from "../gate-following.ts";
import { namedRelease, textOf } from "../release-words.ts";
import { learnCommand } from "./learn-check.ts";

export function checksCommands(program: Command): void {
  const checks = program
    .command("checks")
    .summary("the bank: permanent tests of what agents run on")
    .description(
      "A check is a file of cases with what judges the answers, in a folder under git that people read and " +
        "edit. The gate runs those that are about an artifact against each candidate. Incidents add to them.\n\n" +
        "  lastgood checks list support-router\n" +
        "  lastgood checks run support-router:15",
    );
  readCommands(checks);
  addCommand(checks);
  runCommand(checks);
  learnCommand(checks);
}

function readCommands(checks: Command): void {
  checks
    .command("list")
    .argument("[artifact]")
    .summary("what the bank has, and which of its files are no checks")
    .action(
      withServer<object, [string | undefined]>(async ({ client, terminal }, _options, artifact) => {
        const bank = await client.checkBank({ artifact });
        terminal.result(bank);
        terminal.table(
          ["CHECK", "ARTIFACT", "BANK", "CASES", "JUDGED BY", "FROM"],
          bank.checks.map((check) => [
            check.name,
            check.artifact,
            check.bank,
            String(check.cases.length),
            [...new Set(check.cases.map(({ evaluator }) => evaluator.kind))].join(" "),
            check.incident ?? "",
          ]),
        );
        if (bank.checks.length === 0) {
          terminal.line(
            `The bank is empty: ${bank.folder} has no check${artifact ? ` about ${artifact}` : ""}.`,
          );
        }
        for (const { file, says } of bank.faulty) terminal.line(`${file} is no check: ${says}`);
      }),
    );

  checks
    .command("show")
    .argument("<check>")
    .summary("one, with its cases")
    .action(
      withServer<object, [string]>(async ({ client, terminal }, _options, name) => {
        const { check, file } = await client.bankCheck(name);
        terminal.result({ check, file });
        const { artifact, bank, because, incident, atLeast, cases } = check;
        terminal.line(`${check.name} is about ${artifact} (${bank}), in ${file}.`);
        if (because !== "") terminal.line(because);
        if (incident !== null) terminal.line(`Learned from ${incident}.`);
        if (atLeast < 1) terminal.line(`It passes from ${atLeast} of its cases on.`);
        terminal.table(
          ["CASE", "INPUT", "EXPECTED", "JUDGED BY"],
          cases.map(({ name: called, input, expected, evaluator }) => [
            called,
            short(input),
            expected === undefined ? "" : short(expected),
            evaluator.kind,
          ]),
        );
      }),
    );
}

function short(value: JsonValue): string {
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

interface AddOptions {
  readonly artifact?: string;
  readonly input?: string;
  readonly expected?: string;
  readonly path?: string;
  readonly matches?: string;
  readonly within?: number;
  readonly adversarial?: boolean;
  readonly because?: string;
}

function addCommand(checks: Command): void {
  checks
    .command("add")
    .argument("<name>", "its place in the bank, such as support-router/capitals")
    .argument("[file]", "a check as the bank has it, in YAML or JSON; - for YAML on stdin")
    .summary("add a check: from a file, or one case as it is typed")
    .description(
      "  lastgood checks add support-router/capitals capitals.yaml\n" +
        "  lastgood checks add support-router/refund --artifact support-router --input '\"REFUND ME\"' --expected '\"refunds\"'\n\n" +
        "What runs a command or asks a judge is put into the bank's folder itself, by whoever may write there.",
    )
    .option("--artifact <name>", "what it is about")
    .option("--input <json>", "what the release is given")
    .option("--expected <json>", "what it should answer")
    .option("--path <path>", "look for it there in the answer, such as $.team")
    .option("--matches <pattern>", "the answer matches this regular expression")
    .option("--within <number>", "the answer is a number as near as this", Number)
    .option("--adversarial", "failing it freezes the candidate and calls a person")
    .option("--because <reason>", "why it is there", "")
    .action(
      withServer<AddOptions, [string, string | undefined]>(
        async ({ client, terminal }, options, name, file) => {
          const check =
            file === undefined ? typedCheck(name, options) : await fileCheck(name, file);
          const stored = await client.addCheck(check);
          terminal.result(stored);
          const word = stored.already ? "was there before" : "is in the bank";
          terminal.line(`${name} ${word} (${stored.file}).`);
          if (stored.committed === false)
            terminal.line("Its folder is in your own git: commit it.");
        },
      ),
    );
}

async function fileCheck(name: string, file: string): Promise<NewCheck> {
  const { FaultyFile, parseCheckFile } = await import("../../checks/check-file.ts");
  try {
    const {
      incident: _incident,
      wrong: _wrong,
      ...check
    }: BankCheck = parseCheckFile(name, textOf(file), extname(file) === ".json" ? "json" : "yaml");
    return check;
  } catch (error) {
    if (!(error instanceof FaultyFile)) throw error;
    throw new Fault("bad_input", `${file} is no check: ${error.message}.`, {
      cause: error,
      context: { path: file },
    });
  }
}

function typedCheck(name: string, options: AddOptions): NewCheck {
  const { artifact, input, expected, adversarial, because } = options;
  if (artifact === undefined || input === undefined) {
    throw new Fault("bad_input", "Give a file, or --artifact and --input.", {
      context: { path: artifact === undefined ? "--artifact" : "--input" },
    });
  }
  const given = { name: "case-1", input: json("--input", input), evaluator: evaluatorOf(options) };
  return {
    ...{ name, artifact, because, bank: adversarial === true ? "adversarial" : "checks" },
    cases: [expected === undefined ? given : { ...given, expected: json("--expected", expected) }],
  };
}

function evaluatorOf({ path, matches, within }: AddOptions): Evaluator {
  if (matches !== undefined) return { kind: "regex", pattern: matches, at: path };
  if (within !== undefined) return { kind: "numeric", within, at: path };
  return path === undefined ? { kind: "exact" } : { kind: "json-path", path };
}

function json(option: string, text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (cause) {
    throw new Fault("bad_input", `${option} is not JSON: a text is written in quotes, as '"so"'.`, {
      cause,
      context: { path: option },
    });
  }
}

function runCommand(checks: Command): void {
  checks
    .command("run")
    .argument("<release>", "support-router:15")
    .argument("[check...]", "these alone; otherwise all that are about the artifact")
    .summary("run checks against a release; exits 0 when all pass, 5 otherwise")
    .action(
      withServer<object, [string, readonly string[]]>(
        async ({ client, terminal }, _options, named, names) => {
          const { artifact, version } = namedRelease([named]);
          const only = names.length > 0 ? names : await namesAbout(artifact);
          const begun = await client.startGateRun(artifact, version, { only });
          const run = await followRun(client, terminal, begun);
          if (run.state === "broken-off") {
            throw new Fault(
              "command_failed",
              `The run ${run.id} broke off: ${run.fault ?? "why is not known"}`,
            );
          }
          terminal.result(run);
          showChecks(terminal, run.checks);
          if (!run.checks.every(isPassed)) process.exitCode = faults.state_forbids.exit;

          async function namesAbout(about: string): Promise<readonly string[]> {
            const { checks: known, folder } = await client.checkBank({ artifact: about });
            if (known.length > 0) return known.map(({ name }) => name);
            throw new Fault(
              "not_found",
              `The bank is empty: ${folder} has no check about ${about}. Add one with \`lastgood checks add\`.`,
            );
          }
        },
      ),
    );
}

function isPassed({ outcome }: CheckResult): boolean {
  return outcome === "passed";
}
