import type { Agent, FleetStats } from "@lastgood/sdk";
import { z } from "zod";
import type { Configuration } from "../config/config.ts";
import { parseMoment } from "../duration.ts";
import { nameOf } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { listAgents, requireAgent } from "./agents.ts";
import { type Duplicates, readFleetStats } from "./fleet-stats.ts";
import { recordSchema } from "./session-routes.ts";
import type { Sessions } from "./sessions.ts";

const agentSchema: z.ZodType<Agent> = z.object({
  name: z.string(),
  declared: z.boolean(),
  roles: z.array(z.string()),
  owner: z.string().nullable(),
  state: z.enum(["working", "suspect", "idle", "parked", "contained", "never-seen"]),
  epoch: z.number(),
  session: z.string().nullable(),
  last: recordSchema.nullable(),
  deaths: z.number(),
  parked: z.object({ since: z.string(), because: z.string() }).nullable(),
});

const distributionSchema = z.object({
  count: z.number(),
  min: z.number().nullable(),
  p50: z.number().nullable(),
  p95: z.number().nullable(),
  max: z.number().nullable(),
});
const duplicatesSchema = z.object({ messages: z.number(), effects: z.number() });
const statsSchema: z.ZodType<FleetStats> = z.object({
  since: z.string(),
  sessions: z.number(),
  ended: z.partialRecord(
    z.enum(["completed", "stopped", "crashed", "evicted", "hung", "fenced", "parked"]),
    z.number(),
  ),
  restarts: z.number(),
  detectionMs: distributionSchema,
  briefedMs: distributionSchema,
  recoveryMs: distributionSchema,
  duplicatesPrevented: duplicatesSchema,
  tokensOnRecovery: distributionSchema,
  recoveryShare: z.number().nullable(),
});

const agentParams = z.strictObject({ agent: z.string().min(1).max(100) });

export interface AgentRoutesDeps {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
  readonly sessions: Sessions;
  /** Redeliveries that were recognised, effects that were replayed. */
  duplicatesPrevented(since: Date, agent: string | undefined): Promise<Duplicates>;
}

export function agentRoutes(app: App, deps: AgentRoutesDeps): void {
  const { db, world, configuration, sessions } = deps;
  app.get(
    "/v1/agents",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["agents"],
        summary: "Agents, declared or seen, with what they do now",
        response: { 200: z.object({ agents: z.array(agentSchema) }) },
      },
    },
    async () => ({ agents: [...(await listAgents(db, configuration.current(), world.now()))] }),
  );

  app.get(
    "/v1/agents/:agent",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["agents"],
        summary: "One agent",
        params: agentParams,
        response: { 200: agentSchema },
      },
    },
    async ({ params }) =>
      await requireAgent(db, configuration.current(), world.now(), params.agent),
  );

  app.post(
    "/v1/agents/:agent/release",
    {
      config: { allow: "operator" },
      schema: {
        tags: ["agents"],
        summary: "Lets an agent that is parked or contained act again",
        params: agentParams,
        body: z.strictObject({ because: z.string().trim().min(1).max(2_000) }),
        response: { 200: agentSchema },
      },
    },
    async ({ actor, body, params }) => {
      const config = configuration.current();
      await requireAgent(db, config, world.now(), params.agent);
      await sessions.release(params.agent, nameOf(actor), body.because);
      return await requireAgent(db, config, world.now(), params.agent);
    },
  );

  app.get(
    "/v1/fleet/stats",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["agents"],
        summary: "Restarts, detection, recovery and duplicate work, as distributions",
        querystring: z.strictObject({
          since: z.string().max(40).default("24h"),
          agent: z.string().max(100).optional(),
        }),
        response: { 200: statsSchema },
      },
    },
    async ({ query }) => {
      const since = parseMoment(query.since, world.now(), "since");
      const prevented = await deps.duplicatesPrevented(since, query.agent);
      return await readFleetStats(db, since, query.agent, { prevented });
    },
  );
}
