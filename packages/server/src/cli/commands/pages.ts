import type { Page, PageDelivery, PageQuery } from "@lastgood/sdk";
import type { Command } from "commander";
import { Fault } from "../../fault.ts";
import { type Context, withServer } from "../command.ts";
import type { Terminal } from "../terminal.ts";

export function pageCommands(program: Command): void {
  program
    .command("pages")
    .summary("calls to people: who was called, about what, and whether it reached them")
    .description(
      "Lists the calls to people, newest first: one for each incident that needed a person.\n\n" +
        "  lastgood pages --state called",
    )
    .option("--state <state>", "nobody-to-call, called, acknowledged or resolved")
    .option("--limit <n>", "at most this many (1 to 200)", Number, 50)
    .action(
      withServer<PageQuery, []>(async ({ client, terminal }, { state, limit }) => {
        const query = { ...(state === undefined ? {} : { state }), ...(limit && { limit }) };
        const { pages } = await client.pages(query);
        terminal.result({ pages });
        terminal.table(
          ["INCIDENT", "OPENED", "SEVERITY", "STATE", "PERSON", "REACHED", "ABOUT"],
          pages.map((page) => [
            page.incident,
            page.openedAt,
            page.severity,
            page.state,
            page.person ?? "-",
            reached(page),
            page.summary.slice(0, 80),
          ]),
        );
        if (pages.length === 0) terminal.line("Nobody was called.");
      }),
    );

  const page = program
    .command("page")
    .summary("one call to a person: acknowledge it, look at it, rehearse it")
    .description("Works on the page of one incident.\n\n  lastgood page ack inc_1mf3k9q7x2ap");

  page
    .command("ack <incident>")
    .summary("say that you have it in hand")
    .action(
      withServer<object, [string]>(async ({ client, terminal }, _, incident) => {
        const acknowledged = await client.acknowledgePage(incident);
        terminal.result(acknowledged);
        terminal.line(`Acknowledged by ${acknowledged.acknowledgedBy}: ${acknowledged.summary}`);
        terminal.line(`Look at it:        lastgood incident show ${incident}`);
        terminal.line(`Stop the machine:  lastgood incident take ${incident}`);
      }),
    );

  page
    .command("show <incident>")
    .summary("the page of an incident, with every delivery")
    .action(
      withServer<object, [string]>(async ({ client, terminal }, _, incident) => {
        const found = await client.page(incident);
        terminal.result(found);
        terminal.line(`${found.severity}: ${found.summary}`);
        terminal.line(
          `${found.state}, opened ${found.openedAt}, calls ${found.person ?? "nobody"}`,
        );
        if (found.acknowledgedAt !== null) {
          terminal.line(`acknowledged ${found.acknowledgedAt} by ${found.acknowledgedBy}`);
        }
        tableOf(terminal, found.deliveries);
      }),
    );

  page
    .command("retry <incident>")
    .summary("try again what could not be delivered")
    .action(
      withServer<object, [string]>(async ({ client, terminal }, _, incident) => {
        const { retried } = await client.retryPage(incident);
        terminal.result({ retried });
        terminal.line(
          retried === 0 ? "Everything had been delivered." : `${retried} are tried again.`,
        );
      }),
    );

  page
    .command("rehearse <person>")
    .summary("call a person and take it back at once, to know that they can be reached")
    .action(withServer<object, [string]>(rehearse));

  page
    .command("secret <person>")
    .summary("what the person's webhook checks signatures with (Standard Webhooks)")
    .option("--replace", "make a new one, and sign with it from now on")
    .action(
      withServer<{ replace?: boolean }, [string]>(async ({ client, terminal }, options, person) => {
        const answer =
          options.replace === true
            ? await client.replaceWebhookSecret(person)
            : await client.webhookSecret(person);
        terminal.result(answer);
        terminal.line(answer.secret);
      }),
    );
}

const rehearsalMsMax = 30_000;

async function rehearse({ client, terminal }: Context, _: object, person: string): Promise<void> {
  const { incident } = await client.rehearsePage(person);
  const deliveries = await terminal.progress(`calling ${person}`, settled());
  terminal.result({ incident, deliveries });
  tableOf(terminal, deliveries);
  const lost = deliveries.find(({ state }) => state !== "delivered");
  if (lost !== undefined) {
    throw new Fault(
      lost.state === "waiting" ? "timed_out" : "layer_unreachable",
      `${person} was not reached by ${lost.channel}: ${lost.because}`,
    );
  }
  terminal.line(`${person} can be reached.`);

  async function settled(): Promise<readonly PageDelivery[]> {
    const deadline = Date.now() + rehearsalMsMax;
    for (;;) {
      const found = (await client.pageDeliveries({ incident })).deliveries;
      const isOver = found.every(({ state }) => state !== "waiting");
      if (isOver || Date.now() > deadline) return found;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

function tableOf(terminal: Terminal, deliveries: readonly PageDelivery[]): void {
  terminal.table(
    ["WHAT", "TO", "BY", "STATE", "ATTEMPTS", "BECAUSE"],
    deliveries.map((each) => [
      each.kind,
      each.person,
      each.channel,
      each.state,
      String(each.attempts),
      each.because.slice(0, 120),
    ]),
  );
}

function reached({ deliveries }: Page): string {
  const calls = deliveries.filter(({ kind }) => kind === "trigger");
  if (calls.some(({ state }) => state === "delivered")) return "yes";
  if (calls.some(({ state }) => state === "waiting")) return "trying";
  return "no";
}
