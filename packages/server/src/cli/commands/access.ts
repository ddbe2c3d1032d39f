import type { AuditQuery, NewToken } from "@lastgood/sdk";
import type { Command } from "commander";
import { withServer } from "../command.ts";

export function accessCommands(program: Command): void {
  const token = program
    .command("token")
    .summary("who may call the server")
    .description(
      "Makes, lists and revokes tokens.\n\n" +
        "  lastgood token create --role agent --name backend --agent backend --expires-in 90d\n" +
        "  lastgood token revoke 1mf3k9q7x2ap",
    );

  token
    .command("create")
    .summary("make a token and print it, this once")
    .description(
      "Makes a token. Its text is printed now and never again: only its digest is kept.\n\n" +
        "  lastgood token create --role operator --name alice\n" +
        "  lastgood token create --role agent --name backend --agent backend",
    )
    .requiredOption("--role <role>", "viewer, agent, operator or admin")
    .requiredOption("--name <name>", "who will use it: the ledger and the audit name it so")
    .option("--agent <agent>", "for the role agent: the one agent that it acts as")
    .option("--expires-in <span>", "such as 90d; without it, it does not expire")
    .action(
      withServer<NewToken, []>(async ({ client, terminal }, options) => {
        const { role, name, agent, expiresIn } = options;
        const created = await client.createToken({
          role,
          name,
          ...(agent === undefined ? {} : { agent }),
          ...(expiresIn === undefined ? {} : { expiresIn }),
        });
        terminal.result(created);
        terminal.line(created.secret);
      }),
    );

  token
    .command("list")
    .summary("all tokens, without their secrets")
    .description("Lists tokens, those that work first.\n\n  lastgood token list --json")
    .action(
      withServer<object, []>(async ({ client, terminal }) => {
        const page = await client.tokens();
        terminal.result(page);
        terminal.table(
          ["ID", "ROLE", "NAME", "AGENT", "CREATED", "EXPIRES", "STATE"],
          page.tokens.map((each) => [
            each.id,
            each.role,
            each.name,
            each.agent ?? "",
            each.createdAt,
            each.expiresAt ?? "never",
            stateOf(each),
          ]),
        );
      }),
    );

  token
    .command("revoke <id>")
    .summary("end a token for good")
    .description("Ends a token at once and for good.\n\n  lastgood token revoke 1mf3k9q7x2ap")
    .action(
      withServer<object, [string]>(async ({ client, terminal }, _, id) => {
        const revoked = await client.revokeToken(id);
        terminal.result(revoked);
        terminal.line(`The token ${revoked.id} (${revoked.role}, ${revoked.name}) is revoked.`);
      }),
    );

  program
    .command("audits")
    .summary("what was done and what was denied, and to whom")
    .description(
      "Lists the audit, newest first.\n\n" +
        "  lastgood audits --since 1d --outcome denied\n" +
        "  lastgood audits --actor backend",
    )
    .option("--since <when>", "an ISO time, or a span back from now such as 2h")
    .option("--until <when>", "the same")
    .option("--actor <name>", "an agent's name, or a person's as token:NAME")
    .option("--outcome <outcome>", "done or denied")
    .option("--limit <n>", "at most this many (1 to 1000)", Number, 100)
    .action(
      withServer<AuditQuery, []>(async ({ client, terminal }, options) => {
        const { since, until, actor, outcome, limit } = options;
        const page = await client.audits({ since, until, actor, outcome, limit } as AuditQuery);
        terminal.result(page);
        terminal.table(
          ["AT", "ACTOR", "ACTION", "TARGET", "OUTCOME", "BECAUSE"],
          page.audits.map((each) => [
            each.at,
            each.actor,
            each.action,
            each.target.slice(0, 60),
            each.outcome,
            each.because.slice(0, 80),
          ]),
        );
        if (page.audits.length === 0) terminal.line("Nothing fits.");
        if (page.more) terminal.line("There are more: narrow the window, or raise --limit.");
      }),
    );
}

function stateOf(token: {
  readonly expiresAt: string | null;
  readonly suspendedBecause: string | null;
  readonly revokedAt: string | null;
}): string {
  if (token.revokedAt !== null) return "revoked";
  if (token.suspendedBecause !== null) return "suspended";
  return token.expiresAt !== null && Date.parse(token.expiresAt) <= Date.now()
    ? "expired"
    : "works";
}
