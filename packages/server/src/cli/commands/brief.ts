import type { BriefMessage } from "@lastgood/sdk";
import type { Command } from "commander";
import { withServer } from "../command.ts";

export function briefCommands(program: Command): void {
  program
    .command("brief")
    .argument("<agent>")
    .summary("what a restarted agent must know: where it was, what waits, where to go on")
    .description(
      "Prints what the agent's last session left: commits, tasks, messages, its state, uncommitted files,\n" +
        "effects of which nobody knows, and where to go on. As Markdown for a model's context, or with --json\n" +
        "as data.\n\n" +
        "  lastgood brief marketing\n" +
        "  lastgood brief marketing --max-tokens 1500\n" +
        "  lastgood brief marketing --json",
    )
    .option(
      "--max-tokens <n>",
      "leave out the least important until it fits (100 to 200000)",
      Number,
    )
    .option("--markdown", "with --json: the Markdown, its tokens and what was cut, as JSON")
    .option(
      "--session <id>",
      "the session that asks (LASTGOOD_SESSION): its predecessor is reported on",
    )
    .action(
      withServer<
        { maxTokens?: number; markdown?: boolean; session?: string; json?: boolean },
        [string]
      >(async ({ client, terminal }, { maxTokens, markdown, json, session: named }, agent) => {
        const session = named ?? (process.env.LASTGOOD_SESSION || undefined);
        if (json === true && markdown !== true) {
          terminal.result(await client.brief(agent, { session }));
          return;
        }
        const text = await client.briefText(agent, { session, maxTokens });
        terminal.result(text);
        terminal.line(text.markdown.trimEnd());
      }),
    );

  program
    .command("inbox")
    .argument("<agent>")
    .summary("what waits for an agent and its roles, without taking it")
    .description(
      "Lists the messages that an agent and its roles have not acknowledged, oldest first. Nothing is taken.\n\n" +
        "  lastgood inbox marketing",
    )
    .option("--limit <n>", "at most this many (1 to 1000)", Number, 50)
    .action(
      withServer<{ limit: number }, [string]>(async ({ client, terminal }, { limit }, agent) => {
        const page = await client.inbox(agent, { limit });
        terminal.result(page);
        terminal.table(
          ["ID", "SINCE", "FROM", "STATE", "TRIES", "CONTENT"],
          page.messages.map(rowOf),
        );
        if (page.messages.length === 0) terminal.line(`Nothing waits for ${agent}.`);
        if (page.more > 0) terminal.line(`${page.more} more wait: raise --limit.`);
      }),
    );
}

function rowOf(message: BriefMessage): readonly string[] {
  const { id, publishedAt, sender, state, deliveries, excerpt } = message;
  const content = excerpt.replaceAll(/\s+/g, " ").slice(0, 80);
  return [id, publishedAt, sender ?? "", state, String(deliveries), content];
}
