import type { Command } from "commander";
import type { Drill, DrillEvent, DrillReport } from "../../drills/drill.ts";
import { Fault } from "../../fault.ts";
import { type ConnectionOptions, connect } from "../connect.ts";
import { createTerminal, type Terminal } from "../terminal.ts";
import { reverseDrillCommand } from "./drill-reverse.ts";

interface RunOptions extends ConnectionOptions {
  readonly json?: boolean;
  readonly seed?: number;
  readonly variant?: string;
  readonly keep?: string;
  readonly databaseUrl?: string;
  readonly natsUrl?: string;
  readonly again?: boolean;
}

const drillMsMax = 300_000;

export function drillCommands(program: Command): void {
  const drill = program
    .command("drill")
    .summary("rehearse a recovery on a real world that is really broken")
    .description(
      "A drill builds a world of its own, breaks it as production broke, and lets the ordinary code\n" +
        "find it and put it right. Nothing of yours is touched.\n\n" +
        "  lastgood drill run september\n" +
        "  lastgood drill run september --seed 7 --variant same-file --keep ./world",
    );
  drill
    .command("list")
    .description("The drills there are.")
    .action(async (_: unknown, command: Command) => {
      const { drills } = await loadDrills();
      const terminal = createTerminal(command.optsWithGlobals<RunOptions>().json === true);
      terminal.result(drills.map(({ name, summary, variants }) => ({ name, summary, variants })));
      terminal.table(
        ["DRILL", "VARIANTS", "WHAT"],
        drills.map(({ name, summary, variants }) => [name, variants.join(" "), summary]),
      );
    });
  reverseDrillCommand(drill);
  drill
    .command("run")
    .description(
      "Runs a drill. Exits 0 only when everything was recovered, verified and written up.",
    )
    .argument("<name>", "which drill")
    .option("--seed <n>", "varies the world; the same seed tells the same story", Number, 1)
    .option("--variant <name>", "forces a variant; otherwise the seed decides")
    .option("--keep <folder>", "leave the world there for you to look at")
    .option("--database-url <url>", "a PostgreSQL >= 15 instead of the embedded one")
    .option("--nats-url <url>", "a NATS server with JetStream instead of the embedded log")
    .option("--again", "when all is well, the same damage again from another commit (september)")
    .action(async (name: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<RunOptions>();
      const terminal = createTerminal(options.json === true);
      const { requireDrill, requireVariant } = await loadDrills();
      const chosen = requireDrill(name);
      const seed = options.seed ?? 1;
      if (!Number.isSafeInteger(seed) || seed < 0) {
        throw new Fault("bad_input", "A seed is a whole number from 0 on.", {
          context: { path: "--seed" },
        });
      }
      const report = await chosen.run({
        seed,
        variant: requireVariant(chosen, options.variant),
        keep: options.keep ?? null,
        databaseUrl: options.databaseUrl ?? null,
        natsUrl: options.natsUrl ?? null,
        again: requireRepeat(chosen, options.again === true),
        program: [process.execPath, ...process.execArgv, process.argv[1] ?? ""],
        told: (event) => tell(terminal, event),
        signal: untilInterrupted(),
      });
      terminal.result(report);
      sumUp(terminal, report);
      await remember(options, report);
      if (!report.ok) process.exitCode = 1;
    });
}

/** Their worlds are large: no other command waits for them to load. */
async function loadDrills() {
  return await import("../../drills/drills.ts");
}

function requireRepeat(drill: Drill, again: boolean): boolean {
  if (!again || drill.canRepeat === true) return again;
  throw new Fault("bad_input", `${drill.name} is not played again: only september is.`, {
    context: { path: "--again" },
  });
}

/** Whoever interrupts a drill gets a clean machine back: the world is taken down before it ends. */
function untilInterrupted(): AbortSignal {
  const interrupted = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.once(name, () =>
      interrupted.abort(new Fault("timed_out", `The drill was ended by ${name}.`)),
    );
  }
  return AbortSignal.any([interrupted.signal, AbortSignal.timeout(drillMsMax)]);
}

/** Readiness is a server's business: where none is reachable, there is nobody to tell. */
async function remember(options: RunOptions, { drill, ok }: DrillReport): Promise<void> {
  try {
    await connect(options).recordDrill({ drill, ok });
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
  }
}

function tell(terminal: Terminal, { elapsedMs, actor, event }: DrillEvent): void {
  const seconds = (elapsedMs / 1_000).toFixed(2).padStart(8);
  terminal.line(`${terminal.ink("dim", seconds)}  ${actor.padEnd(10)}  ${event}`);
}

function sumUp(terminal: Terminal, report: DrillReport): void {
  terminal.line();
  terminal.table(
    ["FROM INJECTED, IN MS", ""],
    Object.entries(report.ms).map(([name, value]) => [
      name,
      value === null ? "never" : String(value),
    ]),
  );
  terminal.line();
  for (const { what, holds, seen } of report.proofs) {
    const mark = holds ? terminal.ink("green", "yes") : terminal.ink("red", "NO ");
    terminal.line(`${mark}  ${what}: ${seen}`);
  }
  terminal.line();
  if (report.gain !== undefined) terminal.line(`The second time: ${report.gain.says}.`);
  terminal.line(
    report.ok
      ? terminal.ink("green", `${report.drill} recovered everything (seed ${report.seed}).`)
      : terminal.ink(
          "red",
          `${report.drill} FAILED (seed ${report.seed}): see above what does not hold.`,
        ),
  );
  if (report.postMortem !== null) terminal.line(`Post-mortem: ${report.postMortem}`);
}
