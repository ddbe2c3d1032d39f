import type { MessageConsumer, MessageStream } from "@lastgood/sdk";
import { z } from "zod";
import { parseMoment } from "../../duration.ts";
import { Fault } from "../../fault.ts";
import { nameOf } from "../../http/actor.ts";
import type { App } from "../../http/app.ts";
import { consumerDefaults, inboxDefaults, streamDefaults } from "./declared.ts";
import { holdConsumer, releaseConsumer, replay } from "./holds.ts";
import type { Messages } from "./messages.ts";
import {
  because,
  consumerSchema,
  engineSchema,
  name,
  replayedSchema,
  streamSchema,
} from "./messages-schemas.ts";
import { ensureConsumer, ensureStream } from "./registry.ts";

const params = z.strictObject({ name });
const milliseconds = z
  .number()
  .int()
  .min(100)
  .max(90 * 86_400_000);
const subjects = z.array(z.string().min(1).max(255)).max(100);

export function registryRoutes(app: App, messages: Messages): void {
  streamRoutes(app, messages);
  consumerRoutes(app, messages);
  actRoutes(app, messages);
}

function streamRoutes(app: App, messages: Messages): void {
  const { core } = messages;
  app.get(
    "/v1/messages/engine",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["messages"],
        summary: "Which engine carries the messages, and what it cannot do",
        response: { 200: engineSchema },
      },
    },
    async () => messages.engine(),
  );

  app.get(
    "/v1/streams",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["messages"],
        summary: "Streams with their limits and what they hold",
        response: { 200: z.object({ streams: z.array(streamSchema) }) },
      },
    },
    async () => ({ streams: [...(await messages.streams())] }),
  );

  app.get(
    "/v1/streams/:name",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["messages"],
        summary: "One stream",
        params,
        response: { 200: streamSchema },
      },
    },
    async (request) => requireStream(messages, request.params.name),
  );

  app.put(
    "/v1/streams/:name",
    {
      config: { allow: "operator" },
      schema: {
        tags: ["messages"],
        summary: "Adopt the stream of that name, or make it",
        params,
        body: z.strictObject({
          subjects: subjects.min(1),
          keepMs: milliseconds.default(streamDefaults.keepMs),
          maxBytes: z.number().int().min(1).default(streamDefaults.maxBytes),
          maxMessageBytes: z
            .number()
            .int()
            .min(1)
            .max(67_108_864)
            .default(streamDefaults.maxMessageBytes),
          duplicateWindowMs: milliseconds.default(streamDefaults.duplicateWindowMs),
          replicas: z.number().int().min(1).max(5).default(1),
          storage: z.enum(["file", "memory"]).default("file"),
          reviewer: name.nullable().default(null),
        }),
        response: { 200: streamSchema },
      },
    },
    async (request) => {
      await ensureStream(core, request.params.name, request.body);
      return await requireStream(messages, request.params.name);
    },
  );
}

function consumerRoutes(app: App, messages: Messages): void {
  const { core } = messages;
  app.get(
    "/v1/consumers",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["messages"],
        summary: "Durable consumers: what waits, what is in flight, who holds them",
        querystring: z.strictObject({ agent: name.optional(), role: name.optional() }),
        response: { 200: z.object({ consumers: z.array(consumerSchema) }) },
      },
    },
    async (request) => ({ consumers: [...(await messages.consumers(request.query))] }),
  );

  app.get(
    "/v1/consumers/:name",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["messages"],
        summary: "One consumer",
        params,
        response: { 200: consumerSchema },
      },
    },
    async (request) => requireDescribed(messages, request.params.name),
  );

  app.put(
    "/v1/consumers/:name",
    {
      config: { allow: "operator" },
      schema: {
        tags: ["messages"],
        summary: "Adopt the durable consumer of that name, or make it",
        params,
        body: z.strictObject({
          stream: name,
          agent: name.nullable().default(null),
          role: name.nullable().default(null),
          subjects: subjects.default([]),
          ackWaitMs: milliseconds.optional(),
          maxDeliver: z.number().int().min(1).max(100).optional(),
          maxInFlight: z.number().int().min(1).max(10_000).optional(),
          maxHandleMs: milliseconds.optional(),
        }),
        response: { 200: consumerSchema },
      },
    },
    async (request) => {
      const { body } = request;
      if (body.agent !== null && body.role !== null) {
        throw new Fault("bad_input", "A consumer belongs to an agent or to a role, not to both.", {
          context: { path: "role" },
        });
      }
      const inbox = body.agent !== null || body.role !== null;
      const defaults = inbox ? inboxDefaults : consumerDefaults;
      await ensureConsumer(core, request.params.name, {
        ...{ stream: body.stream, agent: body.agent, role: body.role, subjects: body.subjects },
        ackWaitMs: body.ackWaitMs ?? defaults.ackWaitMs,
        maxDeliver: body.maxDeliver ?? defaults.maxDeliver,
        maxInFlight: body.maxInFlight ?? defaults.maxInFlight,
        maxHandleMs: body.maxHandleMs ?? defaults.maxHandleMs,
      });
      return await requireDescribed(messages, request.params.name);
    },
  );
}

function actRoutes(app: App, messages: Messages): void {
  const { core } = messages;
  app.post(
    "/v1/consumers/:name/hold",
    {
      config: { allow: "operator" },
      schema: {
        tags: ["messages"],
        summary: "The consumer delivers nothing until it is released",
        params,
        body: z.strictObject({ because }),
        response: { 200: consumerSchema },
      },
    },
    async (request) => {
      const holding = { by: nameOf(request.actor), because: request.body.because };
      await holdConsumer(core, request.params.name, holding);
      return await requireDescribed(messages, request.params.name);
    },
  );

  app.post(
    "/v1/consumers/:name/release",
    {
      config: { allow: "operator" },
      schema: {
        tags: ["messages"],
        summary: "Ends every hold; what failed meanwhile comes at once",
        params,
        body: z.strictObject({ because }),
        response: { 200: consumerSchema },
      },
    },
    async (request) => {
      const holding = { by: nameOf(request.actor), because: request.body.because };
      await releaseConsumer(core, request.params.name, holding);
      return await requireDescribed(messages, request.params.name);
    },
  );

  app.post(
    "/v1/consumers/:name/replay",
    {
      config: { allow: "operator" },
      schema: {
        tags: ["messages"],
        summary: "Delivers again from a sequence or a time, to this consumer alone",
        params,
        body: z.strictObject({
          fromSeq: z.number().int().min(1).optional(),
          from: z.string().max(40).optional(),
          toSeq: z.number().int().min(1).optional(),
          because,
        }),
        response: { 200: replayedSchema },
      },
    },
    async (request) => {
      const { fromSeq, from, toSeq = null } = request.body;
      if ((fromSeq === undefined) === (from === undefined)) {
        throw new Fault("bad_input", "Say from where: fromSeq, or from (a time or a span).", {
          context: { path: "fromSeq" },
        });
      }
      const start = fromSeq ?? parseMoment(from ?? "", core.world.now(), "from");
      const holding = { by: nameOf(request.actor), because: request.body.because };
      const deadline = AbortSignal.timeout(60_000);
      return await replay(core, request.params.name, { from: start, toSeq }, holding, deadline);
    },
  );
}

async function requireStream(messages: Messages, wanted: string): Promise<MessageStream> {
  const [stream] = await messages.streams(wanted);
  if (stream !== undefined) return stream;
  throw new Fault(
    "not_found",
    `There is no stream ${wanted}: list them with \`lastgood messages streams\`.`,
  );
}

async function requireDescribed(messages: Messages, wanted: string): Promise<MessageConsumer> {
  const [consumer] = await messages.consumers({ name: wanted });
  if (consumer !== undefined) return consumer;
  throw new Fault(
    "not_found",
    `There is no consumer ${wanted}: list them with \`lastgood messages consumers\`.`,
  );
}
