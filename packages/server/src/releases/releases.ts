import type { Logger } from "pino";
import type { Configuration } from "../config/config.ts";
import { carriersOf } from "../config/graph.ts";
import type { App } from "../http/app.ts";
import type { Db, Query } from "../store/database.ts";
import type { World } from "../world.ts";
import { consumerRoutes } from "./consumer-routes.ts";
import { agentsSeenUsing, effectsOf } from "./consumer-store.ts";
import { createConsumers } from "./consumers.ts";
import { fenceEpochs } from "./epoch-fence.ts";
import type { MoveDeps } from "./move-pin.ts";
import { ofrepRoutes } from "./ofrep-routes.ts";
import { openTickets } from "./ofrep-stream.ts";
import { createPinDesk, type PinDesk } from "./pin-desk.ts";
import { type Dials, pinRoutes } from "./pin-routes.ts";
import { createReleaseDesk } from "./release-desk.ts";
import { startRetention } from "./release-loop.ts";
import { releaseRoutes } from "./release-routes.ts";
import { createSnapshots, type Snapshots } from "./snapshot.ts";

export interface ReleasesDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly configuration: Configuration;
}

/** What the rest of the program may do with releases and pins. */
export interface Releases {
  /** Holds writes to the epoch that they say they were resolved under; before any routes. */
  fence(app: App): void;
  routes(app: App, dials: Dials): void;
  readonly desk: PinDesk;
  readonly snapshots: Snapshots;
  /** For whoever moves pins itself, as a recovery does. */
  readonly moving: MoveDeps;
  stop(): Promise<void>;
}

export async function createReleases(deps: ReleasesDeps): Promise<Releases> {
  const { db, world, configuration } = deps;
  const tickets = await openTickets(db, world);
  const snapshots = createSnapshots(deps);
  const consumers = createConsumers(deps);
  const retention = startRetention(deps);
  const moving: MoveDeps = {
    ...{ db, world, moved: snapshots.moved },
    carriersOf(environment, artifact) {
      const config = configuration.current();
      if (environment !== config.releases.environment) return [];
      return carriersOf(config, { layer: "versions", target: artifact });
    },
  };
  const desk = createPinDesk({
    ...moving,
    async agentsUsing(tx: Query, artifact) {
      const declared = Object.entries(configuration.current().agents)
        .filter(([, { uses }]) => uses.includes(artifact))
        .map(([name]) => name);
      return [...new Set([...declared, ...(await agentsSeenUsing(tx, artifact))])];
    },
    effectsOf: (tx, agents) => effectsOf(tx, agents, world.now()),
  });
  const releaseDesk = createReleaseDesk(deps);
  return {
    ...{ desk, snapshots, moving },
    fence: (app) => fenceEpochs(app, deps),
    routes(app, dials) {
      releaseRoutes(app, { db, world, desk: releaseDesk });
      pinRoutes(app, { db, world, configuration, desk, dials });
      consumerRoutes(app, { db, world, configuration, snapshots, consumers });
      ofrepRoutes(app, { world, configuration, snapshots, tickets });
    },
    async stop() {
      await Promise.all([retention.stop(), consumers.stop(), snapshots.stop()]);
    },
  };
}
