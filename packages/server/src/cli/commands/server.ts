import type { Command } from "commander";
import { pino } from "pino";
import { emptyConfiguration, startLastgood } from "../../main.ts";
import { defaultHome, defaultPort } from "../connect.ts";

export function serverCommands(program: Command): void {
  program
    .command("start")
    .summary("run the control plane")
    .option("--host <address>", "where to listen", "127.0.0.1")
    .option("--port <port>", "which port; 0 takes a free one", Number, defaultPort)
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<{ host: string; port: number; home?: string }>();
      const lastgood = await startLastgood({
        home: options.home ?? defaultHome(),
        host: options.host,
        port: options.port,
        databaseUrl: process.env.DATABASE_URL ?? null,
        configuration: emptyConfiguration,
        log: pino(pino.destination(2)),
      });
      process.stdout.write(`Lastgood is at ${lastgood.url}\n`);
      for (const signal of ["SIGINT", "SIGTERM"] as const) {
        process.once(signal, () => void lastgood.stop().then(() => process.exit(0)));
      }
    });
}
