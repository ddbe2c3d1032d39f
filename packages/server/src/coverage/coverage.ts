/** Doctor: what is protected, what is not, what is stale. */
import { hostname } from "node:os";
import type { Coverage, DrillOutcome, ServiceCoverage } from "@lastgood/sdk";
import type { Logger } from "pino";
import { z } from "zod";
import type { Config } from "../config/config.ts";
import type { App } from "../http/app.ts";
import { startLoop } from "../loop.ts";
import { callOrder } from "../notify/page.ts";
import { newId } from "../world.ts";
import { aliveMs, recordDrill, sayAlive, sayGone } from "./coverage-store.ts";
import type { Facts } from "./facts.ts";
import { findGaps } from "./find.ts";
import { type GatherDeps, gatherFacts } from "./gather.ts";

export interface CoverageDeps extends GatherDeps {
  readonly log: Logger;
}

export interface CoverageRoom {
  routes(app: App): void;
  stop(): Promise<void>;
}

export function createCoverage(deps: CoverageDeps): CoverageRoom {
  const { db, world, log } = deps;
  const server = `${hostname()}:${process.pid}:${newId<string>(world, "up")}`;
  const loop = startLoop({
    name: "alive",
    everyMs: aliveMs / 3,
    log,
    run: () => sayAlive(db, server),
  });
  return {
    routes: (app) => coverageRoutes(app, deps),
    async stop() {
      await loop.stop();
      await sayGone(db, server);
    },
  };
}

const coverageSchema: z.ZodType<Coverage> = z.object({
  at: z.string(),
  services: z.array(
    z.object({
      name: z.string(),
      code: z.string().nullable(),
      runtime: z.string().nullable(),
      probes: z.string().nullable(),
      sandbox: z.string().nullable(),
      owner: z.string().nullable(),
    }),
  ),
  protects: z.array(z.string()),
  findings: z.array(
    z.object({
      kind: z.enum(["broken", "unprotected", "stale", "noted"]),
      code: z.string(),
      about: z.string(),
      says: z.string(),
      mend: z.string(),
    }),
  ),
});

const drillSchema: z.ZodType<DrillOutcome> = z.strictObject({
  drill: z.string().regex(/^[a-z][a-z0-9-]{0,59}$/, "the name of a drill"),
  ok: z.boolean(),
});

function coverageRoutes(app: App, deps: GatherDeps): void {
  app.get(
    "/v1/coverage",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["coverage"],
        summary: "What is protected, what is not, what is stale, and what mends it",
        response: { 200: coverageSchema },
      },
    },
    async () => judge(await gatherFacts(deps)),
  );

  app.post(
    "/v1/coverage/drills",
    {
      config: { allow: "operator" },
      schema: {
        tags: ["coverage"],
        summary: "A drill ended: doctor counts from it",
        body: drillSchema,
        response: { 201: drillSchema },
      },
    },
    async (request, reply) => {
      await recordDrill(deps.db, { ...request.body, at: deps.world.now() });
      return reply.code(201).send(request.body);
    },
  );
}

/** Everything that doctor says of these facts. */
export function judge(facts: Facts): Coverage {
  return {
    at: facts.at.toISOString(),
    services: Object.keys(facts.config.services).map((name) => coverageOf(facts.config, name)),
    protects: whatHolds(facts),
    findings: [...findGaps(facts)],
  };
}

function coverageOf(config: Config, name: string): ServiceCoverage {
  const service = config.services[name];
  const probes = Object.keys(service?.probes ?? {});
  return {
    name,
    code: service?.repository ?? null,
    runtime: service?.runtime?.adapter ?? null,
    probes: probes.length === 0 ? null : probes.join(", "),
    sandbox: service?.sandbox === undefined ? null : service.sandbox.check.join(" "),
    owner: callOrder(config, service?.owner ?? null)[0] ?? null,
  };
}

function whatHolds({ config, repositories, store, backup, drill, messages }: Facts): string[] {
  const says: string[] = [];
  if (repositories.seen) {
    const watched = repositories.value.filter(({ problem }) => problem === null);
    const names = watched.map(({ name }) => name).join(", ");
    if (watched.length > 0) says.push(`commits can be reverted in ${names}`);
  }
  if (store.seen) {
    says.push(
      `PostgreSQL ${store.value.version}, ${store.value.embedded ? "embedded" : "by DATABASE_URL"}`,
    );
  }
  if (messages.seen && messages.value.reachable) {
    says.push(`messages in the ${messages.value.engine} engine can be replayed`);
  }
  const [first] = callOrder(config, null);
  if (first !== undefined) says.push(`${first} can be called`);
  if (backup.seen && backup.value !== null) {
    says.push(`backed up at ${backup.value.toISOString()}`);
  }
  if (drill.seen && drill.value?.ok) {
    says.push(`rehearsed at ${drill.value.at.toISOString()} (${drill.value.drill})`);
  }
  return says;
}
