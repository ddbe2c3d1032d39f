/**
 * Behaves like the command line, but its server carries the mutation that is named first:
 *
 *     node mutated-program.ts --mutation code-half start --home …
 */
import { once } from "node:events";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { pino } from "pino";
import { createProgram } from "../../src/cli/program.ts";
import { loadConfig } from "../../src/config/load.ts";
import { startLastgood } from "../../src/main.ts";
import { requireMutation } from "./mutations.ts";

const [, , , name = "", ...command] = process.argv;

if (command[0] === "start") await start();
else await createProgram().parseAsync(command, { from: "user" });

async function start(): Promise<void> {
  const { values } = parseArgs({
    args: command.slice(1),
    options: {
      home: { type: "string", default: "" },
      port: { type: "string", default: "0" },
      config: { type: "string", default: "" },
      "stop-services": { type: "boolean", default: false },
    },
  });
  const { config } = await loadConfig(values.config);
  const mutation = requireMutation(name);
  const configuration = {
    base: dirname(values.config),
    current: () => mutation.configured?.(config) ?? config,
  };
  const lastgood = await startLastgood({
    home: values.home,
    host: "127.0.0.1",
    port: Number(values.port),
    databaseUrl: process.env.DATABASE_URL ?? null,
    configuration,
    log: pino({}, pino.destination({ dest: 2, sync: true })),
    seams: mutation.seams(configuration),
  });
  process.stdout.write(`${lastgood.url}\n`);
  await Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
  await lastgood.stop({ services: values["stop-services"] });
  process.exit(0);
}
