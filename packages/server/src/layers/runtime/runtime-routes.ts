import type { DeployResult, Service, ServiceDetails } from "@lastgood/sdk";
import { z } from "zod";
import { nameOf } from "../../http/actor.ts";
import type { App } from "../../http/app.ts";
import type { Services } from "./services.ts";

const serviceShape = {
  name: z.string(),
  adapter: z.enum(["process", "command", "none"]),
  repository: z.string().nullable(),
  state: z.enum(["serving", "restarting", "not-serving", "stopped", "unreadable"]),
  because: z.string().nullable(),
  revision: z.string().nullable(),
  since: z.string().nullable(),
  pid: z.number().nullable(),
  restarts: z.number(),
  port: z.number().nullable(),
  deploy: z.string().nullable(),
  tip: z.string().nullable(),
  pinned: z
    .object({
      by: z.string(),
      until: z.enum(["recovered", "person"]),
      because: z.string(),
      at: z.string(),
    })
    .nullable(),
  failure: z
    .object({
      revision: z.string(),
      at: z.string(),
      attempts: z.number(),
      because: z.string(),
    })
    .nullable(),
  held: z.object({ revision: z.string(), because: z.string(), at: z.string() }).nullable(),
};

const serviceSchema: z.ZodType<Service> = z.object(serviceShape);

const detailsSchema: z.ZodType<ServiceDetails> = z.object({
  ...serviceShape,
  unhealthy: z.string().nullable(),
  drift: z.array(z.string()).nullable(),
  events: z.array(
    z.object({
      at: z.string(),
      event: z.string(),
      text: z.string(),
      details: z.record(z.string(), z.unknown()),
    }),
  ),
});

const resultSchema: z.ZodType<DeployResult> = z.object({
  revision: z.string(),
  already: z.boolean(),
  since: z.string(),
});

const params = z.strictObject({ name: z.string().min(1).max(100) });

const deploySchema = z.strictObject({
  revision: z
    .string()
    .regex(/^([0-9a-f]{40}|[0-9a-f]{64})$/, "the full id of a commit")
    .optional(),
  reason: z.string().min(1).max(1_000).optional(),
  override: z.boolean().default(false),
});

export function runtimeRoutes(app: App, services: Services): void {
  app.get(
    "/v1/services",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["runtime"],
        summary: "Every declared service, as it runs now",
        response: { 200: z.object({ services: z.array(serviceSchema) }) },
      },
    },
    async () => ({ services: [...(await services.list())] }),
  );

  app.get(
    "/v1/services/:name",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["runtime"],
        summary: "One service: its health, drift and what happened to it",
        params,
        response: { 200: detailsSchema },
      },
    },
    async (request) => await services.show(request.params.name),
  );

  app.post(
    "/v1/services/:name/deploy",
    {
      config: { allow: "operator" },
      schema: {
        tags: ["runtime"],
        summary: "Serves a revision, the branch's tip by default; answers when it does",
        params,
        body: deploySchema,
        response: { 200: resultSchema },
      },
    },
    async (request) => {
      const { revision, reason, override } = request.body;
      return await services.deploy(request.params.name, {
        revision: revision ?? null,
        reason: reason ?? null,
        override,
        actor: nameOf(request.actor),
      });
    },
  );

  app.post(
    "/v1/services/:name/stop",
    {
      config: { allow: "operator" },
      schema: {
        tags: ["runtime"],
        summary: "Ends its instances until it is deployed again",
        params,
        response: { 200: z.object({ stopped: z.boolean() }) },
      },
    },
    async (request) => ({ stopped: await services.stop(request.params.name) }),
  );

  app.get(
    "/v1/services/:name/logs",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["runtime"],
        summary: "The last of what its instances wrote",
        params,
        querystring: z.strictObject({
          bytes: z.coerce.number().int().min(1).max(1_048_576).default(65_536),
        }),
        response: { 200: z.object({ text: z.string() }) },
      },
    },
    async (request) => ({ text: await services.logs(request.params.name, request.query.bytes) }),
  );
}
