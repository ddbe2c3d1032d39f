import type { Brief, BriefRequest } from "@lastgood/sdk";
import { z } from "zod";
import { requireAgent } from "../fleet/agents.ts";
import { type Actor, actingAgent } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import type { BriefDeps } from "./brief-deps.ts";
import { briefSchema, briefTextSchema, sentTreeSchema } from "./brief-schemas.ts";
import { markBriefed } from "./brief-store.ts";
import { gather } from "./gather.ts";
import { maxTokensDefault, toMarkdown } from "./markdown.ts";

const params = z.strictObject({ agent: z.string().min(1).max(100) });
const request = {
  session: z.string().min(1).max(200).optional(),
  workTree: sentTreeSchema.optional(),
};

export function briefRoutes(app: App, deps: BriefDeps): void {
  app.post(
    "/v1/agents/:agent/brief",
    {
      config: { allow: "agent" },
      schema: {
        tags: ["brief"],
        summary: "What a restarted agent must know, rebuilt from records",
        description:
          "`session` asks, and its predecessor is reported on. `workTree` as read on the agent's own machine; without it the server reads what it can reach.",
        params,
        body: z.strictObject(request),
        response: { 200: briefSchema },
      },
    },
    ({ actor, params: { agent }, body }) => deliver(deps, actor, agent, body),
  );

  app.post(
    "/v1/agents/:agent/brief/markdown",
    {
      config: { allow: "agent" },
      schema: {
        tags: ["brief"],
        summary: "The brief for a model's context, within a budget of tokens",
        description: "What did not fit is said, in the text and in `cut`.",
        params,
        body: z.strictObject({
          ...request,
          maxTokens: z.number().int().min(100).max(200_000).default(maxTokensDefault),
        }),
        response: { 200: briefTextSchema },
      },
    },
    async ({ actor, params: { agent }, body: { maxTokens, ...rest } }) =>
      toMarkdown(await deliver(deps, actor, agent, rest), maxTokens),
  );
}

/** The first brief of a session is remembered: from then on it knows what was. */
async function deliver(
  deps: BriefDeps,
  actor: Actor,
  named: string,
  request: BriefRequest,
): Promise<Brief> {
  const agent = actingAgent(actor, named);
  const { db, world, configuration } = deps;
  const isKnown =
    actor.role === "agent" || requireAgent(db, configuration.current(), world.now(), agent);
  const [brief] = await Promise.all([
    gather(deps, agent, request, { mustLive: actor.role === "agent" }),
    isKnown,
  ]);
  if (request.session !== undefined) await markBriefed(db, request.session, world.now());
  return brief;
}
