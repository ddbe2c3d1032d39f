import type { ChangeQuery } from "@lastgood/sdk";
import type { Command } from "commander";
import { withServer } from "../command.ts";

export function ledgerCommands(program: Command): void {
  program
    .command("changes")
    .summary("what was altered, by whom, in which layer")
    .description(
      "Lists changes by any agent in any layer, newest first.\n\n" +
        "  lastgood changes --since 2h --agent backend --layer code --reaching content-api",
    )
    .option("--since <when>", "an ISO time, or a span back from now such as 2h")
    .option("--until <when>", "the same")
    .option("--agent <name>", "only this agent's")
    .option("--task <id>", "only this task's")
    .option("--layer <layer>", "code, state, messages, versions, runtime, data, effects or fleet")
    .option("--target <target>", "only this repository, collection/id, service or stream")
    .option("--reaching <service>", "only what could reach this service")
    .option("--limit <n>", "at most this many (1 to 1000)", Number, 100)
    .action(
      withServer<ChangeQuery, []>(async ({ client, terminal }, options) => {
        const { since, until, agent, task, layer, target, reaching, limit } = options;
        const query = { since, until, agent, task, layer, target, reaching, limit };
        const page = await client.changes(query as ChangeQuery);
        terminal.result(page);
        terminal.table(
          ["AT", "AGENT", "LAYER", "TARGET", "TO", "WHAT"],
          page.changes.map((change) => [
            change.at,
            change.agent,
            `${change.layer}/${change.kind}`,
            change.target,
            (change.to ?? "").slice(0, 12),
            change.reason.slice(0, 80),
          ]),
        );
        if (page.changes.length === 0) terminal.line("No change fits.");
        if (page.more) terminal.line("There are more: narrow the window, or raise --limit.");
      }),
    );
}
