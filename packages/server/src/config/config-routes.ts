import type { ConfigurationReport } from "@lastgood/sdk";
import { z } from "zod";
import { Fault } from "../fault.ts";
import { nameOf } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import { audit } from "../http/audit.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import type { Configuration } from "./config.ts";
import { configJsonSchema } from "./json-schema.ts";
import { redact } from "./redact.ts";

const reportSchema: z.ZodType<ConfigurationReport> = z.object({
  file: z.string().nullable(),
  readAt: z.string().nullable(),
  fromCopy: z.boolean(),
  fault: z.string().nullable(),
  warnings: z.array(z.string()),
  config: z.record(z.string(), z.unknown()),
});

export interface ConfigRoutesDeps {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
}

export function configRoutes(app: App, { db, world, configuration }: ConfigRoutesDeps): void {
  app.get(
    "/v1/configuration",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["configuration"],
        summary: "The configuration in force, without secrets",
        response: { 200: reportSchema },
      },
    },
    async () => report(configuration),
  );

  app.post(
    "/v1/configuration/reload",
    {
      config: { allow: "operator" },
      schema: {
        tags: ["configuration"],
        summary: "Reads lastgood.yaml again; a faulty one leaves the former in force",
        response: { 200: reportSchema },
      },
    },
    async (request) => {
      if (configuration.file === undefined) {
        throw new Fault(
          "state_forbids",
          "This server runs without a lastgood.yaml: write one with `lastgood init`, and start with --config.",
        );
      }
      await configuration.file.reload();
      await audit(db, {
        at: world.now(),
        actor: nameOf(request.actor),
        action: "configuration.reloaded",
        target: configuration.file.status().path,
        outcome: "done",
        because: "",
      });
      return report(configuration);
    },
  );

  app.get("/lastgood.schema.json", { schema: { hide: true } }, async (_, reply) =>
    reply.type("application/schema+json").send(configJsonSchema()),
  );
}

function report(configuration: Configuration): ConfigurationReport {
  const status = configuration.file?.status();
  return {
    file: status?.path ?? null,
    readAt: status?.readAt.toISOString() ?? null,
    fromCopy: status?.fromCopy ?? false,
    fault: status?.fault ?? null,
    warnings: status?.warnings ?? [],
    config: redact(configuration.current()),
  };
}
