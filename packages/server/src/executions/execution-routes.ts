import { z } from "zod";
import type { Configuration } from "../config/config.ts";
import { type Actor, actingAgent } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import type { Json } from "../json/canonical.ts";
import { jsonWithin } from "../json/json-within.ts";
import type { Db } from "../store/database.ts";
import { accountOf, type PinMove } from "./account-store.ts";
import { comparedBytesMax, inputBytesMax } from "./execution.ts";
import type { ExecutionDesk } from "./execution-desk.ts";
import {
  accountQuery,
  accountSchema,
  beginSchema,
  begunSchema,
  detailsSchema,
  endSchema,
  executionId,
  executionSchema,
  ofPin,
  querySchema,
  requeueSchema,
  stepSchema,
  takeSchema,
  toApi,
  toDetails,
} from "./execution-schemas.ts";
import { findExecutions, requireExecution } from "./execution-store.ts";
import { outcomesOf } from "./outcome-store.ts";
import type { RequeueDesk } from "./requeue-desk.ts";

export interface ExecutionRoutesDeps {
  readonly db: Db;
  readonly configuration: Configuration;
  readonly desk: ExecutionDesk;
  readonly requeues: RequeueDesk;
  /** The move that made the epoch, or the last one. Faults `not_found`. */
  moveOf(environment: string, artifact: string, epoch: number | null): Promise<PinMove>;
}

const tags = ["executions"];
const params = z.strictObject({ id: executionId });
const outcomesShown = 100;

export function executionRoutes(app: App, deps: ExecutionRoutesDeps): void {
  readRoutes(app, deps);
  workRoutes(app, deps);
  againRoutes(app, deps);
}

function readRoutes(app: App, { db, moveOf }: ExecutionRoutesDeps): void {
  app.get(
    "/v1/executions",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "Pieces of work by release, begun last first",
        querystring: querySchema,
        response: { 200: z.object({ executions: z.array(executionSchema), more: z.boolean() }) },
      },
    },
    async ({ query: { limit, ...filter } }) => {
      const found = await findExecutions(db, { ...filter, limit: limit + 1 });
      return { executions: found.slice(0, limit).map(toApi), more: found.length > limit };
    },
  );

  app.get(
    "/v1/executions/:id",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "One execution with what it was given, what it made, and what turned out",
        params,
        response: { 200: detailsSchema },
      },
    },
    async ({ params: { id } }) =>
      toDetails(await requireExecution(db, id), await outcomesOf(db, id, outcomesShown)),
  );

  app.get(
    "/v1/environments/:environment/pins/:artifact/account",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "What became of all that were in flight when the pin moved",
        params: ofPin,
        querystring: accountQuery,
        response: { 200: accountSchema },
      },
    },
    async ({ params: { environment, artifact }, query }) => {
      const { epoch, at } = await moveOf(environment, artifact, query.epoch ?? null);
      const account = await accountOf(db, { environment, artifact, epoch, at });
      return { environment, artifact, epoch, at: at.toISOString(), ...account };
    },
  );
}

function workRoutes(app: App, { configuration, desk }: ExecutionRoutesDeps): void {
  app.post(
    "/v1/executions",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "Begin work under a key: which release it runs under, or that it is done already",
        body: beginSchema,
        response: { 200: begunSchema },
      },
    },
    async ({ actor, body }) => {
      const { id = null, session = null, dimensions = null, target, late, ...rest } = body;
      const { go, execution } = await desk.begin(actor, {
        ...{ ...rest, id, session, dimensions, target: target ?? body.key },
        environment: body.environment ?? configuration.current().releases.environment,
        agent: agentOf(actor, body.agent),
        // Only a gateway tells of its requests itself, and its token is a person's.
        door: actor.role === "agent" && body.door === "gateway" ? "http" : body.door,
        input: jsonWithin(body.input, inputBytesMax, "input"),
        late: late === undefined ? null : { ...late, begunAt: new Date(late.begunAt) },
      });
      return { go, execution: toApi(execution) };
    },
  );

  app.post(
    "/v1/executions/:id/step",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "Before its next step: go on, go on under the new pin, or stop and begin again",
        params,
        response: { 200: stepSchema },
      },
    },
    async ({ actor, params: { id } }) => {
      const { go, execution } = await desk.step(actor, id);
      return { go, execution: toApi(execution) };
    },
  );

  app.post(
    "/v1/executions/:id/end",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "It finished or failed; repeating it changes nothing",
        params,
        body: endSchema,
        response: { 200: executionSchema },
      },
    },
    async ({ actor, body: { state, error = null, output, keepOutput, at }, params: { id } }) => {
      const ended = await desk.end(actor, id, {
        ...{ state, error, keepOutput },
        output: within(output, keepOutput ? inputBytesMax : comparedBytesMax, "output"),
        at: at === undefined ? null : new Date(at),
      });
      return toApi(ended);
    },
  );
}

function againRoutes(app: App, { configuration, desk, requeues }: ExecutionRoutesDeps): void {
  app.post(
    "/v1/executions/requeue",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "Queue again what failed under a bad release, each once; agents: their own",
        body: requeueSchema,
        response: { 200: z.object({ requeued: z.number(), keys: z.array(z.string()) }) },
      },
    },
    async ({ actor, body }) => {
      const { environment = configuration.current().releases.environment } = body;
      const keys = await requeues.requeue(actor, {
        ...{ ...body, environment, keys: body.keys ?? null },
      });
      return { requeued: keys.length, keys: keys.slice(0, 1_000) };
    },
  );

  app.post(
    "/v1/executions/take",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "Begin what waits to be done again, under the release that is pinned now",
        body: takeSchema,
        response: { 200: z.object({ executions: z.array(detailsSchema) }) },
      },
    },
    async ({ actor, body }) => {
      const { environment = configuration.current().releases.environment } = body;
      const { artifact, agent = null, session = null, limit } = body;
      const wanted = { environment, artifact, agent, session, limit };
      const taken = await desk.take(actor, wanted);
      return { executions: taken.map((each) => toDetails(each, [])) };
    },
  );
}

function agentOf(actor: Actor, named: string | undefined): string | null {
  if (actor.role !== "agent") return named ?? null;
  return actingAgent(actor, named);
}

function within(value: unknown, bytesMax: number, what: string): Json | undefined {
  return value === undefined ? undefined : jsonWithin(value, bytesMax, what);
}
