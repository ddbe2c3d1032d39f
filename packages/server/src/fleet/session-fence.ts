/**
 * Whoever says in whose session it calls (`Lastgood-Session`) is held to it: a session that is over, and one
 * of another agent, may look but not touch. Each such call is a sign of life.
 */

import { Fault } from "../fault.ts";
import { nameOf } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import type { Db } from "../store/database.ts";
import { sessionIsOver } from "../store/living-session.ts";
import type { World } from "../world.ts";
import type { Heartbeats } from "./heartbeats.ts";
import { findFenced, heardAfterEnd } from "./session-store.ts";

export const sessionHeader = "lastgood-session";
const sessionIdMax = 200;

declare module "fastify" {
  interface FastifyRequest {
    /** The living session that calls, where it said so. */
    session: string | null;
  }
}

export interface FenceDeps {
  readonly db: Db;
  readonly world: World;
  readonly heartbeats: Heartbeats;
}

export function fenceSessions(app: App, { db, world, heartbeats }: FenceDeps): void {
  app.decorateRequest("session", null);
  app.addHook("preHandler", async (request, { raw }) => {
    const named = request.headers[sessionHeader];
    if (typeof named !== "string" || request.actor === undefined) return;
    const id = named.slice(0, sessionIdMax);
    const found = await findFenced(db, id);
    if (found === null) {
      throw new Fault("not_found", `There is no session ${id}: open one before you name it.`);
    }
    if (request.actor.role === "agent" && request.actor.agent !== found.agent) {
      throw new Fault(
        "not_yours",
        `The session ${id} is ${found.agent}'s, and this token is ${nameOf(request.actor)}'s.`,
      );
    }
    if (found.over) {
      await heardAfterEnd(db, id, world.now());
      const { config } = request.routeOptions;
      if (request.method === "GET" || config.heardAfterEnd === true) return;
      throw sessionIsOver(id);
    }
    request.session = id;
    heartbeats.heard(id);
    raw.once("close", () => {
      if (!raw.writableFinished) heartbeats.lost(id);
    });
  });
  // It ended while it was calling, and hears so now: whoever is there to hear it has not crashed.
  app.addHook("onError", async ({ session, raw }, _, error) => {
    if (session === null || raw.socket.destroyed || !isFenced(error, session)) return;
    await heardAfterEnd(db, session, world.now());
  });
}

function isFenced(error: unknown, session: string): boolean {
  return error instanceof Fault && error.code === "fenced" && error.context.session === session;
}
