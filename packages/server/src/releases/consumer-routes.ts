import type { FastifyReply } from "fastify";
import { z } from "zod";
import type { Configuration } from "../config/config.ts";
import { type Actor, nameOf } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { listConsumers } from "./consumer-store.ts";
import type { Consumers } from "./consumers.ts";
import { createLines } from "./pin-line.ts";
import { createNewsTexts } from "./pin-news.ts";
import { requireEpoch } from "./pin-store.ts";
import {
  consumerId,
  consumersSchema,
  consumerToApi,
  environment,
  newsSchema,
  pollSchema,
} from "./release-schemas.ts";
import type { Snapshots } from "./snapshot.ts";

export interface ConsumerRoutesDeps {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
  readonly snapshots: Snapshots;
  readonly consumers: Consumers;
}

const tags = ["pins"];
const params = z.strictObject({ environment, id: consumerId });
const shown = 1_000;
/** A poll moves nothing but its own acknowledgement: what was known of its token a moment ago will do. */
const tokenMsMax = 5_000;

export function consumerRoutes(app: App, deps: ConsumerRoutesDeps): void {
  pollRoutes(app, deps);
  app.get(
    "/v1/environments/:environment/consumers",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "Who resolves releases here, the longest silent first",
        params: z.strictObject({ environment }),
        response: { 200: consumersSchema },
      },
    },
    async ({ params: { environment } }) => {
      const found = await listConsumers(deps.db, environment, shown + 1);
      const now = deps.world.now();
      const consumers = found.slice(0, shown).map((each) => consumerToApi(each, now));
      return { consumers, more: found.length > shown };
    },
  );
}

function pollRoutes(app: App, deps: ConsumerRoutesDeps): void {
  const { db, configuration, snapshots, consumers } = deps;
  const textOf = createNewsTexts();
  const lines = createLines(db);
  /** Another server may have moved a pin, and told of it, before this one has looked. */
  const reached = async (environment: string, epoch: number) => {
    const known = await snapshots.current(environment);
    if (epoch <= known.epoch) return known;
    await snapshots.moved(environment);
    return await snapshots.current(environment);
  };
  app.addHook("preClose", async () => snapshots.endWaits());
  app.post(
    "/v1/environments/:environment/consumers/:id/poll",
    {
      config: { allow: "viewer", tokenMsMax },
      schema: {
        tags,
        summary: "Say which epoch a consumer follows, and wait for what is newer",
        params,
        body: pollSchema,
        response: { 200: newsSchema },
      },
    },
    async ({ actor, body, params: { environment, id } }, reply) => {
      const { epoch, line, waitMs } = body;
      const artifacts = body.artifacts === undefined ? null : [...new Set(body.artifacts)].sort();
      // The environment of this file is waited in before anything is pinned; a name that nobody knows is not.
      if (environment !== configuration.current().releases.environment) {
        if ((await snapshots.current(environment)).epoch === 0) await requireEpoch(db, environment);
      }
      const followed = await lines.followed(await reached(environment, epoch), { epoch, line });
      await consumers.heard({ environment, id, artifacts, epoch: followed, ...ofActor(actor) });
      // What is followed of another line is wrong already: it does not wait.
      const wait = { ms: followed === epoch ? waitMs : 0, signal: goneOf(reply) };
      const snapshot = await snapshots.newerThan(environment, epoch, wait);
      const since = await lines.followed(snapshot, { epoch: followed, line });
      const text = textOf(snapshot, since, artifacts);
      // One text for all that ask the same, in place of one check and one text for each.
      reply.serializer(() => text);
      return { environment, epoch: snapshot.epoch, line: snapshot.line, full: false, pins: [] };
    },
  );

  app.post(
    "/v1/environments/:environment/consumers/:id/leave",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "A consumer resolves nothing any more",
        params,
        response: { 200: z.object({ left: z.literal(true) }) },
      },
    },
    async ({ actor, params: { environment, id } }) => {
      await consumers.left({ environment, id, who: nameOf(actor) });
      return { left: true as const };
    },
  );
}

function ofActor(actor: Actor): { readonly who: string; readonly agent: string | null } {
  return { who: nameOf(actor), agent: actor.role === "agent" ? actor.agent : null };
}

/** Aborts when the connection closes before an answer was sent. */
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
