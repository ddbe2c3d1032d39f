import type { Judgement, JudgementDetails } from "@lastgood/sdk";
import type { Command } from "commander";
import { withServer } from "../command.ts";
import type { Terminal } from "../terminal.ts";

export function judgementsCommands(program: Command): void {
  const judgements = program
    .command("judgements")
    .summary("releases that are watched, and what is said of them")
    .description(
      "Every release that is compared with what serves beside it, or held to its floor, by the samples that " +
        "carry its label.\n\n" +
        "  lastgood judgements\n" +
        "  lastgood judgements show support-router",
    )
    .action(
      withServer<object, []>(async ({ client, terminal }) => {
        const { judgements: found } = await client.judgements();
        terminal.result({ judgements: found });
        if (found.length === 0) {
          terminal.line(
            "Nothing is watched: a rollout with `guardrails` in lastgood.yaml watches its release.",
          );
        }
        for (const judgement of found) show(terminal, judgement);
      }),
    );

  judgements
    .command("show <artifact>")
    .summary("one artifact's: floors and where they come from, verdicts, evidence")
    .description(
      "Shows what an artifact's releases were held to and what was said of them, with the evidence.\n\n" +
        "  lastgood judgements show support-router --environment production",
    )
    .option("--environment <name>", "where it serves", "production")
    .action(
      withServer<{ environment: string }, [string]>(
        async ({ client, terminal }, { environment }, artifact) => {
          const details = await client.judgement(environment, artifact);
          terminal.result(details);
          if (details.judgement === null) {
            terminal.line(`Nothing of ${artifact} is watched in ${environment} now.`);
          } else {
            show(terminal, details.judgement);
          }
          showRecord(terminal, details);
        },
      ),
    );
}

function show(terminal: Terminal, judgement: Judgement): void {
  const { environment, artifact, candidate, control, verdict, says, unscored, late } = judgement;
  const beside = control === null ? "alone" : `beside ${control}`;
  terminal.line(`${artifact}:${candidate} in ${environment}, ${beside}: ${verdict}`);
  terminal.line(says);
  terminal.table(
    ["SIGNAL", "SEGMENT", "VERDICT", "LEVEL", "AGAINST", "FLOOR", "EVIDENCE", "OF", "SAMPLES"],
    judgement.lines.map((line) => [
      ...[line.signal, line.dimension ?? "", line.verdict, share(line.level)],
      ...[share(line.against), share(line.floor), figure(line.evidence), figure(line.threshold)],
      `${line.samples} / ${line.controlSamples}`,
    ]),
  );
  if (unscored + late > 0) terminal.line(`Not scored: ${unscored}; too late: ${late}.`);
  for (const { signal, samples, busiest } of judgement.leftOut) {
    terminal.line(
      `Not judged by segment: ${samples} of ${signal}, as 32 segments have every place (most of them ${busiest.join(", ")}): declare dimensions with fewer values.`,
    );
  }
  terminal.line();
}

function showRecord(terminal: Terminal, { floors, verdicts, trajectory }: JudgementDetails): void {
  terminal.table(
    ["AT", "VERSION", "SIGNAL", "SEGMENT", "FLOOR", "FROM"],
    floors
      .slice(0, 10)
      .map((each) => [
        ...[each.at, each.version, each.signal, each.dimension ?? "", share(each.m), each.from],
      ]),
  );
  terminal.table(
    ["AT", "VERSION", "VERDICT", "WHAT"],
    verdicts.slice(0, 10).map((each) => [each.at, each.version, each.verdict, each.says]),
  );
  terminal.table(
    ["AT", "SIGNAL", "SEGMENT", "SAMPLES", "EVIDENCE", "OF", "LEVEL"],
    trajectory
      .slice(-20)
      .map((point) => [
        ...[point.at, point.signal, point.dimension ?? "", String(point.samples)],
        ...[figure(point.evidence), figure(point.threshold), share(point.level)],
      ]),
  );
}

function share(value: number | null): string {
  return value === null ? "" : `${(value * 100).toFixed(1)} %`;
}

function figure(value: number): string {
  return value >= 1e6 ? value.toExponential(1) : value >= 100 ? value.toFixed(0) : value.toFixed(2);
}
