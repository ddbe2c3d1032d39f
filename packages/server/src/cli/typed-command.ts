import { CommanderError } from "commander";
import { Fault } from "../fault.ts";
import { createProgram } from "./program.ts";
import { reportFailure } from "./terminal.ts";

const usageExit = 2;

/** Runs what was typed, and sets the exit code that its fault states. */
export async function runTypedCommand(): Promise<void> {
  const json = process.argv.includes("--json");
  // Who reads has enough, such as `grep -q`: nobody is left to print to.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit();
  });
  try {
    await createProgram().parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : usageExit;
      if (json && error.exitCode !== 0) reportFailure(usageFault(error), json);
      return;
    }
    process.exitCode = reportFailure(error, json);
  }
}

/** What was typed is no command; for people, commander has said so already. */
function usageFault({ code, message }: CommanderError): Fault {
  const what = code === "commander.help" ? "A command is missing" : message.replace(/^error: /, "");
  return new Fault("bad_input", `${what}. Run with --help to see what it takes.`);
}
