import { parseCheckpoint, type RecordedCheckpoint } from "@lastgood/sdk";
import { z } from "zod";
import { parseMoment } from "../duration.ts";
import type { App } from "../http/app.ts";
import type { Db } from "../store/database.ts";
import { countInSession } from "../store/living-session.ts";
import { requireOwnSession } from "../store/own-session.ts";
import type { World } from "../world.ts";
import {
  type Checkpoint,
  findCheckpoints,
  listInSession,
  recordReported,
  repositoryOf,
} from "./checkpoint-store.ts";

const name = z.string().min(1).max(200);
const messageMax = 1_200_000;

export const checkpointSchema = z.object({
  type: z.string().nullable(),
  scope: z.string().nullable(),
  summary: z.string(),
  task: z.string().nullable(),
  subtask: z.object({ n: z.number(), of: z.number() }).nullable(),
  commit: z.string(),
  at: z.string(),
  author: z.string(),
});
const recordedSchema: z.ZodType<RecordedCheckpoint> = checkpointSchema.extend({
  agent: z.string(),
  session: z.string().nullable(),
  repository: z.string().nullable(),
});

const reportSchema = z.strictObject({
  commit: z.string().regex(/^([0-9a-f]{40}|[0-9a-f]{64})$/, "the commit's full id"),
  message: z.string().min(1).max(messageMax),
  repository: z.string().min(1).max(100).optional(),
  author: z.string().min(1).max(400).optional(),
  at: z.string().max(40).optional(),
});

export interface CheckpointRoutesDeps {
  readonly db: Db;
  readonly world: World;
}

export function checkpointRoutes(app: App, { db, world }: CheckpointRoutesDeps): void {
  app.post(
    "/v1/sessions/:id/checkpoints",
    {
      config: { allow: "agent" },
      schema: {
        tags: ["checkpoints"],
        summary: "A commit was made: its message is read for the marks",
        description: "Repeating it changes nothing. `at` is when it was committed.",
        params: z.strictObject({ id: name }),
        body: reportSchema,
        response: { 200: recordedSchema },
      },
    },
    async ({ params: { id }, body, actor }) => {
      const now = world.now();
      const said = body.at === undefined ? now : parseMoment(body.at, now, "at");
      const recorded = await db.begin(async (tx) => {
        const { agent } = await requireOwnSession(
          tx,
          id,
          actor.role === "agent" ? actor.agent : null,
        );
        await listInSession(tx, id, body.commit);
        await countInSession(tx, id, now);
        return await recordReported(tx, {
          ...parseCheckpoint(body.message),
          ...{ agent, commit: body.commit, session: id },
          repository: body.repository ?? (await repositoryOf(tx, id)),
          // What says it is of tomorrow would stand before everything until then.
          at: said > now ? now : said,
          author: body.author ?? agent,
        });
      });
      return toApi(recorded);
    },
  );

  app.get(
    "/v1/checkpoints",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["checkpoints"],
        summary: "Commits as progress markers, newest first",
        querystring: z.strictObject({
          agent: name.optional(),
          task: name.optional(),
          session: name.optional(),
          limit: z.coerce.number().int().min(1).max(1_000).default(100),
        }),
        response: {
          200: z.object({ checkpoints: z.array(recordedSchema), more: z.boolean() }),
        },
      },
    },
    async ({ query: { limit, ...filter } }) => {
      const found = await findCheckpoints(db, { ...filter, limit: limit + 1 });
      return { checkpoints: found.slice(0, limit).map(toApi), more: found.length > limit };
    },
  );
}

export function toApi({ at, ...rest }: Checkpoint): RecordedCheckpoint {
  return { ...rest, at: at.toISOString() };
}
