/** OFREP's own paths and answers: https://openfeature.dev/specification/appendix-c. */
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { Configuration } from "../config/config.ts";
import type { App } from "../http/app.ts";
import { answerProblem } from "../http/problem.ts";
import type { World } from "../world.ts";
import { type Evaluation, etagOf, evaluate, evaluateAll, isFailure, isKnown } from "./ofrep.ts";
import { createStreams, inactivityDelaySec, type Tickets } from "./ofrep-stream.ts";
import { createRate } from "./rate.ts";
import type { Snapshots } from "./snapshot.ts";

export interface OfrepRoutesDeps {
  readonly world: World;
  readonly configuration: Configuration;
  readonly snapshots: Snapshots;
  readonly tickets: Tickets;
}

const tags = ["ofrep"];
const tokenMsMax = 5_000;
const config = { allow: "viewer", tokenMsMax } as const;
const environmentHeader = "lastgood-environment";

const bodySchema = z.object({ context: z.record(z.string(), z.unknown()).optional() }).nullish();
const querySchema = z.object({ environment: z.string().max(100).optional() });
const metadata = z.record(z.string(), z.union([z.string(), z.number()]));
const successSchema = z.object({
  key: z.string(),
  value: z.unknown(),
  variant: z.string(),
  reason: z.string(),
  metadata,
});
const failureSchema = z.object({
  key: z.string().optional(),
  errorCode: z.string(),
  errorDetails: z.string(),
});
const tooManySchema = z.object({ errorDetails: z.string() });

export function ofrepRoutes(app: App, deps: OfrepRoutesDeps): void {
  evaluationRoutes(app, deps);
  streamRoutes(app, deps);
}

function evaluationRoutes(app: App, deps: OfrepRoutesDeps): void {
  const { world, configuration, snapshots, tickets } = deps;
  const rate = createRate();

  /** Why it has to wait, in the protocol's words; null: it need not. */
  function tooMany(request: FastifyRequest, reply: FastifyReply): string | null {
    const most = configuration.current().releases.ofrepPerSecond;
    const waitSeconds = rate.take(request.actor.token, most, world.now());
    if (waitSeconds === null) return null;
    reply.code(429).header("retry-after", String(waitSeconds));
    return `This token asked for more than ${most} evaluations a second: try again in ${waitSeconds} s.`;
  }
  const environmentOf = (request: FastifyRequest, named: string | undefined) => {
    const header = request.headers[environmentHeader];
    const given = named ?? (typeof header === "string" ? header : undefined);
    return given ?? configuration.current().releases.environment;
  };

  app.post(
    "/ofrep/v1/evaluate/flags/:key",
    {
      ...{ config, errorHandler },
      schema: {
        tags,
        summary: "OFREP: which version of an artifact a targeting key gets",
        params: z.strictObject({ key: z.string().min(1).max(200) }),
        querystring: querySchema,
        body: bodySchema,
        response: {
          200: successSchema,
          400: failureSchema,
          404: failureSchema,
          429: tooManySchema,
        },
      },
    },
    async (request, reply) => {
      const errorDetails = tooMany(request, reply);
      if (errorDetails !== null) return { errorDetails };
      const { key } = request.params;
      const targetingKey = targetingKeyOf(request.body);
      if (targetingKey === undefined) return reply.code(400).send(invalidContext(key));
      const environment = environmentOf(request, request.query.environment);
      const evaluation = evaluate(await snapshots.current(environment), key, targetingKey);
      if (!isFailure(evaluation)) return evaluation;
      return reply.code(evaluation.errorCode === "FLAG_NOT_FOUND" ? 404 : 400).send(evaluation);
    },
  );

  app.post(
    "/ofrep/v1/evaluate/flags",
    {
      ...{ config, errorHandler },
      schema: {
        tags,
        summary: "OFREP: every artifact's version for a targeting key; with ETag and 304",
        querystring: z.looseObject(querySchema.shape),
        body: bodySchema,
        response: {
          200: z.object({
            flags: z.array(z.union([successSchema, failureSchema])),
            eventStreams: z.array(z.unknown()),
            metadata,
          }),
          304: z.null(),
          400: failureSchema,
          429: tooManySchema,
        },
      },
    },
    async (request, reply) => {
      const errorDetails = tooMany(request, reply);
      if (errorDetails !== null) return { errorDetails };
      const targetingKey = targetingKeyOf(request.body);
      if (targetingKey === undefined) return reply.code(400).send(invalidContext(undefined));
      const environment = environmentOf(request, request.query.environment);
      const snapshot = await snapshots.current(environment);
      const flags: readonly Evaluation[] = evaluateAll(snapshot, targetingKey);
      const etag = etagOf(flags);
      reply.header("etag", etag);
      if (isKnown(request.headers["if-none-match"], etag)) return reply.code(304).send(null);
      const requestUri = `/ofrep/v1/streams/${encodeURIComponent(tickets.issue(environment))}`;
      return {
        flags: [...flags],
        eventStreams: [{ type: "sse", endpoint: { requestUri }, inactivityDelaySec }],
        metadata: { environment, epoch: snapshot.epoch },
      };
    },
  );
}

function streamRoutes(app: App, { snapshots, tickets }: OfrepRoutesDeps): void {
  const streams = createStreams(snapshots);
  app.addHook("preClose", async () => streams.stop());
  app.get(
    "/ofrep/v1/streams/:ticket",
    {
      config: { allow: "public" },
      schema: {
        tags,
        summary: "OFREP: tells when to evaluate again; its address is in the bulk evaluation",
        params: z.strictObject({ ticket: z.string().min(1).max(500) }),
        response: { 200: z.unknown() },
      },
    },
    async (request, reply) => {
      const environment = tickets.redeem(request.params.ticket);
      const last = Number(request.headers["last-event-id"] ?? Number.NaN);
      const now = await snapshots.current(environment);
      streams.open(reply, now, Number.isSafeInteger(last) ? last : null);
      return reply;
    },
  );
}

/** What is no request of the protocol is answered in its words, anything else as everywhere. */
async function errorHandler(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  if (error.validation === undefined && error.statusCode !== 400) {
    return await answerProblem(error, request, reply);
  }
  const { key } = (request.params ?? {}) as { readonly key?: string };
  const errorDetails = `The request is not one of OFREP: ${error.message.slice(0, 300)}`;
  const failure = { ...(key === undefined ? {} : { key }), errorCode: "PARSE_ERROR", errorDetails };
  await reply.code(400).serializer(JSON.stringify).send(failure);
}

/** Null where the context has none; undefined where it is of no use. */
function targetingKeyOf(body: z.infer<typeof bodySchema>): string | null | undefined {
  const given = body?.context?.targetingKey;
  if (given === undefined || given === null || given === "") return null;
  return typeof given === "string" && given.length <= 1_000 ? given : undefined;
}

function invalidContext(key: string | undefined) {
  return {
    ...(key === undefined ? {} : { key }),
    errorCode: "INVALID_CONTEXT",
    errorDetails: "targetingKey has to be a text of at most 1,000 characters.",
  };
}
