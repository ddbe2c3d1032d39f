import { z } from "zod";
import type { Configuration } from "../../config/config.ts";
import { Fault } from "../../fault.ts";
import { actingAgent } from "../../http/actor.ts";
import type { App } from "../../http/app.ts";
import type { Messages } from "./messages.ts";
import { name, waitingSchema } from "./messages-schemas.ts";

/** Looking into an inbox, which takes nothing out of it. */
export function inboxRoutes(app: App, messages: Messages, configuration: Configuration): void {
  app.get(
    "/v1/inboxes/:agent",
    {
      config: { allow: "agent" },
      schema: {
        tags: ["messages"],
        summary: "What waits for an agent and its roles, oldest first; nothing is taken",
        params: z.strictObject({ agent: name }),
        querystring: z.strictObject({
          limit: z.coerce.number().int().min(1).max(1_000).default(50),
        }),
        response: { 200: z.object({ messages: z.array(waitingSchema), more: z.number() }) },
      },
    },
    async ({ actor, params, query }) => {
      const agent = actingAgent(actor, params.agent);
      const roles = configuration.current().agents[agent]?.roles ?? [];
      const inboxes = await messages.inboxesOf(agent, roles);
      if (inboxes.length === 0) {
        throw new Fault(
          "not_found",
          `${agent} has no inbox: declare it in lastgood.yaml, or see \`lastgood messages consumers\`.`,
        );
      }
      const consumers = inboxes.map((inbox) => inbox.name);
      const { messages: found, more } = await messages.waitingFor(consumers, query.limit);
      return { messages: [...found], more };
    },
  );
}
