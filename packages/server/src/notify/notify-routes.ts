import type { PageDelivery as ApiDelivery, Page as ApiPage } from "@lastgood/sdk";
import { z } from "zod";
import type { Configuration } from "../config/config.ts";
import { Fault } from "../fault.ts";
import { nameOf } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import { audit } from "../http/audit.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import type { Pager } from "./notifier.ts";
import {
  type Delivery,
  findDeliveries,
  findPages,
  keepSecret,
  replaceSecret,
  retryUndeliverable,
} from "./notify-store.ts";
import type { Page } from "./page.ts";
import { webhookSecret } from "./standard-webhooks.ts";

const deliverySchema: z.ZodType<ApiDelivery> = z.object({
  id: z.string(),
  incident: z.string(),
  kind: z.enum(["trigger", "acknowledge", "resolve", "announce"]),
  person: z.string(),
  channel: z.enum(["pagerduty", "webhook"]),
  state: z.enum(["waiting", "delivered", "undeliverable"]),
  attempts: z.number(),
  because: z.string(),
  createdAt: z.string(),
  settledAt: z.string().nullable(),
});

const pageStates = ["nobody-to-call", "called", "acknowledged", "resolved"] as const;
const pageSchema: z.ZodType<ApiPage> = z.object({
  incident: z.string(),
  severity: z.enum(["critical", "high", "low"]),
  summary: z.string(),
  owner: z.string().nullable(),
  person: z.string().nullable(),
  state: z.enum(pageStates),
  openedAt: z.string(),
  acknowledgedAt: z.string().nullable(),
  acknowledgedBy: z.string().nullable(),
  resolvedAt: z.string().nullable(),
  details: z.record(z.string(), z.unknown()),
  deliveries: z.array(deliverySchema),
});

const id = z.string().min(1).max(200);
const incidentParams = z.strictObject({ incident: id });
const personParams = z.strictObject({ person: id });
const deliveriesPerPage = 100;

export interface NotifyRoutesDeps {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
  readonly pager: Pager;
  /** Called after something was put in the outbox. */
  wake(): void;
}

export function notifyRoutes(app: App, deps: NotifyRoutesDeps): void {
  const { db, world, pager, wake } = deps;

  app.get(
    "/v1/pages",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["pages"],
        summary: "Calls to people, newest first",
        querystring: z.strictObject({
          state: z.enum(pageStates).optional(),
          limit: z.coerce.number().int().min(1).max(200).default(50),
        }),
        response: { 200: z.object({ pages: z.array(pageSchema) }) },
      },
    },
    async (request) => {
      const { state, limit } = request.query;
      const pages = await findPages(db, { ...(state === undefined ? {} : { state }), limit });
      return { pages: await withDeliveries(db, pages) };
    },
  );

  app.get(
    "/v1/pages/:incident",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["pages"],
        summary: "The page of one incident",
        params: incidentParams,
        response: { 200: pageSchema },
      },
    },
    async (request) => await onePage(db, request.params.incident),
  );

  app.post(
    "/v1/pages/:incident/acknowledge",
    {
      config: { allow: "operator" },
      schema: {
        tags: ["pages"],
        summary: "Somebody has it in hand: the call is acknowledged where it was made",
        params: incidentParams,
        body: z.strictObject({}),
        response: { 200: pageSchema },
      },
    },
    async (request) => {
      const { incident } = request.params;
      await db.begin((tx) => pager.acknowledge(tx, incident, nameOf(request.actor), world.now()));
      wake();
      return await onePage(db, incident);
    },
  );

  app.post(
    "/v1/pages/:incident/retry",
    {
      config: { allow: "operator" },
      schema: {
        tags: ["pages"],
        summary: "Tries again what could not be delivered about an incident",
        params: incidentParams,
        body: z.strictObject({}),
        response: { 200: z.object({ retried: z.number() }) },
      },
    },
    async (request) => {
      const retried = await retryUndeliverable(db, request.params.incident);
      wake();
      return { retried };
    },
  );

  app.get(
    "/v1/page-deliveries",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["pages"],
        summary: "The outbox, oldest first",
        querystring: z.strictObject({
          incident: id.optional(),
          state: z.enum(["waiting", "delivered", "undeliverable"]).optional(),
          limit: z.coerce.number().int().min(1).max(1_000).default(100),
        }),
        response: { 200: z.object({ deliveries: z.array(deliverySchema) }) },
      },
    },
    async (request) => {
      const { incident, state, limit } = request.query;
      const found = await findDeliveries(db, {
        ...(incident === undefined ? {} : { incidents: [incident] }),
        ...(state === undefined ? {} : { state }),
        limit,
      });
      return { deliveries: found.map(toApiDelivery) };
    },
  );

  peopleRoutes(app, deps);
}

function peopleRoutes(app: App, { db, world, configuration, pager, wake }: NotifyRoutesDeps): void {
  app.post(
    "/v1/people/:person/rehearse",
    {
      config: { allow: "operator" },
      schema: {
        tags: ["pages"],
        summary: "Calls a person and takes it back at once",
        params: personParams,
        body: z.strictObject({}),
        response: { 200: z.object({ incident: z.string() }) },
      },
    },
    async (request) => {
      requirePerson(configuration, request.params.person);
      const incident = await db.begin((tx) => pager.rehearse(tx, request.params.person));
      wake();
      return { incident };
    },
  );

  const secretSchema = {
    tags: ["pages"],
    params: personParams,
    response: { 200: z.object({ secret: z.string() }) },
  };

  app.get(
    "/v1/people/:person/webhook-secret",
    {
      config: { allow: "admin" },
      schema: { ...secretSchema, summary: "What the person's webhook checks signatures with" },
    },
    async (request) => {
      const { person } = request.params;
      requirePerson(configuration, person);
      return { secret: await keepSecret(db, person, webhookSecret(world.randomBytes(32))) };
    },
  );

  app.post(
    "/v1/people/:person/webhook-secret",
    {
      config: { allow: "admin" },
      schema: {
        ...secretSchema,
        summary: "Signs with a new secret from now on",
        body: z.strictObject({}),
      },
    },
    async (request) => {
      const { person } = request.params;
      requirePerson(configuration, person);
      const secret = webhookSecret(world.randomBytes(32));
      await db.begin(async (tx) => {
        await replaceSecret(tx, person, secret);
        await audit(tx, {
          at: world.now(),
          actor: nameOf(request.actor),
          action: "webhook-secret.replaced",
          target: person,
          outcome: "done",
          because: "",
        });
      });
      return { secret };
    },
  );
}

function requirePerson(configuration: Configuration, person: string): void {
  if (Object.hasOwn(configuration.current().people, person)) return;
  throw new Fault(
    "not_found",
    `Nobody is called ${person}: people are declared under \`people\` in lastgood.yaml.`,
  );
}

async function onePage(db: Db, incident: string): Promise<ApiPage> {
  const [page] = await withDeliveries(db, await findPages(db, { incident, limit: 1 }));
  if (page === undefined) {
    throw new Fault(
      "not_found",
      `The incident ${incident} has no page: list them with \`lastgood pages\`.`,
    );
  }
  return page;
}

async function withDeliveries(db: Db, pages: readonly Page[]): Promise<ApiPage[]> {
  if (pages.length === 0) return [];
  const deliveries = await findDeliveries(db, {
    incidents: pages.map(({ incident }) => incident),
    limit: pages.length * deliveriesPerPage,
  });
  return pages.map((page) => ({
    ...page,
    openedAt: page.openedAt.toISOString(),
    acknowledgedAt: page.acknowledgedAt?.toISOString() ?? null,
    resolvedAt: page.resolvedAt?.toISOString() ?? null,
    deliveries: deliveries.filter(({ incident }) => incident === page.incident).map(toApiDelivery),
  }));
}

function toApiDelivery({ key: _key, body: _body, ...delivery }: Delivery): ApiDelivery {
  return {
    ...delivery,
    createdAt: delivery.createdAt.toISOString(),
    settledAt: delivery.settledAt?.toISOString() ?? null,
  };
}
