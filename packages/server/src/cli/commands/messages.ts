import type { MessageConsumer, NewMessage } from "@lastgood/sdk";
import type { Command } from "commander";
import { formatDuration } from "../../duration.ts";
import { Fault } from "../../fault.ts";
import { withServer } from "../command.ts";
import type { Terminal } from "../terminal.ts";

export function messagesCommands(program: Command): void {
  const messages = program
    .command("messages")
    .summary("streams, inboxes and what waits in them")
    .description(
      "Publishes messages, shows streams and consumers, holds and releases them, delivers again.\n\n" +
        '  lastgood messages publish --agent marketing \'{"type":"task","title":"Draft the post"}\'\n' +
        "  lastgood messages consumers\n" +
        "  lastgood messages replay marketing-durable-v1 --from 2h --because 'the index was missing'",
    );
  publishCommand(messages);
  listCommands(messages);
  actCommands(messages);
}

function publishCommand(messages: Command): void {
  messages
    .command("publish")
    .argument("<payload>", "JSON")
    .summary("send a message")
    .description(
      "Sends a message to an agent's inbox, a role's inbox or a subject. With --id it can be repeated:\n" +
        "the same id within the stream's duplicate window is dropped.\n\n" +
        '  lastgood messages publish --subject tasks.review --id review-17 \'{"commit":"b8e4d12"}\'',
    )
    .option("--agent <name>", "to this agent's inbox")
    .option("--role <name>", "to this role's inbox")
    .option("--subject <subject>", "to this subject")
    .option("--id <id>", "the message id")
    .option("--sender <name>", "who sends (operators only)")
    .action(
      withServer<Omit<NewMessage, "payload" | "headers">, [string]>(
        async ({ client, terminal }, { agent, role, subject, id, sender }, payload) => {
          const message = { agent, role, subject, id, sender, payload: parsePayload(payload) };
          const published = await client.publishMessage(message as NewMessage);
          terminal.result(published);
          const said = published.duplicate ? "was there already as" : "is";
          terminal.line(
            `Message ${published.id} ${said} number ${published.seq} of ${published.stream}.`,
          );
        },
      ),
    );
}

function parsePayload(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new Fault(
      "bad_input",
      `The payload is not JSON: quote text too, such as '"hello"'. Nothing was sent.`,
      { cause, context: { path: "payload" } },
    );
  }
}

function listCommands(messages: Command): void {
  messages
    .command("streams")
    .summary("streams, their limits and what they hold")
    .action(
      withServer<object, []>(async ({ client, terminal }) => {
        const [{ streams }, engine] = [await client.streams(), await client.messagesEngine()];
        terminal.result({ ...engine, streams });
        terminal.table(
          ["STREAM", "SUBJECTS", "MESSAGES", "BYTES", "LAST", "KEEPS", "REVIEWER"],
          streams.map((stream) => [
            stream.adopted ? `${stream.name} (adopted)` : stream.name,
            stream.subjects.join(" "),
            String(stream.messages),
            String(stream.bytes),
            String(stream.lastSeq),
            stream.keepMs > 0 ? formatDuration(stream.keepMs) : "for ever",
            stream.reviewer ?? "",
          ]),
        );
        if (streams.length === 0)
          terminal.line("No stream: declare agents or messages.streams in lastgood.yaml.");
        terminal.line(`Engine: ${engine.engine} ${engine.version}`);
        for (const each of engine.degraded) terminal.line(`- ${each}`);
      }),
    );

  messages
    .command("consumers")
    .summary("who reads what, what waits, what is held")
    .option("--agent <name>", "only this agent's")
    .option("--role <name>", "only this role's")
    .action(
      withServer<{ agent?: string; role?: string }, []>(
        async ({ client, terminal }, { agent, role }) => {
          const query = { ...(agent && { agent }), ...(role && { role }) };
          const { consumers } = await client.consumers(query);
          terminal.result({ consumers });
          showConsumers(terminal, consumers);
          if (consumers.length === 0) terminal.line("No consumer fits.");
        },
      ),
    );
}

function showConsumers(terminal: Terminal, consumers: readonly MessageConsumer[]): void {
  terminal.table(
    ["CONSUMER", "OF", "WAITING", "IN FLIGHT", "RESTING", "HANDLED", "DEAD", "HELD"],
    consumers.map((consumer) => [
      consumer.name,
      consumer.agent ?? (consumer.role === null ? consumer.stream : `role ${consumer.role}`),
      ...[consumer.waiting, consumer.inFlight, consumer.resting].map(String),
      ...[consumer.handled, consumer.deadLetters].map(String),
      consumer.holds.map((hold) => `${hold.heldBy}: ${hold.because}`).join("; "),
    ]),
  );
}

function actCommands(messages: Command): void {
  messages
    .command("hold")
    .argument("<consumer>")
    .summary("deliver nothing until it is released")
    .requiredOption("--because <reason>", "why")
    .action(
      withServer<{ because: string }, [string]>(async ({ client, terminal }, options, name) => {
        const consumer = await client.holdConsumer(name, options.because);
        terminal.result(consumer);
        terminal.line(
          `${name} is held: ${consumer.waiting} messages wait. Release it with \`lastgood messages release ${name}\`.`,
        );
      }),
    );

  messages
    .command("release")
    .argument("<consumer>")
    .summary("end every hold; what failed meanwhile comes at once")
    .option("--because <reason>", "why", "released by hand")
    .action(
      withServer<{ because: string }, [string]>(async ({ client, terminal }, options, name) => {
        const consumer = await client.releaseConsumer(name, options.because);
        terminal.result(consumer);
        terminal.line(`${name} is released: ${consumer.waiting + consumer.resting} messages come.`);
      }),
    );

  messages
    .command("replay")
    .argument("<consumer>")
    .summary("deliver again to this consumer alone")
    .option("--from-seq <n>", "from this number of the stream on", Number)
    .option("--from <when>", "from a time on, or a span back from now such as 2h")
    .option("--to-seq <n>", "up to and including this number", Number)
    .requiredOption("--because <reason>", "why")
    .action(
      withServer<{ fromSeq?: number; from?: string; toSeq?: number; because: string }, [string]>(
        async ({ client, terminal }, { fromSeq, from, toSeq, because }, name) => {
          const replayed = await client.replayMessages(name, {
            ...(fromSeq !== undefined && { fromSeq }),
            ...(from !== undefined && { from }),
            ...(toSeq !== undefined && { toSeq }),
            because,
          });
          terminal.result(replayed);
          terminal.line(
            replayed.firstSeq === null
              ? `The stream holds nothing of that for ${name}.`
              : `${replayed.replayed} messages (${replayed.firstSeq} to ${replayed.lastSeq}) come to ${name} again.`,
          );
          if (replayed.nextSeq !== null)
            terminal.line(`There are more: go on with --from-seq ${replayed.nextSeq}.`);
        },
      ),
    );
}
