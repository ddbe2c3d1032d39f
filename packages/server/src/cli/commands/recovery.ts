import type { Client, PlanRequest, Recovery } from "@lastgood/sdk";
import type { Command } from "commander";
import { Fault } from "../../fault.ts";
import { withServer } from "../command.ts";
import type { Ink, Terminal } from "../terminal.ts";

interface PlanOptions extends Omit<PlanRequest, "changes"> {
  readonly change?: string[];
}

export function recoveryCommands(program: Command): void {
  const recover = program
    .command("recover")
    .summary("plan, run, show and undo recoveries")
    .description(
      "A recovery puts changes back across all layers as one plan.\n\n" +
        "  lastgood recover plan --change 01a1fd16-a0b9-7625-a0c2-7c708065cb4a\n" +
        "  lastgood recover run rec_1ng2kbtnh2r6\n" +
        "  lastgood recover undo rec_1ng2kbtnh2r6",
    );
  recover
    .command("plan")
    .description(
      "Computes what would be done, lost and touched. Moves nothing.\n\n" +
        "  lastgood recover plan --task T-418\n" +
        '  lastgood recover plan --agent backend --since 2h --because "prices are wrong"',
    )
    .option("--incident <id>", "for this incident; by itself, what it was decided to come from")
    .option("--change <id...>", "these changes (ids as in `lastgood changes`)")
    .option("--task <id>", "all changes of a task")
    .option("--agent <name>", "all changes of an agent, with --since")
    .option("--since <when>", "an ISO time, or a span back from now such as 2h")
    .option("--because <reason>", "goes into the revert, the ledger and the agent's inbox")
    .option("--contain", "hold the agents that made them until it is verified")
    .action(
      withServer<PlanOptions, []>(async ({ client, terminal }, options) => {
        const { incident, change, task, agent, since, because, contain } = options;
        const wish = { incident, changes: change, task, agent, since, because, contain };
        const request = Object.fromEntries(
          Object.entries(wish).filter(([, value]) => value !== undefined),
        );
        const planned = await terminal.progress("Planning", client.planRecovery(request));
        show(terminal, planned);
        terminal.line(`\nRun it:  lastgood recover run ${planned.id}`);
      }),
    );
  recover
    .command("run")
    .description("Runs a plan, and follows it to its end.")
    .argument("<recovery>", "its id")
    .option("--digest <digest>", "refuse unless the plan has this digest")
    .action(
      withServer<{ digest?: string }, [string]>(async ({ client, terminal }, options, id) => {
        const { digest } = await client.recovery(id);
        await client.runRecovery(id, options.digest ?? digest);
        await follow(client, terminal, id);
      }),
    );
  recover
    .command("show")
    .description("The plan, and how far it is.")
    .argument("<recovery>", "its id")
    .action(
      withServer<object, [string]>(async ({ client, terminal }, _, id) => {
        show(terminal, await client.recovery(id));
      }),
    );
  recover
    .command("list")
    .description("Recoveries, newest first.")
    .option("--incident <id>", "only this incident's")
    .action(
      withServer<{ incident?: string }, []>(async ({ client, terminal }, { incident }) => {
        const page = await client.recoveries(incident === undefined ? {} : { incident });
        terminal.result(page);
        terminal.table(
          ["ID", "STATE", "PLANNED", "BY", "FOR"],
          page.recoveries.map((each) => [
            each.id,
            each.state,
            each.plannedAt,
            each.plannedBy,
            each.reason.slice(0, 80),
          ]),
        );
        if (page.recoveries.length === 0) terminal.line("No recovery yet.");
      }),
    );
  recover
    .command("undo")
    .description("Takes a recovery back: a recovery is itself a change, and can be recovered from.")
    .argument("<recovery>", "its id")
    .option("--plan-only", "show the plan and stop")
    .action(
      withServer<{ planOnly?: boolean }, [string]>(async ({ client, terminal }, options, id) => {
        const planned = await terminal.progress("Planning", client.undoRecovery(id));
        if (options.planOnly === true) {
          show(terminal, planned);
          terminal.line(`\nRun it:  lastgood recover run ${planned.id}`);
          return;
        }
        await client.runRecovery(planned.id, planned.digest);
        await follow(client, terminal, planned.id);
      }),
    );
  program
    .command("approve")
    .summary("let a plan run that waits for a person")
    .description(
      "Approves the very plan that `lastgood recover show` prints, and follows it to its end.",
    )
    .argument("<recovery>", "its id")
    .option("--digest <digest>", "refuse unless the plan has this digest")
    .action(
      withServer<{ digest?: string }, [string]>(async ({ client, terminal }, options, id) => {
        const { digest } = await client.recovery(id);
        await client.approveRecovery(id, options.digest ?? digest);
        await follow(client, terminal, id);
      }),
    );
}

const ended = new Set<Recovery["state"]>(["verified", "failed", "refused", "superseded"]);
const inks: Readonly<Record<string, Ink>> = { verified: "green", failed: "red", running: "yellow" };

/** Prints each step as it takes, and ends with the recovery's own end. */
async function follow(client: Client, terminal: Terminal, id: string): Promise<void> {
  const printed = new Set<string>();
  for (;;) {
    const recovery = await client.recovery(id);
    for (const step of recovery.steps) {
      const line = `${step.index} ${step.state}`;
      if (step.state === "pending" || printed.has(line)) continue;
      printed.add(line);
      if (step.state === "verified" || step.state === "failed") {
        terminal.line(
          `${terminal.ink(inks[step.state] ?? "reset", step.state.padEnd(9))} ${step.says}`,
        );
        for (const each of step.observed) terminal.line(`          ${each}`);
      }
    }
    if (recovery.state === "superseded")
      return await follow(client, terminal, await successor(client, id));
    if (ended.has(recovery.state)) {
      terminal.result(recovery);
      if (recovery.state === "verified") {
        terminal.line(`Recovery ${id} is verified. Take it back with: ${recovery.plan.undoWith}`);
        return;
      }
      throw new Fault("state_forbids", `Recovery ${id} ${recovery.state}: ${recovery.because}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function successor(client: Client, id: string): Promise<string> {
  const { recoveries } = await client.recoveries({ limit: 50 });
  const next = recoveries.find((each) => each.replaces === id);
  if (next === undefined)
    throw new Fault("not_found", `The recovery that replaces ${id} is not listed.`);
  return next.id;
}

function show(terminal: Terminal, recovery: Recovery): void {
  const { plan } = recovery;
  terminal.result(recovery);
  const state = terminal.ink(inks[recovery.state] ?? "bold", recovery.state);
  terminal.line(`Recovery ${recovery.id}: ${state}${recovery.because && `, ${recovery.because}`}`);
  terminal.line(`For       ${recovery.reason}`);
  terminal.line(`Digest    ${recovery.digest}`);
  terminal.line(`Touches   ${touched(plan)} (blast radius ${plan.blastRadius})`);
  terminal.line(
    `Undo with ${plan.undoWith}${plan.reversible ? "" : " (parts cannot be taken back)"}`,
  );
  terminal.line();
  terminal.table(
    ["#", "STAGE", "LAYER", "STATE", "STEP"],
    recovery.steps.map((step) => [
      String(step.index),
      step.stage,
      step.layer,
      step.state,
      step.says,
    ]),
  );
  section(terminal, "What will be lost", plan.losses);
  section(terminal, "What stands in the way", plan.conflicts);
  section(terminal, "What is not covered", plan.gaps);
}

function touched({ touches }: Recovery["plan"]): string {
  const { commits, documents, consumers, executions, servicesDown } = touches;
  return `${commits} commits, ${documents} documents, ${consumers} consumers, ${executions} executions, ${servicesDown.length} services down`;
}

function section(terminal: Terminal, title: string, lines: readonly string[]): void {
  if (lines.length === 0) return;
  terminal.line(`\n${terminal.ink("bold", title)}`);
  for (const line of lines) terminal.line(`  - ${line}`);
}
