/** What `lastgood gateway` runs, kept apart so that no other command has to load it. */
import { join } from "node:path";
import type { Connection } from "@lastgood/sdk";
import type { Logger } from "pino";
import { findConfiguration } from "../config/load.ts";
import { Fault } from "../fault.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { startRemoteGateway } from "../gateway/remote-gateway.ts";
import { realWorld } from "../world.ts";

export interface GatewayOptions {
  readonly connection: Connection;
  /** Where it keeps what it needs to start without the server. */
  readonly state: string;
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly environment: string | undefined;
  readonly config: string | undefined;
  readonly log: Logger;
}

export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { connection, state, log, host, port, environment } = options;
  const configuration = await findConfiguration(options.config ?? process.env.LASTGOOD_CONFIG, {
    keepIn: join(state, "configuration"),
    ...{ world: realWorld, log },
  });
  try {
    const { gateway: settings, releases } = configuration.current();
    if (Object.keys(settings.endpoints).length === 0) {
      throw new Fault(
        "bad_configuration",
        "No endpoint of models is declared: name one under gateway.endpoints in lastgood.yaml (--config).",
      );
    }
    const gateway = await startRemoteGateway({
      ...{ connection, home: state, log, host: host ?? settings.host, port: port ?? settings.port },
      environment: environment ?? releases.environment,
      settings: () => configuration.current().gateway,
    });
    return {
      ...gateway,
      async stop() {
        const untold = await gateway.stop();
        await configuration.stop();
        return untold;
      },
    };
  } catch (error) {
    await configuration.stop();
    throw error;
  }
}
