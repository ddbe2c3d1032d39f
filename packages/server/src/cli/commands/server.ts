import { join } from "node:path";
import type { Command } from "commander";
import { pino } from "pino";
import { findConfiguration } from "../../config/load.ts";
import { startLastgood } from "../../main.ts";
import { realWorld } from "../../world.ts";
import { defaultHome, defaultPort } from "../connect.ts";

interface StartFlags {
  readonly host: string;
  readonly port: number;
  readonly home?: string;
  readonly config?: string;
  readonly stopServices?: boolean;
}

export function serverCommands(program: Command): void {
  program
    .command("start")
    .summary("run the control plane")
    .option("--host <address>", "where to listen", "127.0.0.1")
    .option("--port <port>", "which port; 0 takes a free one", Number, defaultPort)
    .option(
      "--config <file>",
      "the configuration to follow (LASTGOOD_CONFIG; default: ./lastgood.yaml where there is one)",
    )
    .option("--stop-services", "when it is stopped, end the services that it serves as well")
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<StartFlags>();
      const log = pino(pino.destination(2));
      const home = options.home ?? defaultHome();
      const configuration = await findConfiguration(options.config ?? process.env.LASTGOOD_CONFIG, {
        keepIn: join(home, "configuration"),
        world: realWorld,
        log,
      });
      const lastgood = await startLastgood({
        home,
        host: options.host,
        port: options.port,
        databaseUrl: process.env.DATABASE_URL ?? null,
        configuration,
        log,
      });
      process.stdout.write(`Lastgood is at ${lastgood.url}\n`);
      for (const signal of ["SIGINT", "SIGTERM"] as const) {
        process.once(signal, () => {
          void configuration
            .stop()
            .then(() => lastgood.stop({ services: options.stopServices === true }))
            .then(() => process.exit(0));
        });
      }
      // A faulty file is kept out and told by `lastgood doctor`; the log has it too.
      process.on(
        "SIGHUP",
        () => void configuration.file?.reload().catch((err) => log.error({ err })),
      );
    });
}
