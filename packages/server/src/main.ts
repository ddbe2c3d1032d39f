/**
 * The parts list: the one place that builds adapters and wires rooms together.
 */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Logger, pino } from "pino";
import { type Config, type Configuration, configSchema } from "./config/config.ts";
import { carriersOf, distance } from "./config/graph.ts";
import { Fault } from "./fault.ts";
import { createApp } from "./http/server.ts";
import { ledgerRoutes } from "./ledger/ledger-routes.ts";
import { type Db, openDatabase, requireServerVersion } from "./store/database.ts";
import { type EmbeddedServer, startEmbedded } from "./store/embedded.ts";
import { migrate, readMigrations } from "./store/migrate.ts";
import { realWorld, type World } from "./world.ts";

export interface StartOptions {
  readonly home: string;
  readonly host: string;
  readonly port: number;
  readonly databaseUrl: string | null;
  readonly configuration: Configuration;
  readonly world?: World;
  readonly log?: Logger;
}

export interface Lastgood {
  readonly url: string;
  readonly db: Db;
  stop(): Promise<void>;
}

export async function startLastgood(options: StartOptions): Promise<Lastgood> {
  const { home, configuration } = options;
  const world = options.world ?? realWorld;
  const log = options.log ?? pino();
  await mkdir(home, { recursive: true, mode: 0o700 });
  const embedded: EmbeddedServer | null =
    options.databaseUrl === null ? await startEmbedded({ home: join(home, "postgres") }) : null;
  const db = openDatabase(embedded?.url ?? options.databaseUrl ?? "");
  await requireServerVersion(db);
  await migrate(db, await readMigrations());

  const app = await createApp({ db, world, log, version: await ownVersion() });
  ledgerRoutes(app, {
    db,
    world,
    reaching: (service) => reaching(configuration.current(), service),
  });

  const url = await app.listen({ host: options.host, port: options.port });
  return {
    url,
    db,
    async stop() {
      await app.close();
      await db.end({ timeout: 5 });
      await embedded?.stop();
    },
  };
}

function reaching(config: Config, service: string) {
  if (!(service in config.services)) {
    throw new Fault(
      "not_found",
      `No service ${service} is declared: see \`services\` in lastgood.yaml.`,
    );
  }
  const things = [
    ...Object.keys(config.repositories).map((target) => ({ layer: "code" as const, target })),
    ...Object.keys(config.services).map((target) => ({ layer: "runtime" as const, target })),
  ];
  return things.filter(
    (thing) => carriersOf(config, thing).length > 0 && distance(config, thing, service) !== null,
  );
}

async function ownVersion(): Promise<string> {
  const manifest = await readFile(join(import.meta.dirname, "../package.json"), "utf8");
  return String((JSON.parse(manifest) as { version: unknown }).version);
}

export const emptyConfiguration: Configuration = {
  base: process.cwd(),
  current: () => configSchema.parse({}),
};
