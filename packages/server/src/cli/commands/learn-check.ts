import type { Check, Client, Learning } from "@lastgood/sdk";
import type { Command } from "commander";
import { Fault, faults } from "../../fault.ts";
import { withServer } from "../command.ts";
import { inEnvironment, type Where } from "../environment-option.ts";
import type { Terminal } from "../terminal.ts";

const waitMs = 10_000;

/** What is said after a rollback by hand: an incident asks for its check by itself. */
export function sayLearnable(artifact: string, rollout?: string): string {
  const which = rollout === undefined ? "" : ` --rollout ${rollout}`;
  return `Make a check of what failed under it: lastgood checks learn ${artifact}${which}`;
}

export function learnCommand(checks: Command): void {
  inEnvironment(
    checks
      .command("learn")
      .argument("<artifact>")
      .summary("make a check of what failed under the release that was rolled back")
      .description(
        "After a rollback by hand: takes what failed under the release that the last rollback took away, with " +
          "the answers that turned out to be right, and keeps what the release that it went back to gets " +
          "right. It is in the bank only when it was red on the one and green on the other; exits 5 otherwise.\n\n" +
          "  lastgood checks learn support-router",
      ),
  )
    .option("--rollout <id>", "of this rollout; otherwise of the last rollback")
    .action(
      withServer<Where & { rollout?: string }, [string]>(
        async ({ client, terminal }, { environment, rollout }, artifact) => {
          const begun = await client.learnFromRollback(environment, artifact, { rollout });
          const learning = await ended(client, begun);
          if (learning.fault !== null && learning.checks.length === 0) {
            throw new Fault("state_forbids", learning.fault, { context: { artifact } });
          }
          terminal.result(learning);
          for (const check of learning.checks) tell(terminal, check);
          if (learning.fault !== null) terminal.line(learning.fault);
          const isWhole = learning.fault === null && learning.checks.every((each) => each.accepted);
          if (!isWhole) process.exitCode = faults.state_forbids.exit;
        },
      ),
    );
}

async function ended(client: Client, begun: Learning): Promise<Learning> {
  let learning = begun;
  while (learning.state === "running") learning = await client.learning(begun.id, { waitMs });
  return learning;
}

function tell(
  terminal: Terminal,
  { accepted, because, badRevision, goodRevision, command, runs }: Check,
): void {
  const pair = `${badRevision} against ${goodRevision}`;
  if (accepted) {
    terminal.line(`${command.at(-1) ?? ""} is in the bank, from ${pair}: ${because}.`);
    terminal.line(`Look at it: lastgood checks show ${command.at(-1) ?? ""}`);
    return;
  }
  terminal.line(`Nothing was added from ${pair}: ${because}.`);
  terminal.table(
    ["RUN ON", "OUTCOME", "MS"],
    runs.map(({ revision, outcome, tookMs }) => [revision, outcome, String(tookMs)]),
  );
}
