/** The fleet room, put together. */

import type { Registry } from "prom-client";
import type { App } from "../http/app.ts";
import type { Loop } from "../loop.ts";
import { type AgentRoutesDeps, agentRoutes } from "./agent-routes.ts";
import { startDeathLoop } from "./death-loop.ts";
import { measureFleet } from "./fleet-stats.ts";
import { createHeartbeats } from "./heartbeats.ts";
import { fenceSessions } from "./session-fence.ts";
import { sessionRoutes } from "./session-routes.ts";
import { createSessions, type Sessions, type SessionsDeps } from "./sessions.ts";

export interface FleetDeps extends SessionsDeps, Pick<AgentRoutesDeps, "duplicatesPrevented"> {
  readonly registry: Registry;
}

export interface Fleet {
  readonly sessions: Sessions;
  /** Before any other route: holds whoever names a session to it. */
  fence(app: App): void;
  routes(app: App): void;
  /** Once all that it calls is there: looks for the dead from now on. */
  start(): void;
  stop(): Promise<void>;
}

export function createFleet(deps: FleetDeps): Fleet {
  const heartbeats = createHeartbeats(deps);
  const measured = measureFleet(deps.registry, deps.db);
  const sessions = createSessions({
    ...deps,
    counted(session) {
      heartbeats.over(session.id);
      measured.ended(session);
    },
  });
  let dying: Loop | null = null;
  return {
    sessions,
    fence: (app) => fenceSessions(app, { ...deps, heartbeats }),
    routes(app) {
      sessionRoutes(app, { ...deps, sessions, heartbeats });
      agentRoutes(app, { ...deps, sessions });
    },
    start() {
      dying ??= startDeathLoop({ ...deps, sessions });
    },
    async stop() {
      await dying?.stop();
      await heartbeats.stop();
    },
  };
}
