import type { Session as ApiSession, OpenedSession, SessionRecord } from "@lastgood/sdk";
import { z } from "zod";
import { parseMoment } from "../duration.ts";
import { Fault } from "../fault.ts";
import { type Actor, actingAgent } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import type { Heartbeats } from "./heartbeats.ts";
import { toApi } from "./session.ts";
import { findSessions } from "./session-store.ts";
import type { Sessions } from "./sessions.ts";

const exitReasons = [
  "completed",
  "stopped",
  "crashed",
  "evicted",
  "hung",
  "fenced",
  "parked",
] as const;
const doors = ["sdk", "agent-run", "hooks", "mcp", "http"] as const;
const text = z
  .string()
  .max(2_000)
  .regex(/^[^\0]*$/, "without NUL");
const agentName = z.string().regex(/^[A-Za-z0-9][\w.-]{0,99}$/, "letters, digits, `_`, `.`, `-`");
const sessionId = z.strictObject({ id: z.string().min(1).max(200) });

const placeSchema = z.strictObject({
  path: text.min(1),
  repository: z.string().max(100).optional(),
  host: text.optional(),
});
const processSchema = z.strictObject({
  host: text,
  pid: z.number().int().min(2),
  startedAt: z.string().max(100),
});

export const recordSchema: z.ZodType<SessionRecord> = z.object({
  session_id: z.string(),
  agent: z.string(),
  started_at: z.string(),
  ended_at: z.string().nullable(),
  exit_reason: z.enum(exitReasons).nullable(),
  tasks_started: z.array(z.string()),
  tasks_completed: z.array(z.string()),
  commits: z.array(z.string()),
  messages_processed: z.number(),
  token_usage: z.number(),
});

const shape = {
  record: recordSchema,
  epoch: z.number(),
  state: z.enum(["live", "suspect", "ended"]),
  door: z.enum(doors),
  leaseMs: z.number(),
  leaseUntil: z.string().nullable(),
  lastHeardAt: z.string(),
  previous: z.string().nullable(),
  workTree: placeSchema.nullable(),
  detectedAt: z.string().nullable(),
  detail: z.string(),
  tokensOnRecovery: z.number(),
};
const sessionSchema: z.ZodType<ApiSession> = z.object(shape);
const openedSchema: z.ZodType<OpenedSession> = z.object({
  ...shape,
  recovery: z.enum(["full", "fresh"]),
  before: recordSchema.nullable(),
  heartbeatMs: z.number(),
});

export interface SessionRoutesDeps {
  readonly db: Db;
  readonly world: World;
  readonly sessions: Sessions;
  readonly heartbeats: Heartbeats;
}

export function sessionRoutes(app: App, deps: SessionRoutesDeps): void {
  lifeRoutes(app, deps);
  readRoutes(app, deps);
}

function lifeRoutes(app: App, { sessions, heartbeats }: SessionRoutesDeps): void {
  const mine = async (actor: Actor, id: string) => {
    const session = await sessions.require(id);
    actingAgent(actor, session.agent);
    return session;
  };

  app.post(
    "/v1/sessions",
    {
      config: { allow: "agent" },
      schema: {
        tags: ["sessions"],
        summary: "Begins a session; one of the same agent that still lives is fenced",
        body: z.strictObject({
          agent: agentName.optional(),
          door: z.enum(doors).optional(),
          leaseMs: z.number().int().min(1_000).max(600_000).optional(),
          workTree: placeSchema.optional(),
          process: processSchema.optional(),
          effects: z.enum(["replay", "fork"]).optional(),
          because: text.optional(),
        }),
        response: { 200: openedSchema },
      },
    },
    async ({ actor, body }) => {
      const agent = actingAgent(actor, body.agent);
      if (!agentName.safeParse(agent).success) {
        throw new Fault("bad_input", "Name the agent whose session it is.", {
          context: { path: "agent" },
        });
      }
      return await sessions.open(agent, body);
    },
  );

  app.post(
    "/v1/sessions/:id/heartbeat",
    {
      config: { allow: "agent", tokenMsMax: 5_000 },
      schema: {
        tags: ["sessions"],
        summary: "Keeps the session's lease; fenced when it is over",
        params: sessionId,
        body: z.strictObject({
          tokens: z.number().int().min(0).max(1e9).default(0),
          onRecovery: z.number().int().min(0).max(1e9).default(0),
          by: z.enum(["agent", "wrapper"]).optional(),
        }),
        response: { 200: z.object({ leaseUntil: z.string() }) },
      },
    },
    async ({ actor, body, params }) => ({
      leaseUntil: (
        await heartbeats.beat(params.id, actor, { ...body, by: body.by ?? "call" })
      ).toISOString(),
    }),
  );

  app.post(
    "/v1/sessions/:id/end",
    {
      config: { allow: "agent" },
      schema: {
        tags: ["sessions"],
        summary: "Ends the session; what it had claimed is free at once",
        params: sessionId,
        body: z.strictObject({
          reason: z.enum(["completed", "stopped", "crashed", "evicted", "hung"]),
          detail: text.optional(),
        }),
        response: { 200: sessionSchema },
      },
    },
    async ({ actor, body, params }) => {
      const session = await mine(actor, params.id);
      return toApi(await sessions.end(session.id, body));
    },
  );
}

function readRoutes(app: App, { db, world, sessions }: SessionRoutesDeps): void {
  app.get(
    "/v1/sessions",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["sessions"],
        summary: "Sessions, newest first",
        querystring: z.strictObject({
          agent: z.string().max(100).optional(),
          state: z.enum(["live", "ended", "all"]).default("all"),
          since: z.string().max(40).optional(),
          limit: z.coerce.number().int().min(1).max(1_000).default(100),
        }),
        response: { 200: z.object({ sessions: z.array(sessionSchema), more: z.boolean() }) },
      },
    },
    async ({ query: { agent, state, since, limit } }) => {
      const found = await findSessions(db, {
        agent,
        living: state === "all" ? undefined : state === "live",
        since: since === undefined ? undefined : parseMoment(since, world.now(), "since"),
        limit: limit + 1,
      });
      return { sessions: found.slice(0, limit).map(toApi), more: found.length > limit };
    },
  );

  app.get(
    "/v1/sessions/:id",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["sessions"],
        summary: "One session",
        params: sessionId,
        response: { 200: sessionSchema },
      },
    },
    async ({ params }) => toApi(await sessions.require(params.id)),
  );
}
