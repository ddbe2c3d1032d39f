import { CommanderError } from "commander";
import { createProgram } from "./program.ts";
import { reportFailure } from "./terminal.ts";

const usageExit = 2;

async function main(): Promise<void> {
  const json = process.argv.includes("--json");
  try {
    await createProgram().parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : usageExit;
      return;
    }
    process.exitCode = reportFailure(error, json);
  }
}

await main();
