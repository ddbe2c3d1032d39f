import type { Task as ApiTask } from "@lastgood/sdk";
import type { Logger } from "pino";
import type { Configuration } from "../config/config.ts";
import type { App } from "../http/app.ts";
import type { Inboxes } from "../layers/messages/inboxes.ts";
import type { Db, Tx } from "../store/database.ts";
import type { World } from "../world.ts";
import { createTaskDesk } from "./task-desk.ts";
import { startTelling, startTrimming } from "./task-loop.ts";
import { taskRoutes } from "./task-routes.ts";
import { toApi } from "./task-schemas.ts";
import { findOpenFor, freeHeldBy } from "./task-store.ts";

export interface TasksDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly configuration: Configuration;
  readonly inboxes: Inboxes;
}

/** What the rest of the program may do with tasks. */
export interface Tasks {
  routes(app: App): void;
  /** What the session had claimed is free, in the very transaction that ends it. */
  sessionEnded(tx: Tx, session: { readonly id: string; readonly agent: string }): Promise<void>;
  /** What the agent has to do: its own, its roles' and what it worked on last; what changed last first. */
  openFor(
    agent: string,
    roles: readonly string[],
    limit: number,
  ): Promise<{ readonly tasks: readonly ApiTask[]; readonly more: number }>;
  stop(): Promise<void>;
}

export function createTasks(deps: TasksDeps): Tasks {
  const { db, world } = deps;
  const telling = startTelling(deps);
  const trimming = startTrimming(deps);
  const desk = createTaskDesk({ ...deps, toTell: () => telling.wake() });
  return {
    routes: (app) => taskRoutes(app, { db, desk }),
    sessionEnded: (tx, session) => freeHeldBy(tx, session, world.now()),
    async openFor(agent, roles, limit) {
      const { tasks, total } = await findOpenFor(db, agent, roles, limit);
      return { tasks: tasks.map(toApi), more: total - tasks.length };
    },
    async stop() {
      await Promise.all([telling.stop(), trimming.stop()]);
    },
  };
}
