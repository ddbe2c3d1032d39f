import {
  type Gap,
  gaps,
  type PostMortem,
  type PostMortemQuestion,
  postMortemQuestions,
} from "@lastgood/sdk";
import type { Command } from "commander";
import { type Context, withServer } from "../command.ts";

/** What is kept of an incident, and what only a person can add to it. */
export function postMortemCommands(incident: Command): void {
  incident
    .command("post-mortem")
    .argument("<id>")
    .summary("what was written up: how long it took, what did it, where it got through")
    .description(
      "Prints the post-mortem of an incident.\n\n  lastgood incident post-mortem inc_1mf3k9q7x2ap",
    )
    .action(
      withServer<object, [string]>(async ({ client, terminal }, _, id) => {
        if (terminal.json) return terminal.result(await client.postMortem(id));
        terminal.line((await client.postMortemMarkdown(id)).markdown);
      }),
    );
  incident
    .command("gap")
    .argument("<id>")
    .argument("<gap>", gaps.join(", "))
    .argument("<why>", "why it got through there")
    .summary("name where the fault got through")
    .description(
      "Names the gap of an incident, in place of what the records show. Said again, the last counts.\n\n" +
        '  lastgood incident gap inc_1mf3k9q7x2ap review "nobody looked at it on a Sunday"',
    )
    .action(
      // What is no gap is refused by the server, which lists them.
      withServer<object, [string, Gap, string]>(async (context, _, id, gap, why) => {
        told(context, await context.client.nameGap(id, gap, why));
      }),
    );
  incident
    .command("answer")
    .argument("<id>")
    .option("--live <why>", "why the watch or canary did not catch it")
    .option("--checks <why>", "why the checks passed")
    .option(
      "--change <what>",
      "whether it was wrong, incomplete, or correct but badly communicated",
    )
    .summary("answer the questions of its post-mortem")
    .description(
      "Answers one or more of the three questions that a post-mortem asks.\n\n" +
        '  lastgood incident answer inc_1mf3k9q7x2ap --change "correct, but support was not told"',
    )
    .action(
      withServer<{ live?: string; checks?: string; change?: string }, [string]>(
        async (context, { live, checks, change }, id) => {
          const answers = {
            ...(live === undefined ? {} : { whyNotCaughtLive: live }),
            ...(checks === undefined ? {} : { whyChecksPassed: checks }),
            ...(change === undefined ? {} : { wrongIncompleteOrMiscommunicated: change }),
          };
          told(context, await context.client.answerPostMortem(id, answers));
        },
      ),
    );
}

const open: Readonly<Record<PostMortemQuestion, string>> = {
  whyNotCaughtLive: "why the watch or canary did not catch it (--live)",
  whyChecksPassed: "why the checks passed (--checks)",
  wrongIncompleteOrMiscommunicated:
    "whether the change was wrong, incomplete, or badly communicated (--change)",
};

function told({ terminal }: Context, report: PostMortem): void {
  terminal.result(report);
  const { incident, gap, answeredBy } = report;
  terminal.line(`The gap of ${incident} is ${gap.is}: ${gap.because}`);
  const unanswered = postMortemQuestions.filter((question) => answeredBy[question] === null);
  for (const question of unanswered) terminal.line(`Still to be answered: ${open[question]}`);
  terminal.line(`See it with: lastgood incident post-mortem ${incident}`);
}
