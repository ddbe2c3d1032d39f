/**
 * Whoever says in whose session it calls (`Lastgood-Session`) is held to it: a session that is over, and one
 * of another agent, may look but not touch. Each such call is a sign of life.
 */

import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
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
      const { config } = request.routeOptions;
      if (request.method !== "GET" && config.heardAfterEnd !== true) throw sessionIsOver(id);
      await heardAfterEnd(db, id, world.now());
      return;
    }
    request.session = id;
    heartbeats.heard(id);
    raw.once("close", () => {
      if (!raw.writableFinished) heartbeats.lost(id);
    });
  });
  // Whoever is there to hear that the session is over has not crashed; what it sent before it was killed may
  // arrive after its end all the same.
  app.addHook("onError", async ({ raw }, _, error) => {
    const session = fencedSession(error);
    if (session !== null && (await isThere(raw.socket))) {
      await heardAfterEnd(db, session, world.now());
    }
  });
}

/** The session that the fault says is over. */
function fencedSession(error: unknown): string | null {
  if (!(error instanceof Fault) || error.code !== "fenced") return null;
  const { session } = error.context;
  return typeof session === "string" ? session : null;
}

/** Looked at after what arrived together with the request: the end of a connection comes behind its data. */
async function isThere(socket: Socket): Promise<boolean> {
  await nextTurn();
  return !socket.destroyed && !socket.readableEnded;
}
