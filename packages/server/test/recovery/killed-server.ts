/** The whole server in a process of its own, to be killed: it stands still at the point that it is told. */
import { pino } from "pino";
import { configSchema } from "../../src/config/config.ts";
import { startLastgood } from "../../src/main.ts";

export interface KilledServerOptions {
  readonly home: string;
  readonly folder: string;
  readonly databaseUrl: string;
  readonly config: unknown;
  readonly holdAt: string;
}

const options = JSON.parse(process.argv[2] ?? "") as KilledServerOptions;
const config = configSchema.parse(options.config);

const { url } = await startLastgood({
  home: options.home,
  host: "127.0.0.1",
  port: 0,
  databaseUrl: options.databaseUrl,
  configuration: { base: options.folder, current: () => config },
  log: pino({ level: process.env.LASTGOOD_TEST_LOG ?? "silent" }),
  seams: {
    async reached(_, point) {
      if (point !== options.holdAt) return;
      process.send?.({ point });
      await new Promise(() => {});
    },
  },
});
process.once("disconnect", () => process.exit(1));
process.send?.({ url });
