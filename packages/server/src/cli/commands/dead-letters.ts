import type { DeadLetter, DeadLetterQuery } from "@lastgood/sdk";
import type { Command } from "commander";
import { withServer } from "../command.ts";

export function deadLettersCommands(program: Command): void {
  const deadLetters = program
    .command("dead-letters")
    .summary("messages that could not be handled")
    .description(
      "Messages that used up their deliveries, were rejected, or were refused when they were sent.\n" +
        "Each is settled once: put back to its consumer, sent to the right one, or discarded.\n\n" +
        "  lastgood dead-letters list --since 2h --consumer marketing-durable-v1\n" +
        "  lastgood dead-letters requeue dl_1mf3k9q7x2ap --because 'the index is back'",
    );
  readCommands(deadLetters);
  settleCommands(deadLetters);
}

function readCommands(deadLetters: Command): void {
  deadLetters
    .command("list")
    .summary("newest first")
    .option("--since <when>", "an ISO time, or a span back from now such as 2h")
    .option("--consumer <name>", "only those that died in this consumer")
    .option("--stream <name>", "only of this stream")
    .option("--sender <name>", "only those of this sender")
    .option(
      "--reason <reason>",
      "max_deliver, oversized, malformed, handler_error, rejected or misrouted",
    )
    .option("--state <state>", "dead, requeued, rerouted or discarded")
    .option("--limit <n>", "at most this many (1 to 1000)", Number, 100)
    .action(
      withServer<DeadLetterQuery, []>(async ({ client, terminal }, options) => {
        const { since, consumer, stream, sender, reason, state, limit } = options;
        const query = { since, consumer, stream, sender, reason, state, limit };
        const page = await client.deadLetters(query as DeadLetterQuery);
        terminal.result(page);
        terminal.table(
          ["ID", "DIED", "CONSUMER", "FROM", "REASON", "STATE", "WHAT"],
          page.deadLetters.map((each) => [
            each.id,
            each.diedAt,
            each.consumer ?? "(refused)",
            each.sender ?? "",
            each.reason,
            each.state,
            each.detail.slice(0, 60),
          ]),
        );
        if (page.deadLetters.length === 0) terminal.line("No dead letter fits.");
        if (page.more) terminal.line("There are more: narrow the window, or raise --limit.");
      }),
    );

  deadLetters
    .command("show")
    .argument("<id>")
    .summary("one, with its content")
    .action(
      withServer<object, [string]>(async ({ client, terminal }, _options, id) => {
        const letter = await client.deadLetter(id);
        terminal.result(letter);
        const { payload, headers, ...about } = letter;
        for (const [name, value] of Object.entries(about)) {
          if (value !== null) terminal.line(`${name.padEnd(16)}${value}`);
        }
        for (const [name, value] of Object.entries(headers)) terminal.line(`${name}: ${value}`);
        terminal.line(typeof payload === "string" ? payload : JSON.stringify(payload, null, 2));
      }),
    );

  deadLetters
    .command("analyse")
    .summary("counted by reason, sender, consumer and size: an early warning")
    .option("--since <when>", "an ISO time, or a span back from now such as 2h", "72h")
    .action(
      withServer<{ since: string }, []>(async ({ client, terminal }, { since }) => {
        const analysis = await client.analyseDeadLetters({ since });
        terminal.result(analysis);
        terminal.line(`${analysis.total} since ${since}`);
        const { byReason, bySender, byConsumer, bySize } = analysis;
        for (const [title, counts] of Object.entries({ byReason, bySender, byConsumer, bySize })) {
          terminal.table(
            [title.slice(2).toUpperCase(), "DEAD LETTERS"],
            Object.entries(counts).map(([value, count]) => [value, String(count)]),
          );
        }
      }),
    );
}

function settleCommands(deadLetters: Command): void {
  deadLetters
    .command("requeue")
    .argument("<id>")
    .summary("back to the consumer it died in, once")
    .requiredOption("--because <reason>", "why")
    .action(
      withServer<{ because: string }, [string]>(async ({ client, terminal }, { because }, id) => {
        const letter = await client.requeueDeadLetter(id, because);
        terminal.result(letter);
        terminal.line(said(letter));
      }),
    );

  deadLetters
    .command("reroute")
    .argument("<id>")
    .summary("to the right inbox, once")
    .option("--consumer <name>", "to this consumer")
    .option("--agent <name>", "to this agent's inbox")
    .option("--role <name>", "to this role's inbox")
    .requiredOption("--because <reason>", "why")
    .action(
      withServer<{ consumer?: string; agent?: string; role?: string; because: string }, [string]>(
        async ({ client, terminal }, { consumer, agent, role, because }, id) => {
          const letter = await client.rerouteDeadLetter(id, {
            ...(consumer && { consumer }),
            ...(agent && { agent }),
            ...(role && { role }),
            because,
          });
          terminal.result(letter);
          terminal.line(said(letter));
        },
      ),
    );

  deadLetters
    .command("discard")
    .argument("<id>")
    .summary("it is not needed any more")
    .requiredOption("--because <reason>", "why")
    .action(
      withServer<{ because: string }, [string]>(async ({ client, terminal }, { because }, id) => {
        const letter = await client.discardDeadLetter(id, because);
        terminal.result(letter);
        terminal.line(said(letter));
      }),
    );
}

function said(letter: DeadLetter): string {
  const where = letter.destination === null ? "" : ` to ${letter.destination}`;
  return `Message ${letter.messageId} was ${letter.state}${where}.`;
}
