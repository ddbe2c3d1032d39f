/** The description at `/openapi.json`: made from the routes' own schemas, with what holds for all of them. */
import type { FastifyDynamicSwaggerOptions } from "@fastify/swagger";
import type { RouteOptions } from "fastify";
import { jsonSchemaTransform } from "fastify-type-provider-zod";
import { faults } from "../fault.ts";

const text = "string" as const;
const problem = {
  type: "object" as const,
  description: "Problem details (RFC 9457) with a code to act on.",
  required: ["type", "title", "status", "detail", "code", "retry", "request"],
  properties: {
    type: { type: text, format: "uri" },
    title: { type: text },
    status: { type: "integer" as const },
    detail: { type: text, description: "What happened, to which id, and what to do now." },
    code: { type: text, enum: Object.keys(faults) },
    retry: {
      type: text,
      enum: ["never", "after-replanning", "later"],
      description: "Whether the same request may succeed later.",
    },
    request: { type: text, description: "The log has what led to it under this id." },
    path: { type: text, description: "Where in the request the fault lies." },
  },
};

/** Every operation may answer with a problem: it is added here, so that no route can forget it. */
export function openapiOptions(version: string): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: "3.1.0",
      info: { title: "Lastgood", version },
      components: {
        securitySchemes: { token: { type: "http", scheme: "bearer" } },
        schemas: { Problem: problem },
        responses: {
          Problem: {
            description: "It was not done, and why.",
            content: { "application/problem+json": { schema: reference("schemas") } },
          },
        },
      },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
    transformObject: (document) => {
      if (!("openapiObject" in document)) return document.swaggerObject;
      const { openapiObject } = document;
      for (const operations of Object.values(openapiObject.paths ?? {})) {
        for (const method of ["get", "put", "post", "delete", "patch"] as const) {
          const operation = operations?.[method];
          if (operation === undefined) continue;
          operation.responses = { ...operation.responses, default: reference("responses") };
        }
      }
      return openapiObject;
    },
  };
}

const reference = (kind: "schemas" | "responses") => ({ $ref: `#/components/${kind}/Problem` });

/** Throws where a `/v1` route does not state who may call it, or is missing from the description. */
export function requireDescribed({ method, url, config, schema }: RouteOptions): void {
  if (!url.startsWith("/v1")) return;
  if (config?.allow === undefined) {
    throw new Error(`${String(method)} ${url} does not say who may call it`);
  }
  if (method === "HEAD") return;
  if (schema?.hide === true || !schema?.summary || !schema.tags?.length) {
    throw new Error(`${String(method)} ${url} has no tag and summary for /openapi.json`);
  }
}
