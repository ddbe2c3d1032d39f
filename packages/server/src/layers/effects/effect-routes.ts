import { z } from "zod";
import type { App } from "../../http/app.ts";
import { jsonWithin } from "../../json/json-within.ts";
import type { Db } from "../../store/database.ts";
import { requestBytesMax, resultBytesMax } from "./effect.ts";
import type { EffectDesk } from "./effect-desk.ts";
import {
  attempt,
  begunSchema,
  effectId,
  effectSchema,
  newEffectSchema,
  querySchema,
  session,
  settleSchema,
  text,
  toApi,
} from "./effect-schemas.ts";
import { findEffects, requireEffect } from "./effect-store.ts";

export interface EffectRoutesDeps {
  readonly db: Db;
  readonly desk: EffectDesk;
}

const tags = ["effects"];
const params = z.strictObject({ id: effectId });
const response = { 200: effectSchema };

export function effectRoutes(app: App, deps: EffectRoutesDeps): void {
  readRoutes(app, deps);
  beginRoutes(app, deps);
  endRoutes(app, deps);
}

function readRoutes(app: App, { db }: EffectRoutesDeps): void {
  app.get(
    "/v1/effects",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "Acts on the outside world, latest first",
        querystring: querySchema,
        response: { 200: z.object({ effects: z.array(effectSchema), more: z.boolean() }) },
      },
    },
    async ({ query: { limit, ...filter } }) => {
      const found = await findEffects(db, { ...filter, limit: limit + 1 });
      return { effects: found.slice(0, limit).map(toApi), more: found.length > limit };
    },
  );

  app.get(
    "/v1/effects/:id",
    { config: { allow: "viewer" }, schema: { tags, summary: "One effect", params, response } },
    async ({ params: { id } }) => toApi(await requireEffect(db, id)),
  );
}

function beginRoutes(app: App, { desk }: EffectRoutesDeps): void {
  app.post(
    "/v1/effects",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "Before an act on the outside world: whether to run it, replay it or look it up",
        body: newEffectSchema,
        response: { 200: begunSchema },
      },
    },
    ({ actor, body: { key, task = null, attempt = null, request, ...asked } }) =>
      desk.begin(
        actor,
        { task, key },
        { ...asked, attempt, request: jsonWithin(request, requestBytesMax, "request") },
      ),
  );

  app.post(
    "/v1/effects/:id/dispatch",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "An effect that was only written down is sent now",
        params,
        body: z.strictObject({ session, attempt }),
        response,
      },
    },
    ({ actor, body: { session, attempt = null }, params: { id } }) =>
      desk.dispatch(actor, id, { session, attempt }),
  );
}

function endRoutes(app: App, { desk }: EffectRoutesDeps): void {
  app.post(
    "/v1/effects/:id/confirm",
    {
      config: { allow: "agent", heardAfterEnd: true },
      schema: {
        tags,
        summary: "It happened; of a session that is over this is kept as evidence, and fenced",
        params,
        body: z.strictObject({ session, result: z.unknown().optional() }),
        response,
      },
    },
    ({ actor, body, params: { id } }) =>
      desk.confirm(actor, id, body.session, jsonWithin(body.result, resultBytesMax, "result")),
  );

  app.post(
    "/v1/effects/:id/fail",
    {
      config: { allow: "agent", heardAfterEnd: true },
      schema: {
        tags,
        summary: "It surely did not happen; of a session that is over this is kept, and fenced",
        params,
        body: z.strictObject({ session, error: text }),
        response,
      },
    },
    ({ actor, body, params: { id } }) => desk.fail(actor, id, body.session, body.error),
  );

  app.post(
    "/v1/effects/:id/doubt",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "Whoever dispatched it cannot tell whether it happened",
        params,
        body: z.strictObject({ session, error: text }),
        response,
      },
    },
    ({ actor, body, params: { id } }) => desk.doubt(actor, id, body.session, body.error),
  );

  app.post(
    "/v1/effects/:id/settle",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "What a look-up or a person found of an effect whose outcome is unknown",
        params,
        body: settleSchema,
        response,
      },
    },
    ({ actor, body: { session = null, result, ...found }, params: { id } }) =>
      desk.settle(actor, id, {
        ...found,
        session,
        result: jsonWithin(result, resultBytesMax, "result"),
      }),
  );
}
