import type { FastifyReply } from "fastify";
import { z } from "zod";
import type { Configuration } from "../../config/config.ts";
import { actingAgent, nameOf } from "../../http/actor.ts";
import type { App } from "../../http/app.ts";
import { inboxesOf, requireConsumable } from "./consumer-rights.ts";
import type { Core } from "./core.ts";
import { fetchMessages } from "./desk.ts";
import type { DeliveryKey } from "./message.ts";
import { deliverySchema, failedSchema, name } from "./messages-schemas.ts";
import { ack, nak, progress, reject, requireDeliveryKey } from "./settle.ts";

const fetchSchema = z.strictObject({
  max: z.number().int().min(1).max(100).default(1),
  waitMs: z.number().int().min(0).max(60_000).default(0),
  session: z.string().min(1).max(200).optional(),
});
const fetchedSchema = z.object({ messages: z.array(deliverySchema) });
const tokenParams = z.strictObject({ token: z.string().min(1).max(1_000) });
const reason = z.string().min(1).max(2_000);

export interface DeliveryRoutesDeps {
  readonly core: Core;
  readonly configuration: Configuration;
}

export function deliveryRoutes(app: App, deps: DeliveryRoutesDeps): void {
  fetchRoutes(app, deps);
  settleRoutes(app, deps);
}

function fetchRoutes(app: App, { core, configuration }: DeliveryRoutesDeps): void {
  app.post(
    "/v1/consumers/:name/fetch",
    {
      config: { allow: "agent" },
      schema: {
        tags: ["messages"],
        summary: "Messages of one consumer; waits for the first up to waitMs",
        params: z.strictObject({ name }),
        body: fetchSchema,
        response: { 200: fetchedSchema },
      },
    },
    async (request, reply) => {
      const { actor, body, params } = request;
      await requireConsumable(core, configuration.current(), actor, params.name);
      const handler = { holder: nameOf(actor), session: body.session ?? null };
      const messages = await fetchMessages(core, [params.name], body, handler, goneOf(reply));
      return { messages: [...messages] };
    },
  );

  app.post(
    "/v1/inboxes/:agent/fetch",
    {
      config: { allow: "agent" },
      schema: {
        tags: ["messages"],
        summary: "Messages of an agent's own inbox and of its roles' inboxes",
        params: z.strictObject({ agent: name }),
        body: fetchSchema,
        response: { 200: fetchedSchema },
      },
    },
    async (request, reply) => {
      const { actor, body } = request;
      const agent = actingAgent(actor, request.params.agent);
      const consumers = await inboxesOf(core, configuration.current(), agent);
      for (const each of consumers) {
        await requireConsumable(core, configuration.current(), actor, each);
      }
      const handler = { holder: agent, session: body.session ?? null };
      const messages = await fetchMessages(core, consumers, body, handler, goneOf(reply));
      return { messages: [...messages] };
    },
  );
}

function settleRoutes(app: App, { core, configuration }: DeliveryRoutesDeps): void {
  const mine = async (actor: Parameters<typeof nameOf>[0], token: string): Promise<DeliveryKey> => {
    const key = requireDeliveryKey(token);
    await requireConsumable(core, configuration.current(), actor, key.consumer);
    return key;
  };

  app.post(
    "/v1/deliveries/:token/ack",
    {
      config: { allow: "agent" },
      schema: {
        tags: ["messages"],
        summary: "The message was handled: its id is recorded; repeating this changes nothing",
        params: tokenParams,
        body: z.strictObject({}),
        response: { 200: z.object({ already: z.boolean() }) },
      },
    },
    async (request) => ack(core, await mine(request.actor, request.params.token)),
  );

  app.post(
    "/v1/deliveries/:token/nak",
    {
      config: { allow: "agent" },
      schema: {
        tags: ["messages"],
        summary: "The handler failed: the message comes again after delayMs, or is a dead letter",
        params: tokenParams,
        body: z.strictObject({ delayMs: z.number().int().min(10).max(900_000).optional(), reason }),
        response: { 200: failedSchema },
      },
    },
    async (request) => nak(core, await mine(request.actor, request.params.token), request.body),
  );

  app.post(
    "/v1/deliveries/:token/progress",
    {
      config: { allow: "agent" },
      schema: {
        tags: ["messages"],
        summary: "The handler is getting on: the deadline moves, at most to maxHandle",
        params: tokenParams,
        body: z.strictObject({}),
        response: { 200: z.object({ deadline: z.string(), renewed: z.boolean() }) },
      },
    },
    async (request) => progress(core, await mine(request.actor, request.params.token)),
  );

  app.post(
    "/v1/deliveries/:token/reject",
    {
      config: { allow: "agent" },
      schema: {
        tags: ["messages"],
        summary: "The message can never be handled: a dead letter at once",
        params: tokenParams,
        body: z.strictObject({
          reason: z.enum(["malformed", "rejected", "misrouted"]),
          detail: reason,
        }),
        response: { 200: failedSchema },
      },
    },
    async (request) => reject(core, await mine(request.actor, request.params.token), request.body),
  );
}

/** Aborts when the asking client is gone, so that nothing is handed out to nobody. */
function goneOf(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  const { raw } = reply;
  raw.once("close", () => {
    if (!raw.writableFinished) gone.abort();
  });
  // It may have left while its token was looked up: that close is over, and is not told again.
  if (raw.destroyed || raw.socket === null || raw.socket.destroyed) gone.abort();
  return gone.signal;
}
