import type { DeadLetter } from "@lastgood/sdk";
import { z } from "zod";
import { parseMoment } from "../../duration.ts";
import { Fault } from "../../fault.ts";
import { type Actor, nameOf } from "../../http/actor.ts";
import type { App } from "../../http/app.ts";
import type { Core } from "./core.ts";
import { type DeadLetterRow, findDeadLetters } from "./dead-letter-store.ts";
import { analyse, discard, readDeadLetter, requeue, reroute } from "./dead-letters.ts";
import {
  analysisSchema,
  because,
  deadLetterContentSchema,
  deadLetterReasons,
  deadLetterSchema,
  deadLetterStates,
  name,
} from "./messages-schemas.ts";
import { requireConsumer } from "./registry.ts";
import { listConsumers } from "./registry-store.ts";

const idParams = z.strictObject({ id: z.string().min(1).max(60) });
const since = z.string().max(40).optional();

export function deadLetterRoutes(app: App, core: Core): void {
  readRoutes(app, core);
  settleRoutes(app, core);
}

function readRoutes(app: App, core: Core): void {
  app.get(
    "/v1/dead-letters",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["messages"],
        summary:
          "Messages that could not be handled, and publishes that were refused, newest first",
        querystring: z.strictObject({
          since,
          consumer: name.optional(),
          stream: name.optional(),
          sender: name.optional(),
          reason: z.enum(deadLetterReasons).optional(),
          state: z.enum(deadLetterStates).optional(),
          limit: z.coerce.number().int().min(1).max(1_000).default(100),
        }),
        response: { 200: z.object({ deadLetters: z.array(deadLetterSchema), more: z.boolean() }) },
      },
    },
    async (request) => {
      const { since: from, consumer, stream, sender, reason, state, limit } = request.query;
      const found = await findDeadLetters(core.db, {
        ...(from === undefined ? {} : { since: parseMoment(from, core.world.now(), "since") }),
        ...(consumer === undefined ? {} : { consumer }),
        ...(stream === undefined ? {} : { stream }),
        ...(sender === undefined ? {} : { sender }),
        ...(reason === undefined ? {} : { reason }),
        ...(state === undefined ? {} : { state }),
        limit: limit + 1,
      });
      return { deadLetters: found.slice(0, limit).map(toApi), more: found.length > limit };
    },
  );

  app.get(
    "/v1/dead-letters/analysis",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["messages"],
        summary: "Dead letters counted by reason, sender, consumer and size",
        querystring: z.strictObject({ since }),
        response: { 200: analysisSchema },
      },
    },
    async (request) =>
      analyse(core, parseMoment(request.query.since ?? "72h", core.world.now(), "since")),
  );

  app.get(
    "/v1/dead-letters/:id",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["messages"],
        summary: "One dead letter with its content",
        params: idParams,
        response: { 200: deadLetterContentSchema },
      },
    },
    async (request) => {
      const found = await readDeadLetter(core, request.params.id);
      const { headers, payload, encoding } = found;
      return { ...toApi(found), headers, payload, encoding };
    },
  );
}

function settleRoutes(app: App, core: Core): void {
  app.post(
    "/v1/dead-letters/:id/requeue",
    {
      config: { allow: "agent" },
      schema: {
        tags: ["messages"],
        summary: "Back to the consumer it died in, under its own id, once",
        params: idParams,
        body: z.strictObject({ because }),
        response: { 200: deadLetterSchema },
      },
    },
    async (request) => {
      const settling = await settlingOf(core, request.actor, request.params.id, request.body);
      return toApi(await requeue(core, request.params.id, settling));
    },
  );

  app.post(
    "/v1/dead-letters/:id/reroute",
    {
      config: { allow: "agent" },
      schema: {
        tags: ["messages"],
        summary: "To the right consumer or inbox, under its own id, once",
        params: idParams,
        body: z.strictObject({
          consumer: name.optional(),
          agent: name.optional(),
          role: name.optional(),
          because,
        }),
        response: { 200: deadLetterSchema },
      },
    },
    async (request) => {
      const settling = await settlingOf(core, request.actor, request.params.id, request.body);
      const destination = await destinationOf(core, request.body);
      return toApi(await reroute(core, request.params.id, destination, settling));
    },
  );

  app.post(
    "/v1/dead-letters/:id/discard",
    {
      config: { allow: "agent" },
      schema: {
        tags: ["messages"],
        summary: "It is not needed any more",
        params: idParams,
        body: z.strictObject({ because }),
        response: { 200: deadLetterSchema },
      },
    },
    async (request) => {
      const settling = await settlingOf(core, request.actor, request.params.id, request.body);
      return toApi(await discard(core, request.params.id, settling));
    },
  );
}

/** Operators settle every dead letter, an agent those of streams that name it as their reviewer. */
async function settlingOf(
  core: Core,
  actor: Actor,
  id: string,
  body: { readonly because: string },
): Promise<{ readonly by: string; readonly because: string }> {
  if (actor.role === "agent") {
    const letter = await readDeadLetter(core, id);
    const stream = letter.stream === null ? null : await core.directory.stream(letter.stream);
    if (stream?.reviewer !== actor.agent) {
      throw new Fault(
        "not_yours",
        `${actor.agent} is not the reviewer of ${letter.stream ?? "refused messages"}: ask an operator to settle ${id}.`,
      );
    }
  }
  return { by: nameOf(actor), because: body.because };
}

async function destinationOf(
  core: Core,
  to: {
    readonly consumer?: string | undefined;
    readonly agent?: string | undefined;
    readonly role?: string | undefined;
  },
): Promise<string> {
  const named = [to.consumer, to.agent, to.role].filter((each) => each !== undefined);
  if (named.length !== 1) {
    throw new Fault("bad_input", "Name one of consumer, agent and role: where it goes.", {
      context: { path: "consumer" },
    });
  }
  if (to.consumer !== undefined) return (await requireConsumer(core, to.consumer)).name;
  const owner = to.agent === undefined ? { role: to.role ?? "" } : { agent: to.agent };
  const [inbox] = await listConsumers(core.db, owner);
  if (inbox !== undefined) return inbox.name;
  const who = "agent" in owner ? `agent ${owner.agent}` : `role ${owner.role}`;
  throw new Fault("not_found", `The ${who} has no inbox: declare it, or name a consumer.`);
}

export function toApi(row: DeadLetterRow): DeadLetter {
  return {
    ...row,
    diedAt: row.diedAt.toISOString(),
    publishedAt: row.publishedAt?.toISOString() ?? null,
    settledAt: row.settledAt?.toISOString() ?? null,
  };
}
