import type { Command } from "commander";
import { type RestartPolicy, restartPolicies } from "../../agent-run/agent-run.ts";
import { type RunEvent, sayRunEvent } from "../../agent-run/run-events.ts";
import type { RunAgentOptions } from "../../agent-run/run-options.ts";
import { parseDuration } from "../../duration.ts";
import { Fault, faults } from "../../fault.ts";
import type { GlobalOptions } from "../command.ts";
import { defaultHome, resolveConnection } from "../connect.ts";

interface RunFlags extends GlobalOptions {
  readonly agent?: string;
  readonly task?: string;
  readonly restart: string;
  readonly maxRestarts?: string;
  readonly lease: string;
  readonly grace: string;
  readonly onTerm: string;
}

export function agentRunCommands(program: Command): void {
  const agent = program
    .command("agent")
    .summary("run a program as an agent: its death is noticed, its edits can be undone")
    .description(
      "Wraps any program, in any language.\n\n  lastgood agent run --agent marketing -- python agent.py",
    );
  agent
    .command("run")
    .argument("<command...>", "the program, after `--`")
    .summary("run it in a session, and again when it dies")
    .description(
      "Opens a session, runs the program in it, beats for it, saves its work tree every 30 s while it\n" +
        "changes, and tells how it ended: within a second where it exits, within the lease where it hangs.\n\n" +
        "  lastgood agent run --agent marketing -- python agent.py\n" +
        "  lastgood agent run --agent marketing --restart never -- ./nightly.sh\n" +
        "  lastgood agent run --agent marketing --task blog-17 --on-term evicted -- node agent.js\n\n" +
        "The program finds LASTGOOD_URL, LASTGOOD_TOKEN, LASTGOOD_SESSION, LASTGOOD_AGENT and LASTGOOD_BRIEF (a file\n" +
        "with what it must know) in its environment. What it prints is its own; what this command says goes to\n" +
        "stderr, as JSON with --json. It exits as the program did; 5 when another session took over, 7 when\n" +
        "the agent was parked after dying again and again.",
    )
    .option("--agent <name>", "whose session it is (LASTGOOD_AGENT)")
    .option("--task <id>", "claim this task for the session")
    .option("--restart <when>", restartPolicies.join(", "), "on-crash")
    .option(
      "--max-restarts <n>",
      "in a row, without a minute of health in between; default: no limit",
    )
    .option("--lease <span>", "not heard for so long, it hangs (1s to 10m)", "10s")
    .option("--grace <span>", "how long it may take to end when this command is told to", "20s")
    .option(
      "--on-term <reason>",
      "what a SIGTERM to this command means: stopped or evicted",
      "stopped",
    )
    .action(async (command: string[], _: unknown, self: Command) => {
      const options = self.optsWithGlobals<RunFlags>();
      const leaseMs = within("--lease", parseDuration(options.lease, "--lease"), 1_000, 600_000);
      const told = (event: RunEvent) => say(event, options.json === true);
      const home = options.home ?? defaultHome();
      // Only this command saves work trees: the others stay quick without it.
      const { findOwnWorkTree } = await import("../../agent-run/own-work-tree.ts");
      process.exitCode = await sayingFaults(told, {
        command,
        connection: resolveConnection(options),
        agent: agentOf(options),
        task: options.task ?? null,
        leaseMs,
        restarting: { policy: policyOf(options), max: maxOf(options) },
        onTerm: oneOf("--on-term", options.onTerm, ["stopped", "evicted"]),
        graceMs: within("--grace", parseDuration(options.grace, "--grace"), 0, 3_600_000),
        home,
        workTree: findOwnWorkTree(process.cwd(), home, told),
        told,
      });
    });
}

/** What goes wrong is said on stderr as well: stdout is the program's. */
async function sayingFaults(
  told: (event: RunEvent) => void,
  options: RunAgentOptions,
): Promise<number> {
  const { runAgent } = await import("../../agent-run/run-agent.ts");
  try {
    return await runAgent(options);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    told({ event: "failed", code: error.code, because: error.message });
    return faults[error.code].exit;
  }
}

function say(event: RunEvent, json: boolean): void {
  const text = json ? JSON.stringify(event) : `lastgood: ${sayRunEvent(event)}`;
  process.stderr.write(`${text}\n`);
}

function agentOf({ agent = process.env.LASTGOOD_AGENT }: RunFlags): string {
  if (agent === undefined || agent === "") {
    throw new Fault("bad_input", "Whose session is it? Name the agent, or set LASTGOOD_AGENT.", {
      context: { path: "--agent" },
    });
  }
  if (/^[A-Za-z0-9][\w.-]{0,99}$/.test(agent)) return agent;
  throw new Fault(
    "bad_input",
    `"${agent.slice(0, 100)}" is no agent's name: take letters, digits, \`_\`, \`.\` and \`-\`.`,
    { context: { path: "--agent" } },
  );
}

function policyOf({ restart }: RunFlags): RestartPolicy {
  return oneOf("--restart", restart, restartPolicies);
}

function maxOf({ maxRestarts }: RunFlags): number | null {
  if (maxRestarts === undefined) return null;
  if (/^\d{1,6}$/.test(maxRestarts)) return Number(maxRestarts);
  throw new Fault("bad_input", `--max-restarts ${maxRestarts} is not a number of times.`, {
    context: { path: "--max-restarts" },
  });
}

function oneOf<T extends string>(path: string, text: string, choices: readonly T[]): T {
  const found = choices.find((each) => each === text);
  if (found !== undefined) return found;
  const known = choices.join(", ");
  throw new Fault("bad_input", `${path} ${text} is unknown: take one of ${known}.`, {
    context: { path },
  });
}

function within(path: string, ms: number, least: number, most: number): number {
  if (ms >= least && ms <= most) return ms;
  throw new Fault("bad_input", `${path} is from ${least} ms to ${most} ms.`, { context: { path } });
}
