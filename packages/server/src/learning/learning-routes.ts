import type { PostMortem } from "@lastgood/sdk";
import { gaps } from "@lastgood/sdk";
import { z } from "zod";
import type { App } from "../http/app.ts";
import type { Db } from "../store/database.ts";
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

const params = z.strictObject({ id: z.string().min(1).max(100) });

export function learningRoutes(app: App, { db }: { readonly db: Db }): void {
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
