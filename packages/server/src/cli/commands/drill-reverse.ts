import type { ReverseDrill } from "@lastgood/sdk";
import type { Command } from "commander";
import { parseDuration } from "../../duration.ts";
import { Fault } from "../../fault.ts";
import { withServer } from "../command.ts";
import type { Terminal } from "../terminal.ts";

interface ReverseOptions {
  readonly environment: string;
  readonly percent: number;
  readonly hold: string;
}

const lookEveryMs = 200;
/** Beyond the hold: the gate, and consumers that do not follow. */
const graceMs = 60_000;

/** Unlike the other drills it moves the live fleet, and moves it back. */
export function reverseDrillCommand(drill: Command): void {
  drill
    .command("reverse")
    .argument("<artifact>")
    .description(
      "On your live fleet: gives the release before a share of the keys, and takes it back. Passes only when\n" +
        "that release was asked and is well, every consumer acknowledged both moves, and signals stayed hold.\n\n" +
        "  lastgood drill reverse customer-service --percent 10",
    )
    .option(
      "--environment <name>",
      "where (LASTGOOD_ENVIRONMENT)",
      process.env.LASTGOOD_ENVIRONMENT ?? "production",
    )
    .option("--percent <n>", "how much of the keys", Number, 10)
    .option("--hold <span>", "how long that lasts at least", "2s")
    .action(
      withServer<ReverseOptions, [string]>(
        async ({ client, terminal }, { environment, percent, hold }, artifact) => {
          const holdMs = parseDuration(hold, "--hold");
          let seen = await client.startReverseDrill(environment, artifact, { percent, holdMs });
          terminal.line(`${seen.rollout}: ${percent} % of ${artifact} go to ${seen.prior}`);
          const deadline = Date.now() + holdMs + graceMs;
          while (!seen.ended) {
            if (Date.now() > deadline) throw unended(seen);
            await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
            seen = await client.reverseDrill(seen.rollout);
          }
          terminal.result(seen);
          tell(terminal, seen);
          if (!seen.ok) process.exitCode = 1;
        },
      ),
    );
}

function unended({ rollout }: ReverseDrill): Fault {
  return new Fault(
    "timed_out",
    `The drill did not end in time: look with \`lastgood rollout show ${rollout}\`, and turn it back with \`lastgood rollout back ${rollout} --now\`.`,
  );
}

function tell(terminal: Terminal, { artifact, environment, ok, proofs }: ReverseDrill): void {
  for (const { what, holds, seen } of proofs) {
    const mark = holds ? terminal.ink("green", "yes") : terminal.ink("red", "NO ");
    terminal.line(`${mark}  ${what}: ${seen}`);
  }
  terminal.line();
  terminal.line(
    ok
      ? terminal.ink("green", `${artifact} in ${environment} can go back, and has just done so.`)
      : terminal.ink(
          "red",
          `The way back of ${artifact} in ${environment} is NOT proven: see above.`,
        ),
  );
}
