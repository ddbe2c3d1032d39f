import { join, resolve } from "node:path";
import type { Configuration } from "../config/config.ts";
import type { App } from "../http/app.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { type Bank, createBank } from "./bank.ts";
import { checksRoutes } from "./checks-routes.ts";
import { createEvaluators, type Evaluators } from "./evaluators.ts";

export interface ChecksDeps {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
  readonly home: string;
  /** Lastgood's own, of which evaluators get PATH and the keys that they name. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Checks {
  readonly bank: Bank;
  readonly evaluators: Evaluators;
  routes(app: App): void;
  stop(): Promise<void>;
}

export function createChecks({ db, world, configuration, home, environment }: ChecksDeps): Checks {
  const { base } = configuration;
  const folder = () => resolve(base, configuration.current().bank);
  const bank = createBank({ folder, home: join(home, "bank") });
  const evaluators = createEvaluators({ base, environment });
  return {
    ...{ bank, evaluators },
    routes: (app) => checksRoutes(app, { db, world, bank }),
    stop: () => evaluators.stop(),
  };
}
