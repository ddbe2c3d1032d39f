import type { Effect, EffectQuery, JsonValue } from "@lastgood/sdk";
import type { Command } from "commander";
import { Fault } from "../../fault.ts";
import { withServer } from "../command.ts";

export function effectsCommands(program: Command): void {
  const effects = program
    .command("effects")
    .summary("what agents did to the outside world, and what nobody knows of")
    .description(
      "Every act on the outside world is written down before it is dispatched. One whose agent died before " +
        "it said how it went is unknown: a person finds out whether it happened, and settles it.\n\n" +
        "  lastgood effects list --state unknown\n" +
        "  lastgood effects settle eff_0123456789abcdef01234567 --happened --because 'it is in the outbox'",
    );
  readCommands(effects);
  settleCommand(effects);
}

function readCommands(effects: Command): void {
  effects
    .command("list")
    .summary("latest first")
    .option("--agent <name>", "only this agent's")
    .option("--task <id>", "only this task's")
    .option("--session <id>", "only those begun or dispatched in this session last")
    .option("--state <state>", "intended, dispatched, confirmed, failed or unknown")
    .option("--limit <n>", "at most this many (1 to 1000)", Number, 100)
    .action(
      withServer<EffectQuery, []>(async ({ client, terminal }, options) => {
        const { agent, task, session, state, limit } = options;
        const page = await client.effects({ agent, task, session, state, limit });
        terminal.result(page);
        terminal.table(
          ["ID", "BEGUN", "AGENT", "TASK", "KIND", "STATE", "TRIES", "REPLAYED", "KEY"],
          page.effects.map((effect) => [
            effect.id,
            effect.intendedAt,
            effect.agent,
            effect.task ?? "",
            effect.kind,
            effect.state,
            String(effect.attempts),
            String(effect.replayed),
            effect.key.slice(0, 60),
          ]),
        );
        if (page.effects.length === 0) terminal.line("No effect fits.");
        if (page.more) terminal.line("There are more: narrow it, or raise --limit.");
      }),
    );

  effects
    .command("show")
    .argument("<id>")
    .summary("one, with what was asked and what came of it")
    .action(
      withServer<object, [string]>(async ({ client, terminal }, _options, id) => {
        const effect = await client.effect(id);
        terminal.result(effect);
        const { late, request, result, ...about } = effect;
        for (const [name, value] of Object.entries(about)) {
          if (value !== null && value !== "") terminal.line(`${name.padEnd(16)}${value}`);
        }
        terminal.line(`${"request".padEnd(16)}${JSON.stringify(request)}`);
        if (effect.state === "confirmed") {
          terminal.line(`${"result".padEnd(16)}${JSON.stringify(result)}`);
        }
        if (late !== null) terminal.line(lateSays(late));
        if (effect.state === "unknown") {
          terminal.line(
            `Find out whether it happened, then: lastgood effects settle ${id} --happened --because …, or --did-not-happen.`,
          );
        }
      }),
    );
}

function lateSays({ session, state, result, error, at }: NonNullable<Effect["late"]>): string {
  const word =
    state === "confirmed"
      ? `that it happened: ${JSON.stringify(result)}`
      : `that it did not happen: ${error ?? ""}`;
  return `After its own end the session ${session} said at ${at} ${word}`;
}

interface SettleOptions {
  readonly happened?: boolean;
  readonly didNotHappen?: boolean;
  readonly because: string;
  readonly result?: string;
}

function settleCommand(effects: Command): void {
  effects
    .command("settle")
    .argument("<id>")
    .summary("say whether one of unknown outcome happened")
    .description(
      "One that happened is never done again: its result is what its agent gets. One that did not happen " +
        "is done when its agent begins it again.\n\n" +
        "  lastgood effects settle eff_0123456789abcdef01234567 --did-not-happen --because 'no such mail'",
    )
    .option("--happened", "it happened")
    .option("--did-not-happen", "it surely did not happen")
    .option("--result <json>", "what its agent gets as its result, where it happened")
    .requiredOption("--because <reason>", "how you know")
    .action(
      withServer<SettleOptions, [string]>(async ({ client, terminal }, options, id) => {
        const { happened = false, didNotHappen = false, because, result } = options;
        if (happened === didNotHappen) {
          throw new Fault("bad_input", "Say one of --happened and --did-not-happen.", {
            context: { path: "--happened" },
          });
        }
        const effect = await client.settleEffect(id, {
          ...{ happened, because },
          ...(result === undefined ? {} : { result: parseResult(result) }),
        });
        terminal.result(effect);
        terminal.line(`${id} is ${effect.state}.`);
      }),
    );
}

function parseResult(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (cause) {
    throw new Fault("bad_input", `The result is not JSON: ${String(cause).slice(0, 200)}`, {
      cause,
      context: { path: "result" },
    });
  }
}
