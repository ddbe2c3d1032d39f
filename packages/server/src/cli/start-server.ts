/** What `lastgood start` runs, kept apart so that no other command has to load it. */
import { join } from "node:path";
import type { Logger } from "pino";
import { findConfiguration } from "../config/load.ts";
import { type Lastgood, startLastgood } from "../main.ts";
import { realWorld } from "../world.ts";

export interface ServerOptions {
  readonly home: string;
  readonly host: string;
  readonly port: number;
  readonly databaseUrl: string | null;
  readonly config?: string;
  readonly stopServices?: boolean;
  readonly log: Logger;
}

export interface StartedServer {
  readonly lastgood: Lastgood;
  stop(): Promise<void>;
  /** Reads lastgood.yaml again. A faulty one is kept out, logged, and told by `lastgood doctor`. */
  reload(): Promise<void>;
}

export async function startServer(options: ServerOptions): Promise<StartedServer> {
  const { home, host, port, databaseUrl, log } = options;
  const configuration = await findConfiguration(options.config ?? process.env.LASTGOOD_CONFIG, {
    keepIn: join(home, "configuration"),
    world: realWorld,
    log,
  });
  try {
    const lastgood = await startLastgood({ home, host, port, databaseUrl, configuration, log });
    return {
      lastgood,
      async stop() {
        await configuration.stop();
        await lastgood.stop({ services: options.stopServices === true });
      },
      async reload() {
        await configuration.file?.reload().catch((err: unknown) => log.error({ err }));
      },
    };
  } catch (error) {
    await configuration.stop();
    throw error;
  }
}
