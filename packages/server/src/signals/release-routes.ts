import type { JudgedLine, JudgementDetails, Judgement as Shown } from "@lastgood/sdk";
import { z } from "zod";
import { artifactName } from "../config/release-settings.ts";
import { name as environment } from "../config/scalars.ts";
import type { App } from "../http/app.ts";

const verdict = z.enum(["hold", "regression", "drift", "insufficient", "well"]);
const figure = z.number().nullable();
const text = z.string().nullable();
const lineSchema: z.ZodType<JudgedLine> = z.object({
  signal: z.string(),
  dimension: text,
  verdict,
  method: z.enum(["paired", "floor", "late-onset"]),
  evidence: z.number(),
  threshold: z.number(),
  level: z.number(),
  against: z.number(),
  samples: z.number(),
  controlSamples: z.number(),
  pairs: z.number(),
  floor: figure,
  floorFrom: z.string(),
});
const judgementSchema: z.ZodType<Shown> = z.object({
  environment: z.string(),
  artifact: z.string(),
  candidate: z.string(),
  control: text,
  prior: text,
  since: z.string(),
  verdict,
  says: z.string(),
  onset: text,
  controlIsWell: z.boolean().nullable(),
  needsControl: z.boolean(),
  failing: z.array(z.string()),
  lines: z.array(lineSchema),
  unscored: z.number(),
  late: z.number(),
  leftOut: z.array(
    z.object({ signal: z.string(), samples: z.number(), busiest: z.array(z.string()) }),
  ),
});
const detailsSchema: z.ZodType<JudgementDetails> = z.object({
  judgement: judgementSchema.nullable(),
  floors: z.array(
    z.object({
      version: z.string(),
      signal: z.string(),
      dimension: text,
      m: z.number(),
      from: z.string(),
      at: z.string(),
    }),
  ),
  verdicts: z.array(z.object({ version: z.string(), at: z.string(), verdict, says: z.string() })),
  trajectory: z.array(
    z.object({
      at: z.string(),
      signal: z.string(),
      dimension: text,
      verdict,
      samples: z.number(),
      evidence: z.number(),
      threshold: z.number(),
      floor: figure,
      level: figure,
    }),
  ),
});

export interface ReleaseJudgeRoutesDeps {
  judgements(): readonly Shown[];
  judgement(environment: string, artifact: string): Promise<JudgementDetails>;
}

export function releaseJudgeRoutes(app: App, deps: ReleaseJudgeRoutesDeps): void {
  const tags = ["signals"];
  app.get(
    "/v1/judgements",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "Every release that is watched, and what is said of it",
        response: { 200: z.object({ judgements: z.array(judgementSchema) }) },
      },
    },
    async () => ({ judgements: [...deps.judgements()] }),
  );
  app.get(
    "/v1/judgements/:environment/:artifact",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "What an artifact's candidates are held to, with floors, verdicts and evidence",
        params: z.strictObject({ environment, artifact: artifactName }),
        response: { 200: detailsSchema },
      },
    },
    async ({ params }) => await deps.judgement(params.environment, params.artifact),
  );
}
