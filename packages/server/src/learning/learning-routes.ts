import { gaps, type Learning, type PostMortem, postMortemQuestions } from "@lastgood/sdk";
import { z } from "zod";
import { nameOf } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import { audit } from "../http/audit.ts";
import { artifact, environment } from "../releases/release-schemas.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import type { ByHand } from "./learn-by-hand.ts";
import { requirePostMortem, say } from "./learning-store.ts";
import { toMarkdown } from "./markdown.ts";

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
  gap: z.object({
    is: z.enum([...gaps, "unnamed"]),
    because: z.string(),
    by: z.string().nullable().default(null),
  }),
  questions: z.record(z.enum(postMortemQuestions), z.string()),
  answeredBy: z.record(z.enum(postMortemQuestions), z.string().nullable()).default({
    ...{ whyNotCaughtLive: null, whyChecksPassed: null },
    wrongIncompleteOrMiscommunicated: null,
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
  sayingRoutes(app, deps);
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
    async (request) => await requirePostMortem(db, request.params.id),
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
    async ({ params: { id } }) => ({ markdown: toMarkdown(await requirePostMortem(db, id)) }),
  );
}

const words = z.string().trim().min(1).max(2_000);

/** What the records do not show: where it got through, and why. */
function sayingRoutes(app: App, { db, world }: LearningRoutesDeps): void {
  app.post(
    "/v1/incidents/:id/gap",
    {
      config: { allow: "operator" },
      schema: {
        tags: ["learning"],
        summary: "Name where the fault got through",
        params,
        body: z.strictObject({ gap: z.enum(gaps), because: words }),
        response: { 200: postMortemSchema },
      },
    },
    async ({ actor, params: { id }, body: { gap, because } }) => {
      const by = nameOf(actor);
      return await say(db, id, [{ kind: "gap", gap, because }], by, world.now());
    },
  );
  app.post(
    "/v1/incidents/:id/answers",
    {
      config: { allow: "operator" },
      schema: {
        tags: ["learning"],
        summary: "Answer questions of the post-mortem",
        params,
        body: z
          .partialRecord(z.enum(postMortemQuestions), words)
          .refine((answers) => Object.keys(answers).length > 0, {
            message: `answer one at least: ${postMortemQuestions.join(", ")}`,
          }),
        response: { 200: postMortemSchema },
      },
    },
    async ({ actor, params: { id }, body }) => {
      const answers = postMortemQuestions.flatMap((question) => {
        const because = body[question];
        return because === undefined ? [] : [{ kind: "answer", question, because } as const];
      });
      return await say(db, id, answers, nameOf(actor), world.now());
    },
  );
}
