/**
 * Behaves like the command line, but its server carries the mutation that is named first:
 *
 *     node mutated-program.ts --mutation code-half start --home …
 */
import { once } from "node:events";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { pino } from "pino";
import { createProgram } from "../../src/cli/program.ts";
import { openConfiguration } from "../../src/config/load.ts";
import { startLastgood } from "../../src/main.ts";
import { realWorld } from "../../src/world.ts";
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
  const log = pino({}, pino.destination({ dest: 2, sync: true }));
  const keepIn = join(values.home, "configuration");
  const opened = await openConfiguration({ path: values.config, keepIn, world: realWorld, log });
  const mutation = requireMutation(name);
  const configuration = {
    ...opened,
    current: () => mutation.configured?.(opened.current()) ?? opened.current(),
  };
  const lastgood = await startLastgood({
    home: values.home,
    host: "127.0.0.1",
    port: Number(values.port),
    databaseUrl: process.env.DATABASE_URL ?? null,
    ...{ configuration, log },
    seams: mutation.seams?.(configuration) ?? {},
  });
  await mutation.breaks?.(lastgood.db);
  process.stdout.write(`${lastgood.url}\n`);
  await Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
  await lastgood.stop({ services: values["stop-services"] });
  await opened.stop();
  process.exit(0);
}
