/**
 * The HTTP door. Every `/v1` route states the least role that may call it and describes itself; one that does
 * not fails the start (deny by default), and every denial is audited.
 */
import swagger from "@fastify/swagger";
import fastify, { type FastifyBaseLogger, LogController } from "fastify";
import {
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from "fastify-type-provider-zod";
import type { Logger } from "pino";
import { Fault } from "../fault.ts";
import type { Db } from "../store/database.ts";
import { newId, type World } from "../world.ts";
import { accessRoutes } from "./access-routes.ts";
import { type Actor, mayCall, nameOf } from "./actor.ts";
import type { App } from "./app.ts";
import { createDenials } from "./audit.ts";
import { requireKeepable } from "./depth.ts";
import { healthRoutes } from "./health.ts";
import type { Metrics } from "./metrics.ts";
import { openapiOptions, requireDescribed } from "./openapi.ts";
import { answerProblem } from "./problem.ts";
import { createTokenDoor } from "./token-door.ts";

export const bodyBytesMax = 1_310_720;

export interface ServerDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  readonly version: string;
  readonly revision?: string | null;
  /** Without them there is no `/metrics`. */
  readonly metrics?: Metrics;
}

/** The door with what every server has: authentication, limits, health, metrics, tokens, audits. */
export async function createApp(deps: ServerDeps): Promise<App> {
  const { db, world, log, version } = deps;
  const logger: FastifyBaseLogger = log;
  const deny = createDenials(db, world);
  const door = createTokenDoor(db, world);
  const app: App = fastify({
    loggerInstance: logger,
    bodyLimit: bodyBytesMax,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => newId<string>(world, "req"),
    routerOptions: { maxParamLength: 1_000 },
    frameworkErrors: answerProblem,
    requestTimeout: 120_000,
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler(answerProblem);
  app.setNotFoundHandler((request) => {
    throw new Fault(
      "not_found",
      `There is no ${request.method} ${request.url.slice(0, 200)}: see /openapi.json.`,
    );
  });
  await app.register(swagger, openapiOptions(version));
  app.addHook("onRoute", requireDescribed);
  app.addHook("onRequest", async (request) => {
    const { allow, tokenMsMax = 0 } = request.routeOptions.config;
    if (allow === undefined || allow === "public") return;
    const header = request.headers.authorization ?? "";
    let known: Actor | null = null;
    try {
      known = await door.authenticate(header.replace(/^Bearer /i, ""), tokenMsMax);
      request.actor = known;
      if (!mayCall(request.actor, allow)) {
        throw new Fault(
          "forbidden",
          `The token "${request.actor.name}" is a ${request.actor.role}'s; this needs the role ${allow} or more.`,
        );
      }
    } catch (error) {
      if (error instanceof Fault) {
        await deny({
          actor: known === null ? "unknown" : nameOf(known),
          action: `${request.method} ${request.routeOptions.url}`,
          target: request.url.slice(0, 500),
          because: error.code,
        });
      }
      throw error;
    }
  });
  app.addHook("preValidation", async (request) => requireKeepable(request.body));
  app.get("/openapi.json", { schema: { hide: true } }, async () => app.swagger());
  app.addHook("onResponse", async (request, reply) => {
    const { statusCode, elapsedTime } = reply;
    // What went well and quickly is for debugging: agents call many times a second.
    const level =
      statusCode >= 500 ? "error" : statusCode >= 400 || elapsedTime > 1_000 ? "info" : "debug";
    request.log[level](
      {
        method: request.method,
        route: request.routeOptions.url,
        status: statusCode,
        milliseconds: Math.round(elapsedTime),
        actor: request.actor === undefined ? null : nameOf(request.actor),
      },
      "answered",
    );
  });
  deps.metrics?.routes(app);
  healthRoutes(app, { db, version, revision: deps.revision ?? null });
  accessRoutes(app, deps);
  return app;
}
