import type { Command } from "commander";

export interface Where {
  readonly environment: string;
}

/** Adds `--environment` to a command that is about one. */
export function inEnvironment(command: Command): Command {
  return command.option(
    "--environment <name>",
    "which environment (LASTGOOD_ENVIRONMENT)",
    process.env.LASTGOOD_ENVIRONMENT ?? "production",
  );
}
