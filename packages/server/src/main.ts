/**
 * The parts list: the one place that builds adapters and wires rooms together.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Logger, pino } from "pino";
import { type Closing, createClosing } from "./closing.ts";
import { type Config, type Configuration, configSchema } from "./config/config.ts";
import { configRoutes } from "./config/config-routes.ts";
import { carriersOf, distance } from "./config/graph.ts";
import { Fault } from "./fault.ts";
import { createApp } from "./http/server.ts";
import { barsRoutes } from "./layers/code/bars-routes.ts";
import { createCode } from "./layers/code/code.ts";
import { codeRoutes } from "./layers/code/code-routes.ts";
import { createMessages } from "./layers/messages/messages.ts";
import { messagesRoutes } from "./layers/messages/messages-routes.ts";
import { createRuntime } from "./layers/runtime/create-runtime.ts";
import { createState } from "./layers/state/state.ts";
import { ledgerRoutes } from "./ledger/ledger-routes.ts";
import { createNotify } from "./notify/create-notify.ts";
import { createSandboxes } from "./sandbox/sandboxes.ts";
import { createSignals } from "./signals/signals.ts";
import type { Db } from "./store/database.ts";
import { openStore } from "./store/store.ts";
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
  /** Services that Lastgood serves go on without it, unless they are to be stopped as well. */
  stop(options?: { readonly services?: boolean }): Promise<void>;
}

export async function startLastgood(options: StartOptions): Promise<Lastgood> {
  const closing = createClosing();
  try {
    return await assemble(options, closing);
  } catch (error) {
    await closing.close();
    throw error;
  }
}

/** What is opened here is handed to `closing` at once, and closed in the reverse order. */
async function assemble(options: StartOptions, closing: Closing): Promise<Lastgood> {
  const { home, databaseUrl, configuration } = options;
  const world = options.world ?? realWorld;
  const log = options.log ?? pino();
  const store = await openStore({ home, databaseUrl, log });
  closing.add(() => store.close());
  const { db } = store;

  const signals = await createSignals({ db, world, log, configuration });
  closing.add(() => signals.stop());

  const messages = await createMessages({ db, world, log, configuration });
  closing.add(() => messages.stop());

  const code = await createCode({ db, world, log, home, configuration });
  closing.add(() => code.stop());

  const state = createState({ db, world, configuration });

  const notify = createNotify({ db, world, log, configuration });
  closing.add(() => notify.stop());

  const sandboxes = createSandboxes({
    world,
    configuration,
    mirrors: code.mirrors,
    adminUrl: store.embedded?.url ?? databaseUrl ?? "",
    folder: join(home, "sandboxes"),
    environment: process.env,
  });
  closing.add(() => sandboxes.close());
  await sandboxes.sweep();

  const runtime = createRuntime({
    ...{ db, world, log, home, configuration },
    mirrors: code.mirrors,
    tips: code.watch,
    mayDeploy: code.admit,
    environment: process.env,
  });
  runtime.onRunning(({ service, at, ok }) =>
    signals.ingest([
      {
        ...{ service, signal: "running", at: at.getTime(), ok, hard: ok ? null : "exit" },
        ...{ value: null, key: null, dimensions: null },
      },
    ]),
  );
  const deploying = runtime.start();
  closing.add(() => deploying.stop());

  const app = await createApp({ db, world, log, version: await ownVersion() });
  configRoutes(app, { db, world, configuration });
  ledgerRoutes(app, {
    db,
    world,
    reaching: (service) => reaching(configuration.current(), service),
  });

  signals.routes(app);
  notify.routes(app);
  runtime.routes(app);
  state.routes(app);
  codeRoutes(app, { db, world, code });
  messagesRoutes(app, messages, configuration);
  barsRoutes(app, { db, world });
  closing.add(() => app.close());
  const url = await app.listen({ host: options.host, port: options.port });
  return {
    url,
    db,
    async stop({ services = false } = {}) {
      await closing.close();
      if (services) await runtime.stopServices();
    },
  };
}

function reaching(config: Config, service: string) {
  if (!Object.hasOwn(config.services, service)) {
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
