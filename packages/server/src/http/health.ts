import type { Health } from "@lastgood/sdk";
import { z } from "zod";
import type { Db } from "../store/database.ts";
import type { App } from "./app.ts";

const healthSchema: z.ZodType<Health> = z.object({
  status: z.enum(["ok", "degraded"]),
  version: z.string(),
  revision: z.string().nullable(),
  store: z.object({ reachable: z.boolean(), latencyMs: z.number().nullable() }),
});

export interface HealthDeps {
  readonly db: Db;
  readonly version: string;
  readonly revision: string | null;
}

const askMsMax = 2_000;

/** `GET /health`, for anybody: 200 while PostgreSQL answers within two seconds, 503 otherwise. */
export function healthRoutes(app: App, { db, version, revision }: HealthDeps): void {
  const ask = createAsk(db);
  app.get(
    "/health",
    {
      config: { allow: "public" },
      schema: {
        tags: ["server"],
        summary: "Whether the server works, and what it is",
        security: [],
        response: { 200: healthSchema, 503: healthSchema },
      },
    },
    async (_, reply) => {
      const latencyMs = await ask();
      const reachable = latencyMs !== null;
      return await reply.code(reachable ? 200 : 503).send({
        status: reachable ? "ok" : "degraded",
        version,
        revision,
        store: { reachable, latencyMs },
      });
    },
  );
}

/** How long PostgreSQL took to answer, or null. However many ask at once, it is asked once. */
export function createAsk(db: Db): () => Promise<number | null> {
  let asking: Promise<unknown> | null = null;
  return async () => {
    const began = performance.now();
    asking ??= db`select 1`.then(
      () => {
        asking = null;
        return true;
      },
      () => {
        asking = null;
        return false;
      },
    );
    const answered = await Promise.race([asking, lateFalse()]);
    return answered === true ? Math.round((performance.now() - began) * 10) / 10 : null;
  };
}

function lateFalse(): Promise<false> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(false), askMsMax).unref();
  });
}
