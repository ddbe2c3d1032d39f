import type { GateKind, GateRun } from "@lastgood/sdk";
import type { Command } from "commander";
import { Fault, faults } from "../../fault.ts";
import { withServer } from "../command.ts";
import { count } from "../count.ts";
import { inEnvironment, type Where } from "../environment-option.ts";
import { followRun, showChecks } from "../gate-following.ts";
import { namedRelease } from "../release-words.ts";
import type { Terminal } from "../terminal.ts";

const exits: Readonly<Record<GateKind, number>> = {
  promote: 0,
  refuse: faults.state_forbids.exit,
  freeze: faults.frozen.exit,
};

export function gateCommands(program: Command): void {
  const gate = program
    .command("gate")
    .summary("what a candidate must pass before it serves anybody")
    .description(
      "The gate runs the checks of the bank against a candidate, and compares it in shadow with the live " +
        "release on recorded or live inputs; nothing of it is served. It promotes, refuses, or freezes and " +
        "calls a person.\n\n" +
        "  lastgood gate run support-router:15\n" +
        "  lastgood gate list support-router",
    );
  gate
    .command("run")
    .argument("<release...>", "support-router:15, or model support-router:15")
    .summary("judge a candidate; exits 0 for promote, 5 for refuse, 7 for freeze")
    .option("--environment <name>", "whose live release it is compared with (LASTGOOD_ENVIRONMENT)")
    .action(
      withServer<{ environment?: string }, [readonly string[]]>(
        async ({ client, terminal }, options, words) => {
          const { artifact, version } = namedRelease(words);
          const environment = options.environment ?? process.env.LASTGOOD_ENVIRONMENT;
          const begun = await client.startGateRun(artifact, version, { environment });
          const run = await followRun(client, terminal, begun);
          showRun(terminal, run);
          process.exitCode = exitOf(run);
        },
      ),
    );
  gate
    .command("show")
    .argument("<run>")
    .summary("one run, with its checks and its shadow")
    .action(
      withServer<object, [string]>(async ({ client, terminal }, _options, id) => {
        showRun(terminal, await client.gateRun(id));
      }),
    );
  liveCommand(gate);
  gate
    .command("list")
    .argument("[artifact]")
    .summary("newest first")
    .option("--limit <n>", "at most this many (1 to 1000)", Number, 50)
    .action(
      withServer<{ limit: number }, [string | undefined]>(
        async ({ client, terminal }, { limit }, artifact) => {
          const page = await client.gateRuns({ artifact, limit });
          terminal.result(page);
          terminal.table(
            ["RUN", "RELEASE", "AGAINST", "BY", "STARTED", "VERDICT"],
            page.runs.map((run) => [
              run.id,
              `${run.artifact}:${run.candidate}`,
              run.live ?? "",
              run.by,
              run.startedAt,
              run.verdict?.kind ??
                (run.only === null ? run.state : count(run.only.length, "check")),
            ]),
          );
          if (page.runs.length === 0) terminal.line("Nothing was judged yet.");
          if (page.more) terminal.line("There are more: raise --limit.");
        },
      ),
    );
}

function liveCommand(gate: Command): void {
  inEnvironment(
    gate
      .command("live")
      .argument("[artifact]", "look now; without one, how it went last everywhere")
      .summary("what the bank says of the releases that serve")
      .description(
        "The bank is asked of what serves each hour (gate.<artifact>.live). What passed before and fails now, while " +
          "what a rollback goes to passes it, is told as a sample of the release; nothing moves. Exits 1 then.",
      ),
  ).action(
    withServer<Where, [string | undefined]>(
      async ({ client, terminal }, { environment }, artifact) => {
        const looks =
          artifact === undefined
            ? (await client.liveLooks()).looks
            : [await client.lookAtLive(environment, artifact)];
        terminal.result(artifact === undefined ? { looks } : looks[0]);
        terminal.table(
          ["WHERE", "RELEASE", "WELL", "PASSED", "AT", "WHAT"],
          looks.map((each) => [
            each.environment,
            `${each.artifact}:${each.version}`,
            each.ok === null ? "not known" : each.ok ? "yes" : "NO",
            `${each.passed} of ${each.checks}`,
            each.at,
            each.says.slice(0, 100),
          ]),
        );
        for (const { check, why } of looks.flatMap(({ failing }) => failing)) {
          terminal.line(`${check}: ${why}`);
        }
        if (looks.length === 0) terminal.line("Nothing that serves was asked yet.");
        if (artifact !== undefined && looks[0]?.ok === false) process.exitCode = 1;
      },
    ),
  );
}

function exitOf({ state, verdict, fault, id }: GateRun): number {
  if (verdict !== null) return exits[verdict.kind];
  throw new Fault("command_failed", `The run ${id} is ${state}: ${fault ?? "it decided nothing"}`);
}

function showRun(terminal: Terminal, run: GateRun): void {
  const { verdict, shadow, checks } = run;
  terminal.result(run);
  const against = run.live === null ? "" : ` against ${run.live}`;
  terminal.line(`${run.artifact}:${run.candidate}${against} in ${run.environment} (${run.id})`);
  if (checks.length > 0) terminal.line();
  showChecks(terminal, checks);
  if (shadow !== null) {
    terminal.line();
    terminal.line(
      `Shadow on ${shadow.inputs} ${shadow.source} inputs: the same answer on ${shadow.same}.`,
    );
    terminal.table(
      ["SHADOW", "INPUTS", "LIVE", "CANDIDATE", "WORSE BY AT LEAST", ""],
      shadow.paired.map((each) => [
        each.of,
        String(each.inputs),
        each.live.toFixed(3),
        each.candidate.toFixed(3),
        Math.max(0, each.worseByAtLeast).toFixed(3),
        each.worse ? "worse" : "",
      ]),
    );
  }
  terminal.line();
  terminal.line(
    verdict === null ? (run.fault ?? run.state) : `${verdict.kind}: ${verdict.because}`,
  );
  if ((verdict?.incident ?? null) !== null)
    terminal.line(`A person was called: ${verdict?.incident}`);
}
