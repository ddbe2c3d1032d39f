import { readFile } from "node:fs/promises";
import { text as textOf } from "node:stream/consumers";
import type { RuleStatus, Sample } from "@lastgood/sdk";
import type { Command } from "commander";
import { Fault } from "../../fault.ts";
import { withServer } from "../command.ts";
import type { Terminal } from "../terminal.ts";

export function signalsCommands(program: Command): void {
  const signals = program
    .command("signals")
    .summary("how every service goes: each rule, its floor and its verdict")
    .description(
      "Lists the rules in force and what each says of its signal now. A rule follows from every declared " +
        "probe; more are declared under `rules` in lastgood.yaml.\n\n" +
        "  lastgood signals --service content-api",
    )
    .option("--service <name>", "only this service's")
    .action(
      withServer<{ service?: string }, []>(async ({ client, terminal }, { service }) => {
        const status = await client.signals(service === undefined ? {} : { service });
        terminal.result(status);
        terminal.table(
          ["RULE", "VERDICT", "LEVEL", "FLOOR", "EVIDENCE", "OF", "SAMPLES", "LAST SAMPLE"],
          status.rules.map(rowOf),
        );
        if (status.rules.length === 0) {
          terminal.line("No rule is in force: declare a probe under `services` in lastgood.yaml.");
        }
        for (const rule of status.rules) {
          if (rule.verdict === "regression" || rule.verdict === "drift") terminal.line(rule.says);
          if (rule.suppressedBy !== null) terminal.line(`${rule.rule}: ${rule.suppressedBy}`);
        }
        const { unjudged, dropped, late } = status.counts;
        if (unjudged + dropped + late > 0) {
          terminal.line(`Samples no rule judges: ${unjudged}; late: ${late}; dropped: ${dropped}.`);
        }
      }),
    );

  signals
    .command("show <rule>")
    .summary("one rule, its trajectory and the changes of its verdict")
    .description(
      "Shows where the floor of a rule comes from, and the evidence behind its verdict.\n\n" +
        "  lastgood signals show content-api.reads",
    )
    .action(
      withServer<object, [string]>(async ({ client, terminal }, _, name) => {
        const { rule, trajectory, verdicts } = await client.rule(name);
        terminal.result({ rule, trajectory, verdicts });
        showRule(terminal, rule);
        terminal.table(
          ["AT", "VERDICT", "WHAT"],
          verdicts.slice(0, 10).map((each) => [each.at, each.verdict, each.says]),
        );
        terminal.table(
          ["AT", "SEGMENT", "SAMPLES", "EVIDENCE", "FLOOR", "LEVEL"],
          trajectory
            .slice(-20)
            .map((point) => [
              point.at,
              point.dimension ?? "",
              String(point.samples),
              figure(point.evidence),
              share(point.floor),
              share(point.level),
            ]),
        );
      }),
    );

  signals
    .command("remeasure <rule>")
    .summary("measure the floor of a rule anew")
    .description(
      "Forgets the measured floor of a rule and takes it from the samples that come now: after a " +
        "service was made better, or is meant to be slower from now on.\n\n" +
        "  lastgood signals remeasure content-api.reads",
    )
    .action(
      withServer<object, [string]>(async ({ client, terminal }, _, name) => {
        const rule = await client.remeasureRule(name);
        terminal.result(rule);
        terminal.line(`${rule.rule}: the floor is measured from now on.`);
      }),
    );

  samplesCommands(program);
  reportCommand(program);
}

interface SendOptions {
  readonly service?: string;
  readonly signal?: string;
  readonly ok?: string;
  readonly value?: number;
  readonly key?: string;
  readonly file?: string;
}

function samplesCommands(program: Command): void {
  program
    .command("samples")
    .summary("send what you observed")
    .description("Takes in observations; the rules under `signals` judge them.")
    .command("send")
    .summary("send one sample, or a file of them")
    .description(
      "Sends one sample, or every line of an NDJSON file (`-` reads standard input).\n\n" +
        "  lastgood samples send --service content-api --signal publish --ok true --key task-17\n" +
        "  lastgood samples send --file samples.ndjson",
    )
    .option("--service <name>", "the service that was observed")
    .option("--signal <name>", "what of it")
    .option("--ok <true|false>", "whether it was well")
    .option("--value <number>", "what was measured", Number)
    .option("--key <key>", "whose execution it was")
    .option("--file <path>", "samples as NDJSON, in the shape of POST /v1/samples")
    .action(
      withServer<SendOptions, []>(async ({ client, terminal }, options) => {
        const samples =
          options.file === undefined ? [sampleOf(options)] : await readSamples(options.file);
        const taken = { accepted: 0, unjudged: 0, late: 0 };
        for (let from = 0; from < samples.length; from += batchSize) {
          const part = await client.sendSamples(samples.slice(from, from + batchSize));
          taken.accepted += part.accepted;
          taken.unjudged += part.unjudged;
          taken.late += part.late;
        }
        terminal.result(taken);
        terminal.line(`Accepted ${taken.accepted}; no rule judges ${taken.unjudged} of them.`);
      }),
    );
}

const batchSize = 1_000;

function sampleOf({ service, signal, ok, value, key }: SendOptions): Sample {
  if (service === undefined || signal === undefined || (ok === undefined && value === undefined)) {
    throw new Fault(
      "bad_input",
      "A sample needs --service, --signal, and --ok or --value; or name a file with --file.",
    );
  }
  if (ok !== undefined && ok !== "true" && ok !== "false") {
    throw new Fault("bad_input", "--ok is true or false.", { context: { path: "ok" } });
  }
  return {
    service,
    signal,
    ...(ok === undefined ? {} : { ok: ok === "true" }),
    ...(value === undefined ? {} : { value }),
    ...(key === undefined ? {} : { key }),
  };
}

/** The server checks the samples' form; here only that each line is JSON. */
async function readSamples(file: string): Promise<readonly Sample[]> {
  const read = file === "-" ? textOf(process.stdin) : readFile(file, "utf8");
  const text = await read.catch((cause) => {
    throw new Fault("not_found", `${file} cannot be read: check its path.`, { cause });
  });
  return text.split("\n").flatMap((line, index) => {
    if (line.trim() === "") return [];
    try {
      return [JSON.parse(line) as Sample];
    } catch (cause) {
      throw new Fault("bad_input", `Line ${index + 1} of ${file} is not JSON.`, {
        cause,
        context: { path: `${file}:${index + 1}` },
      });
    }
  });
}

function reportCommand(program: Command): void {
  program
    .command("report <service> <text>")
    .summary("say that something is wrong with a service")
    .description(
      "Reports what you noticed. Three distinct reporters on one service within an hour open an " +
        "incident; reports alone never move anything.\n\n" +
        '  lastgood report content-api "publishing hangs since nine"',
    )
    .option("--reporter <who>", "who noticed it (operators only)")
    .action(
      withServer<{ reporter?: string }, [string, string]>(
        async ({ client, terminal }, { reporter }, service, text) => {
          const given = { service, text, ...(reporter === undefined ? {} : { reporter }) };
          const taken = await client.report(given);
          terminal.result(taken);
          terminal.line(`${taken.report.id}: ${taken.reporters} of 3 reporters within the hour.`);
        },
      ),
    );
}

function rowOf(rule: RuleStatus): readonly string[] {
  return [
    rule.rule,
    rule.verdict,
    share(rule.level),
    share(rule.floor),
    figure(rule.evidence),
    figure(rule.threshold),
    String(rule.samples),
    rule.lastSampleAt ?? "",
  ];
}

function showRule(terminal: Terminal, rule: RuleStatus): void {
  terminal.line(rule.says);
  terminal.line(`floor      ${share(rule.floor)} (${rule.floorFrom})`);
  terminal.line(`evidence   ${figure(rule.evidence)} of ${figure(rule.threshold)}`);
  terminal.line(`samples    ${rule.samples}, failing executions ${rule.failingKeys}`);
  terminal.line(`detector   ${rule.detector}${rule.implied ? ", from a declared probe" : ""}`);
  for (const segment of rule.segments) {
    terminal.line(`segment    ${segment.dimension}: ${segment.verdict}, ${share(segment.level)}`);
  }
  const { samples, busiest } = rule.leftOut;
  if (samples > 0) {
    terminal.line(
      `left out   ${samples} samples of segments that find no place among 32 (most of them ${busiest.join(", ")})`,
    );
  }
  terminal.line();
}

function share(value: number | null): string {
  return value === null ? "" : `${(value * 100).toFixed(1)} %`;
}

function figure(value: number): string {
  return value >= 1e6 ? value.toExponential(1) : value >= 100 ? value.toFixed(0) : value.toFixed(2);
}
