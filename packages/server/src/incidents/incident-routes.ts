import { z } from "zod";
import { parseMoment } from "../duration.ts";
import { nameOf } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import { readFreeze } from "./freeze.ts";
import {
  freezeSchema,
  incidentSchema,
  summaryOf,
  summarySchema,
  toApi,
  toApiFreeze,
  wouldHaveSchema,
} from "./incident-schema.ts";
import { listIncidents, requireIncident, type Stored } from "./incident-store.ts";
import type { ReplaySamples } from "./neighbours.ts";
import {
  closeIncident,
  finishIncident,
  freezeAll,
  handBackIncident,
  type TakeoverDeps,
  takeIncident,
  thawAll,
} from "./takeover.ts";
import { wouldHave } from "./would-have.ts";

export interface IncidentRoutesDeps extends TakeoverDeps {
  readonly replay: ReplaySamples | null;
  wake(): void;
}

const params = z.strictObject({ id: z.string().min(1).max(100) });
const reason = z.string().trim().max(2_000);
const given = z.strictObject({ reason: reason.min(1) });
const maybe = z.strictObject({ reason: reason.default("") });
const tags = ["incidents"];

export function incidentRoutes(app: App, deps: IncidentRoutesDeps): void {
  const { db } = deps;
  app.get(
    "/v1/incidents",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "Incidents, newest first",
        querystring: z.strictObject({
          state: z.enum(["open", "closed", "all"]).default("open"),
          limit: z.coerce.number().int().min(1).max(1_000).default(100),
        }),
        response: { 200: z.object({ incidents: z.array(summarySchema), more: z.boolean() }) },
      },
    },
    async ({ query: { state, limit } }) => {
      const found = await listIncidents(db, { which: state, limit: limit + 1 });
      return { incidents: found.slice(0, limit).map(summaryOf), more: found.length > limit };
    },
  );

  app.get(
    "/v1/incidents/:id",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "One incident with its suspects, their evidence and its timeline",
        params,
        response: { 200: incidentSchema },
      },
    },
    async (request) => await toApi(db, await requireIncident(db, request.params.id)),
  );

  act("take", "Stop automation on it: a person has it", maybe, takeIncident);
  act("done", "It is put right: prove it, replay, resume, write up", given, finishIncident);
  act("hand-back", "Automation goes on with it", maybe, handBackIncident);
  act("close", "Close what needs no recovery, or waive its check", given, closeIncident);

  function act(
    verb: string,
    summary: string,
    body: z.ZodType<{ reason: string }>,
    run: (deps: TakeoverDeps, id: string, by: string, reason: string) => Promise<Stored>,
  ): void {
    app.post(
      `/v1/incidents/:id/${verb}`,
      {
        config: { allow: "operator" },
        schema: { tags, summary, params, body, response: { 200: summarySchema } },
      },
      async (request) => {
        const by = nameOf(request.actor);
        const moved = await run(deps, request.params.id, by, request.body.reason);
        deps.wake();
        return summaryOf(moved);
      },
    );
  }

  app.get(
    "/v1/freeze",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "Whether everything automatic is frozen, by whom and why",
        response: { 200: z.object({ freeze: freezeSchema.nullable() }) },
      },
    },
    async () => {
      const freeze = await readFreeze(db);
      return { freeze: freeze === null ? null : toApiFreeze(freeze) };
    },
  );

  app.post(
    "/v1/freeze",
    {
      config: { allow: "operator" },
      schema: {
        tags,
        summary: "Stop everything automatic at once",
        body: given,
        response: { 200: freezeSchema },
      },
    },
    async ({ actor, body }) => toApiFreeze(await freezeAll(deps, nameOf(actor), body.reason)),
  );

  app.post(
    "/v1/thaw",
    {
      config: { allow: "operator" },
      schema: {
        tags,
        summary: "Let automation go on",
        body: maybe,
        response: { 200: z.object({ was: freezeSchema.nullable() }) },
      },
    },
    async ({ actor, body }) => {
      const was = await thawAll(deps, nameOf(actor), body.reason);
      deps.wake();
      return { was: was === null ? null : toApiFreeze(was) };
    },
  );

  app.get(
    "/v1/would-have",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "Decisions not acted on, against what people did",
        querystring: z.strictObject({ since: z.string().max(40).optional() }),
        response: {
          200: z.object({
            decisions: z.array(wouldHaveSchema),
            notReplayed: z.array(z.string()),
          }),
        },
      },
    },
    async ({ query }) => {
      const now = deps.world.now();
      const replaySince = query.since === undefined ? null : parseMoment(query.since, now, "since");
      const since = replaySince ?? new Date(now.getTime() - recentMs);
      const config = deps.configuration.current();
      const { decisions, notReplayed } = await wouldHave({ ...deps, config }, since, replaySince);
      return { decisions: [...decisions], notReplayed: [...notReplayed] };
    },
  );
}

const recentMs = 90 * 86_400_000;
