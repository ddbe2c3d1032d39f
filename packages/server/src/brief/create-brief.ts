/** The brief room, put together: what a restarted agent must know, in one call. */
import type { App } from "../http/app.ts";
import type { BriefDeps } from "./brief-deps.ts";
import { briefRoutes } from "./brief-routes.ts";

export interface BriefRoom {
  routes(app: App): void;
}

export function createBrief(deps: BriefDeps): BriefRoom {
  return { routes: (app) => briefRoutes(app, deps) };
}
