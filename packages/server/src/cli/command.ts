import type { Client } from "@lastgood/sdk";
import type { Command } from "commander";
import { type ConnectionOptions, connect } from "./connect.ts";
import { createTerminal, type Terminal } from "./terminal.ts";

/** What every command of a running server gets. */
export interface Context {
  readonly client: Client;
  readonly terminal: Terminal;
}

export interface GlobalOptions extends ConnectionOptions {
  readonly json?: boolean;
}

/** Wraps an action: `command.action(withServer(async ({ client, terminal }, options, ...args) => …))`. */
export function withServer<Options, Arguments extends unknown[]>(
  act: (context: Context, options: Options, ...args: Arguments) => Promise<void>,
): (this: Command, ...args: unknown[]) => Promise<void> {
  return async function run(this: Command, ...args: unknown[]) {
    const command = args.at(-1) as Command;
    const options = command.optsWithGlobals<Options & GlobalOptions>();
    const positional = args.slice(0, -2) as Arguments;
    const terminal = createTerminal(options.json === true);
    await act({ client: connect(options), terminal }, options, ...positional);
  };
}
