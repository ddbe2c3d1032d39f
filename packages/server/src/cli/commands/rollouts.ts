import type { Client, PriorProbe, Rollout } from "@lastgood/sdk";
import type { Command } from "commander";
import { parseDuration } from "../../duration.ts";
import { Fault } from "../../fault.ts";
import { withServer } from "../command.ts";
import { inEnvironment, type Where } from "../environment-option.ts";
import { namedRelease } from "../release-words.ts";
import { accountOf, follow, sayRollout, show } from "../rollout-following.ts";
import type { Terminal } from "../terminal.ts";
import { sayLearnable } from "./learn-check.ts";

export interface RampOptions {
  readonly ramp?: string | true;
  readonly hold?: string;
  readonly blueGreen?: boolean;
}

export function rolloutCommands(program: Command): void {
  const rollout = program
    .command("rollout")
    .summary("take a release up a ramp that is watched, and back by the same dial")
    .description(
      "A rollout goes through the gate, then gives the candidate a growing part of the keys. It is turned\n" +
        "back by the reverse ramp: by you, or by Lastgood when the candidate is worse.\n\n" +
        "  lastgood rollout start router:14 --because 'fewer tokens'\n" +
        "  lastgood rollout show router\n" +
        "  lastgood rollout freeze router --because 'let me look'\n" +
        "  lastgood rollout back router --because 'wrong language' --now",
    );
  startCommand(rollout);
  showCommands(rollout);
  turnCommands(rollout);
  priorCommand(rollout);
}

/** The environment that a command is about. */
interface StartOptions extends Where, RampOptions {
  readonly because?: string;
  readonly inFlight?: "finish-old" | "switch" | "cancel-retry";
  readonly override?: string;
  readonly follow?: boolean;
}

function startCommand(rollout: Command): void {
  inEnvironment(
    rollout
      .command("start")
      .argument("<release...>", "router:14, or model router:14")
      .description("Begins a rollout. Refused while another one turns the same dial."),
  )
    .option("--ramp <percents>", "such as 1,10,50,100 (default: lastgood.yaml)")
    .option("--hold <span>", "how long each step lasts at least, such as 10m")
    .option("--blue-green", "started beside the other and checked, then all at once")
    .option("--because <reason>", "why")
    .option("--in-flight <policy>", "where none is chosen yet: finish-old, switch or cancel-retry")
    .option("--override <reason>", "why one that was rolled back may come again")
    .option("--follow", "stay until it is live, frozen, or back")
    .action(
      withServer<StartOptions, [readonly string[]]>(
        async ({ client, terminal }, options, words) => {
          const { artifact, version } = namedRelease(words);
          const started = await startRollout(client, options, { artifact, version });
          if (options.follow === true) return await follow(client, terminal, started.id);
          tellStarted(terminal, started);
        },
      ),
    );
}

export function tellStarted(terminal: Terminal, started: Rollout): void {
  terminal.result(started);
  terminal.line(sayRollout(started));
  terminal.line(`Follow it: lastgood rollout show ${started.id} --follow`);
}

/** Also what `lastgood deploy --ramp` does. */
export async function startRollout(
  client: Client,
  options: StartOptions,
  { artifact, version }: { readonly artifact: string; readonly version: string },
): Promise<Rollout> {
  const { environment, ramp, hold, blueGreen, because, inFlight, override } = options;
  if (blueGreen === true && ramp !== undefined) {
    throw new Fault(
      "bad_input",
      "--blue-green moves everybody at once, and --ramp in steps: leave one of them out.",
      { context: { path: "--blue-green" } },
    );
  }
  return await client.startRollout(environment, artifact, {
    ...{ version, because, inFlight, override, blueGreen },
    ramp: typeof ramp === "string" ? percentsOf(ramp) : undefined,
    holdMs: hold === undefined ? undefined : parseDuration(hold, "--hold"),
  });
}

function percentsOf(text: string): readonly number[] {
  const percents = text.split(",").map((each) => Number(each.trim() || Number.NaN));
  if (percents.every((each) => Number.isInteger(each))) return percents;
  throw new Fault("bad_input", `"${text}" is no ramp: write whole percents, such as 1,10,50,100.`, {
    context: { path: "--ramp" },
  });
}

function showCommands(rollout: Command): void {
  rollout
    .command("list")
    .description("Rollouts, newest first.")
    .option("--open", "only those that are under way, or live and watched")
    .action(
      withServer<{ open?: boolean }, []>(async ({ client, terminal }, { open }) => {
        const found = await client.rollouts({ state: open === true ? "open" : "all" });
        terminal.result(found);
        terminal.table(
          ["ROLLOUT", "RELEASE", "WHERE", "PHASE", "SHARE", "SINCE", "WHAT"],
          found.rollouts.map((each) => [
            each.id,
            `${each.artifact}:${each.candidate}`,
            each.environment,
            each.phase,
            `${each.percent} %`,
            each.since,
            each.says.slice(0, 80),
          ]),
        );
        if (found.rollouts.length === 0) terminal.line("Nothing was rolled out yet.");
        if (found.more) terminal.line("There are more than these.");
      }),
    );
  inEnvironment(
    rollout
      .command("show")
      .argument("<rollout>", "its id, or the artifact whose dial it turns")
      .description("Where a rollout stands, what the judge says, and what happened."),
  )
    .option("--follow", "stay until it is live, frozen, or back")
    .action(
      withServer<Where & { follow?: boolean }, [string]>(
        async ({ client, terminal }, { environment, follow: stay }, named) => {
          const { id } = await rolloutOf(client, environment, named);
          if (stay === true) return await follow(client, terminal, id);
          const rollout = await client.rollout(id);
          show(terminal, rollout, await accountOf(client, rollout));
        },
      ),
    );
}

/** By its id, or by the artifact that it turns, or turned last. */
async function rolloutOf(client: Client, environment: string, named: string): Promise<Rollout> {
  if (/^ro_[0-9a-z]{12}$/.test(named)) return await client.rollout(named);
  for (const state of ["open", "all"] as const) {
    const { rollouts } = await client.rollouts({ artifact: named, environment, state, limit: 10 });
    const [found] = rollouts.toSorted(
      (one, other) => Number(one.phase === "live") - Number(other.phase === "live"),
    );
    if (found !== undefined) return found;
  }
  throw new Fault(
    "not_found",
    `There is no rollout ${named.slice(0, 80)} in ${environment}: list them with \`lastgood rollout list\`.`,
  );
}

interface TurnOptions extends Where {
  readonly because: string;
  readonly now?: boolean;
  readonly unchecked?: boolean;
}

function turnCommands(rollout: Command): void {
  const turns = [
    [
      "freeze",
      "Holds it where it is: nothing automatic moves it, neither up nor back.",
      "freezeRollout",
    ],
    ["resume", "Goes on where it was frozen.", "resumeRollout"],
    [
      "promote",
      "Gives the candidate to everybody now, past the rest of the ramp.",
      "promoteRollout",
    ],
  ] as const;
  for (const [verb, description, act] of turns) {
    inEnvironment(
      rollout
        .command(verb)
        .argument("<rollout>", "its id, or the artifact whose dial it turns")
        .description(description),
    )
      .requiredOption("--because <reason>", "why")
      .action(
        withServer<TurnOptions, [string]>(
          async ({ client, terminal }, { environment, because }, named) => {
            const { id, version } = await rolloutOf(client, environment, named);
            // Who stops it means it as it is.
            const expect = verb === "freeze" ? undefined : version;
            const turned = await client[act](id, { because, expect });
            terminal.result(turned);
            terminal.line(sayRollout(turned));
          },
        ),
      );
  }
  inEnvironment(
    rollout
      .command("back")
      .argument("<rollout>", "its id, or the artifact whose dial it turns")
      .description(
        "Turns it back: the release before is looked at first, then gets its keys by the reverse ramp.\n" +
          "What goes is barred. Neither review nor policy stands in the way.",
      ),
  )
    .requiredOption("--because <reason>", "why")
    .option("--now", "all at once, without the reverse ramp")
    .option("--unchecked", "with --now: also when the release before does not start; recorded")
    .action(
      withServer<TurnOptions, [string]>(
        async ({ client, terminal }, { environment, because, now, unchecked }, named) => {
          const { id } = await rolloutOf(client, environment, named);
          const turned = await client.backRollout(id, { because, now, unchecked });
          terminal.result(turned);
          terminal.line(sayRollout(turned));
          terminal.line(`Once it is back. ${sayLearnable(turned.artifact, turned.id)}`);
        },
      ),
    );
}

function priorCommand(rollout: Command): void {
  inEnvironment(
    rollout
      .command("prior")
      .argument("[artifact]", "try it now; without one, how it went last everywhere")
      .description("What a rollback would go to, and whether it is known to start."),
  ).action(
    withServer<Where, [string | undefined]>(
      async ({ client, terminal }, { environment }, artifact) => {
        if (artifact !== undefined) {
          const probe = await client.probePrior(environment, artifact);
          terminal.result(probe);
          tellProbes(terminal, [probe]);
          if (!probe.ok) process.exitCode = 1;
          return;
        }
        const found = await client.priorProbes();
        terminal.result(found);
        tellProbes(terminal, found.probes);
        if (found.probes.length === 0) terminal.line("Nothing was tried yet.");
      },
    ),
  );
}

function tellProbes(terminal: Terminal, probes: readonly PriorProbe[]): void {
  terminal.table(
    ["WHERE", "BACK TO", "PASSABLE", "TRIED AT", "MS", "WHAT WAS SEEN"],
    probes.map((each) => [
      each.environment,
      `${each.artifact}:${each.version}`,
      each.ok ? (each.starts ? "yes" : "whole, not started") : "NO",
      each.at,
      String(each.tookMs),
      each.says.slice(0, 100),
    ]),
  );
}
