import type { Logger } from "pino";
import type { Configuration } from "../config/config.ts";
import type { App } from "../http/app.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { type Pace, startDeliveryLoop } from "./delivery-loop.ts";
import { createPager, type Pager } from "./notifier.ts";
import { notifyRoutes } from "./notify-routes.ts";
import { pagerdutyHook } from "./pagerduty-hook.ts";

export interface NotifyDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly configuration: Configuration;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly pace?: Pace;
}

export interface Notify {
  /** For rooms that call people: in their own transactions. */
  readonly notifier: Pager;
  routes(app: App): void;
  /** Resolves when no delivery is under way any more. */
  stop(): Promise<void>;
}

/** The whole room: its routes, and a loop that delivers until it is stopped. */
export function createNotify(deps: NotifyDeps): Notify {
  const { db, world, log, configuration, environment = process.env } = deps;
  const pager = createPager(configuration, world);
  const loop = startDeliveryLoop({
    ...{ db, world, configuration, pager, log, environment },
    ...(deps.pace && { pace: deps.pace }),
  });
  return {
    notifier: pager,
    routes(app) {
      notifyRoutes(app, { db, world, configuration, pager, wake: loop.wake });
      pagerdutyHook(app, { db, world, configuration, pager, environment, wake: loop.wake });
    },
    stop: loop.stop,
  };
}
