import type { Learning, PostMortem } from "@lastgood/sdk";
import { gaps } from "@lastgood/sdk";
import { z } from "zod";
import { nameOf } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import { audit } from "../http/audit.ts";
import { artifact, environment } from "../releases/release-schemas.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import type { ByHand } from "./learn-by-hand.ts";
import { requirePostMortem } from "./learning-store.ts";

const milliseconds = z.number().nullable();
const checkSchema = z.object({
  id: z.string(),
  incident: z.string(),
  service: z.string(),
  command: z.array(z.string()),
  badRevision: z.string(),
  goodRevision: z.string(),
  accepted: z.boolean(),
  because: z.string(),
  runs: z.array(
    z.object({
      revision: z.string(),
      outcome: z.enum(["good", "bad", "cannot-tell"]),
      exitCode: z.number().nullable(),
      startedAt: z.string(),
      tookMs: z.number(),
      output: z.string(),
    }),
  ),
});

/** The shape that the SDK states; a difference between the two does not compile. */
const postMortemSchema: z.ZodType<PostMortem> = z.object({
  incident: z.string(),
  recovery: z.string().nullable(),
  title: z.string(),
  severity: z.string(),
  summary: z.string(),
  impact: z.array(z.string()),
  elapsedMs: z.object({
    changedToDetected: milliseconds,
    detectedToDecided: milliseconds,
    decidedToContained: milliseconds,
    containedToRestored: milliseconds,
    restoredToVerified: milliseconds,
    verifiedToResumed: milliseconds,
  }),
  cause: z
    .object({
      change: z.string(),
      agent: z.string(),
      target: z.string(),
      revision: z.string().nullable(),
      reason: z.string(),
      posterior: z.number(),
      evidence: z.array(z.string()),
    })
    .nullable(),
  losses: z.array(z.string()),
  notCovered: z.array(z.string()),
  timeline: z.array(
    z.object({
      at: z.string(),
      elapsedMs: z.number(),
      actor: z.string(),
      event: z.string(),
      text: z.string(),
    }),
  ),
  check: checkSchema.nullable(),
  gap: z.object({ is: z.enum(gaps), because: z.string() }),
  questions: z.object({
    whyNotCaughtLive: z.string(),
    whyChecksPassed: z.string(),
    wrongIncompleteOrMiscommunicated: z.string(),
  }),
  draft: z.boolean().default(false),
  writtenAt: z.string(),
});

const learningSchema: z.ZodType<Learning> = z.object({
  id: z.string(),
  environment: z.string(),
  artifact: z.string(),
  state: z.enum(["running", "ended"]),
  checks: z.array(checkSchema),
  fault: z.string().nullable(),
});

const params = z.strictObject({ id: z.string().min(1).max(100) });
const waitMsMax = 20_000;

export interface LearningRoutesDeps {
  readonly db: Db;
  readonly world: World;
  readonly byHand: ByHand;
}

export function learningRoutes(app: App, deps: LearningRoutesDeps): void {
  postMortemRoutes(app, deps);
  byHandRoutes(app, deps);
}

function byHandRoutes(app: App, { db, world, byHand }: LearningRoutesDeps): void {
  app.post(
    "/v1/environments/:environment/pins/:artifact/learn",
    {
      config: { allow: "operator" },
      schema: {
        tags: ["learning"],
        summary:
          "Make a check of what failed under the release that was rolled back last; returns at once",
        params: z.strictObject({ environment, artifact }),
        body: z.strictObject({ rollout: z.string().min(1).max(100).optional() }),
        response: { 200: learningSchema },
      },
    },
    async ({ actor, params: dial, body }) => {
      const learning = await byHand.begin({ ...dial, rollout: body.rollout ?? null });
      await audit(db, {
        ...{ at: world.now(), actor: nameOf(actor), action: "check.asked-for", outcome: "done" },
        ...{ target: `${dial.environment}/${dial.artifact}`, because: learning.id },
      });
      return learning;
    },
  );
  app.get(
    "/v1/learning/:id",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["learning"],
        summary: "What was learned from a rollback; waits for its end",
        params,
        querystring: z.strictObject({
          waitMs: z.coerce.number().int().min(0).max(waitMsMax).default(0),
        }),
        response: { 200: learningSchema },
      },
    },
    async ({ params: { id }, query }) => await byHand.follow(id, query.waitMs),
  );
}

function postMortemRoutes(app: App, { db }: Pick<LearningRoutesDeps, "db">): void {
  app.get(
    "/v1/incidents/:id/post-mortem",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["learning"],
        summary: "The post-mortem",
        params,
        response: { 200: postMortemSchema },
      },
    },
    async (request) => (await requirePostMortem(db, request.params.id)).content,
  );
  app.get(
    "/v1/incidents/:id/post-mortem.md",
    {
      config: { allow: "viewer" },
      schema: {
        tags: ["learning"],
        summary: "The post-mortem for people",
        params,
        response: { 200: z.object({ markdown: z.string() }) },
      },
    },
    async (request) => ({ markdown: (await requirePostMortem(db, request.params.id)).markdown }),
  );
}
