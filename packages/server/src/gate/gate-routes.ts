import { setTimeout as pause } from "node:timers/promises";
import type { GateRun } from "@lastgood/sdk";
import { z } from "zod";
import { checkName } from "../checks/check-file.ts";
import type { Configuration } from "../config/config.ts";
import { artifactName } from "../config/release-settings.ts";
import { name } from "../config/scalars.ts";
import { nameOf } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import { version } from "../releases/release-schemas.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import type { GateDesk } from "./gate-desk.ts";
import { listRuns, requireRun } from "./gate-store.ts";

export interface GateRoutesDeps {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
  readonly desk: GateDesk;
}

const tags = ["gate"];
const bank = z.enum(["checks", "adversarial"]);
const checkResultSchema = z.object({
  check: z.string(),
  bank,
  outcome: z.enum(["passed", "failed", "cannot-tell"]),
  passed: z.number(),
  cases: z.number(),
  says: z.string(),
  results: z.array(
    z.object({
      case: z.string(),
      outcome: z.enum(["pass", "fail", "cannot-tell"]),
      score: z.number(),
      says: z.string(),
      answer: z.string(),
      tookMs: z.number(),
    }),
  ),
});
const shadowSchema = z.object({
  source: z.enum(["recorded", "live"]),
  inputs: z.number(),
  same: z.number(),
  paired: z.array(
    z.object({
      of: z.string(),
      inputs: z.number(),
      live: z.number(),
      candidate: z.number(),
      worseByAtLeast: z.number(),
      worse: z.boolean(),
    }),
  ),
  worse: z.array(z.object({ key: z.string(), why: z.string() })),
});
const verdictSchema = z.object({
  kind: z.enum(["promote", "refuse", "freeze"]),
  because: z.string(),
  scores: z.array(z.object({ name: z.string(), value: z.number() })),
  failed: z.array(
    z.object({
      check: z.string(),
      bank: z.enum(["checks", "adversarial", "shadow"]),
      why: z.string(),
    }),
  ),
  incident: z.string().nullable(),
});
const runSchema: z.ZodType<GateRun> = z.object({
  id: z.string(),
  environment: z.string(),
  artifact: z.string(),
  candidate: z.string(),
  live: z.string().nullable(),
  only: z.array(z.string()).nullable(),
  state: z.enum(["running", "ended", "broken-off"]),
  by: z.string(),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
  progress: z.object({ done: z.number(), total: z.number(), says: z.string() }),
  verdict: verdictSchema.nullable(),
  shadow: shadowSchema.nullable(),
  checks: z.array(checkResultSchema),
  fault: z.string().nullable(),
});

const waitMsMax = 20_000;
const lookEveryMs = 100;

export function gateRoutes(app: App, { db, world, configuration, desk }: GateRoutesDeps): void {
  app.post(
    "/v1/artifacts/:artifact/releases/:version/gate",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "Judge a candidate, or run some checks against a release; returns at once",
        params: z.strictObject({ artifact: artifactName, version }),
        body: z.strictObject({
          environment: name.optional(),
          only: z.array(checkName).min(1).max(200).optional(),
        }),
        response: { 200: runSchema },
      },
    },
    async ({ actor, body, params }) =>
      await desk.start({
        ...params,
        environment: body.environment ?? configuration.current().releases.environment,
        only: body.only ?? null,
        by: nameOf(actor),
      }),
  );

  app.get(
    "/v1/gate/runs/:id",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "One run of the gate; waits for its end, or for more than is `done`",
        params: z.strictObject({ id: z.string().min(1).max(100) }),
        querystring: z.strictObject({
          waitMs: z.coerce.number().int().min(0).max(waitMsMax).default(0),
          done: z.coerce.number().int().min(0).optional(),
        }),
        response: { 200: runSchema },
      },
    },
    async ({ params, query }) => {
      const deadline = performance.now() + query.waitMs;
      for (;;) {
        const run = await requireRun(db, params.id, world.now());
        const isNews = query.done !== undefined && run.progress.done > query.done;
        if (run.state !== "running" || isNews || performance.now() >= deadline) return run;
        await pause(lookEveryMs);
      }
    },
  );

  app.get(
    "/v1/gate/runs",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "The gate's runs, newest first",
        querystring: z.strictObject({
          artifact: artifactName.optional(),
          version: version.optional(),
          limit: z.coerce.number().int().min(1).max(1_000).default(50),
        }),
        response: { 200: z.object({ runs: z.array(runSchema), more: z.boolean() }) },
      },
    },
    async ({ query }) => {
      const { artifact = null, version: only = null, limit } = query;
      const of = { artifact, version: only };
      const runs = await listRuns(db, of, limit + 1, world.now());
      return { runs: runs.slice(0, limit), more: runs.length > limit };
    },
  );
}
