/** Tokens, and the audit of what was done and denied. */
import type { Audit as ApiAudit, Token as ApiToken, CreatedToken } from "@lastgood/sdk";
import { z } from "zod";
import { parseDuration, parseMoment } from "../duration.ts";
import { Fault } from "../fault.ts";
import type { AgentName } from "../ids.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { nameOf, roles } from "./actor.ts";
import type { App } from "./app.ts";
import { audit, findAudits } from "./audit.ts";
import { drawToken, listTokens, recordToken, revokeToken, type StoredToken } from "./tokens.ts";

const tokenShape = {
  id: z.string(),
  role: z.enum(roles),
  name: z.string(),
  agent: z.string().nullable(),
  createdAt: z.string(),
  expiresAt: z.string().nullable(),
  suspendedBecause: z.string().nullable(),
  revokedAt: z.string().nullable(),
};
const tokenSchema: z.ZodType<ApiToken> = z.object(tokenShape);
const createdSchema: z.ZodType<CreatedToken> = z.object({ ...tokenShape, secret: z.string() });

const auditSchema: z.ZodType<ApiAudit> = z.object({
  id: z.number().int(),
  at: z.string(),
  actor: z.string(),
  action: z.string(),
  target: z.string(),
  outcome: z.enum(["done", "denied"]),
  because: z.string(),
});

const name = z
  .string()
  .regex(
    /^[A-Za-z0-9][\w.@-]{0,99}$/,
    "a name: letters, digits, `.`, `_`, `@` or `-`, at most 100",
  );
const bodySchema = z.strictObject({
  role: z.enum(roles),
  name,
  agent: name.optional(),
  expiresIn: z.string().max(20).optional(),
});
const auditQuerySchema = z.strictObject({
  since: z.string().max(40).optional(),
  until: z.string().max(40).optional(),
  actor: z.string().min(1).max(200).optional(),
  outcome: z.enum(["done", "denied"]).optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});

export interface AccessDeps {
  readonly db: Db;
  readonly world: World;
}

export function accessRoutes(app: App, { db, world }: AccessDeps): void {
  tokenRoutes(app, { db, world });
  app.get(
    "/v1/audits",
    {
      config: { allow: "operator" },
      schema: {
        tags: ["access"],
        summary: "What was done and what was denied, newest first",
        querystring: auditQuerySchema,
        response: { 200: z.object({ audits: z.array(auditSchema), more: z.boolean() }) },
      },
    },
    async (request) => {
      const { since, until, actor, outcome, limit } = request.query;
      const now = world.now();
      const found = await findAudits(db, {
        ...(since === undefined ? {} : { since: parseMoment(since, now, "since") }),
        ...(until === undefined ? {} : { until: parseMoment(until, now, "until") }),
        ...(actor === undefined ? {} : { actor }),
        ...(outcome === undefined ? {} : { outcome }),
        limit: limit + 1,
      });
      const audits = found.slice(0, limit).map((each) => ({ ...each, at: each.at.toISOString() }));
      return { audits, more: found.length > limit };
    },
  );
}

function tokenRoutes(app: App, { db, world }: AccessDeps): void {
  const record = async (actor: string, action: string, target: string, because: string) =>
    await audit(db, { at: world.now(), actor, action, target, outcome: "done", because });

  app.get(
    "/v1/tokens",
    {
      config: { allow: "admin" },
      schema: {
        tags: ["access"],
        summary: "All tokens, without their secrets",
        response: { 200: z.object({ tokens: z.array(tokenSchema) }) },
      },
    },
    async () => ({ tokens: (await listTokens(db)).map(toApi) }),
  );

  app.post(
    "/v1/tokens",
    {
      config: { allow: "admin" },
      schema: {
        tags: ["access"],
        summary: "Makes a token; its text is in this answer and nowhere else",
        body: bodySchema,
        response: { 201: createdSchema },
      },
    },
    async (request, reply) => {
      const { role, name, agent, expiresIn } = request.body;
      requireFitting(role, agent);
      const expiresAt =
        expiresIn === undefined
          ? null
          : new Date(world.now().getTime() + parseDuration(expiresIn, "body/expiresIn"));
      const drawn = drawToken(world, role);
      const token = { role, name, agent: (agent ?? null) as AgentName | null, expiresAt };
      await recordToken(db, world, drawn, token);
      await record(nameOf(request.actor), "token.created", drawn.id, `${role} ${agent ?? name}`);
      const [stored] = await listTokens(db, drawn.id);
      if (stored === undefined) throw new Error(`token ${drawn.id} was recorded and is not there`);
      return await reply.code(201).send({ ...toApi(stored), secret: drawn.text });
    },
  );

  app.post(
    "/v1/tokens/:id/revoke",
    {
      config: { allow: "admin" },
      schema: {
        tags: ["access"],
        summary: "Ends a token for good",
        params: z.strictObject({ id: z.string().regex(/^[0-9a-z]{12}$/, "a token's id") }),
        response: { 200: tokenSchema },
      },
    },
    async (request) => {
      const revoked = await revokeToken(db, world, request.params.id);
      await record(nameOf(request.actor), "token.revoked", revoked.id, revoked.name);
      return toApi(revoked);
    },
  );
}

function requireFitting(role: string, agent: string | undefined): void {
  if ((role === "agent") === (agent !== undefined)) return;
  throw new Fault(
    "bad_input",
    role === "agent"
      ? "A token of the role agent is bound to one agent: name it (`agent`, or --agent)."
      : `A token of the role ${role} belongs to no agent: leave \`agent\` out, or take the role agent.`,
    { context: { path: "body/agent" } },
  );
}

function toApi(token: StoredToken): ApiToken {
  const { created_at, expires_at, suspended_because, revoked_at, ...rest } = token;
  return {
    ...rest,
    createdAt: created_at.toISOString(),
    expiresAt: expires_at?.toISOString() ?? null,
    suspendedBecause: suspended_because,
    revokedAt: revoked_at?.toISOString() ?? null,
  };
}
