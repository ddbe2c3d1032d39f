import type { Report, RuleDetails, RuleStatus, SamplesTaken, SignalsStatus } from "@lastgood/sdk";
import { z } from "zod";
import { parseMoment } from "../duration.ts";
import { Fault } from "../fault.ts";
import { type Actor, nameOf } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import type { World } from "../world.ts";
import type { Sample } from "./sample.ts";
import type { Taken } from "./sample-intake.ts";
import { name, samplesSchema, toSample } from "./sample-schema.ts";

const verdictKind = z.enum(["hold", "regression", "drift", "insufficient"]);
const figure = z.number().nullable();
const ruleStatusSchema: z.ZodType<RuleStatus> = z.object({
  rule: z.string(),
  service: z.string(),
  signal: z.string(),
  implied: z.boolean(),
  detector: z.enum(["floor", "late-onset", "hard"]),
  customerFacing: z.boolean(),
  verdict: verdictKind,
  says: z.string(),
  since: z.string().nullable(),
  onset: z.string().nullable(),
  floor: figure,
  floorFrom: z.string(),
  level: figure,
  evidence: z.number(),
  threshold: z.number(),
  samples: z.number(),
  failingKeys: z.number(),
  lastSampleAt: z.string().nullable(),
  suppressedBy: z.string().nullable(),
  segments: z.array(
    z.object({
      dimension: z.string(),
      verdict: verdictKind,
      floor: figure,
      level: figure,
      evidence: z.number(),
      samples: z.number(),
    }),
  ),
  leftOut: z.object({ samples: z.number(), busiest: z.array(z.string()) }),
});
const statusSchema: z.ZodType<SignalsStatus> = z.object({
  rules: z.array(ruleStatusSchema),
  counts: z.object({
    samples: z.number(),
    unjudged: z.number(),
    late: z.number(),
    untracked: z.number(),
    dropped: z.number(),
    unknownRelease: z.number(),
    unfit: z.number(),
    probesSkipped: z.number(),
  }),
});
const detailsSchema: z.ZodType<RuleDetails> = z.object({
  rule: ruleStatusSchema,
  trajectory: z.array(
    z.object({
      at: z.string(),
      dimension: z.string().nullable(),
      verdict: verdictKind,
      samples: z.number(),
      evidence: z.number(),
      threshold: z.number(),
      floor: figure,
      level: figure,
    }),
  ),
  verdicts: z.array(
    z.object({
      at: z.string(),
      dimension: z.string().nullable(),
      verdict: verdictKind,
      says: z.string(),
    }),
  ),
});
const takenSchema: z.ZodType<SamplesTaken> = z.object({
  accepted: z.number(),
  unjudged: z.number(),
  late: z.number(),
  unknownRelease: z.number(),
  unknownReleases: z.array(z.string()),
});
const reportSchema: z.ZodType<Report> = z.object({
  id: z.string(),
  at: z.string(),
  service: z.string(),
  reporter: z.string(),
  text: z.string(),
});

export interface SignalsRoutesDeps {
  readonly world: World;
  ingest(samples: readonly Sample[]): Taken;
  /** The labels of releases that nobody knows. */
  unknownAmong(samples: readonly Sample[]): Promise<readonly string[]>;
  /** The signals that Lastgood measures itself: nobody else may speak for them. */
  isProbed(service: string, signal: string): boolean;
  status(service: string | null): SignalsStatus;
  /** `not_found` for a rule that is not in force. */
  details(rule: string): Promise<RuleDetails>;
  remeasure(rule: string, actor: string): Promise<RuleStatus>;
  report(
    service: string,
    reporter: string,
    text: string,
  ): Promise<{ report: Report; reporters: number }>;
  reports(service: string | null, since: Date): Promise<readonly Report[]>;
}

export function signalsRoutes(app: App, deps: SignalsRoutesDeps): void {
  const { world } = deps;
  const tags = ["signals"];

  app.post(
    "/v1/samples",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "Takes in samples: all of them or none",
        body: samplesSchema,
        response: { 200: takenSchema },
      },
    },
    async (request) => {
      const now = world.now().getTime();
      const samples = request.body.samples.map((sample, index) => toSample(sample, index, now));
      for (const [index, { service, signal }] of samples.entries()) {
        if (deps.isProbed(service, signal)) throw probed(service, signal, index);
      }
      const unknown = await deps.unknownAmong(samples);
      return {
        ...{ accepted: samples.length, ...deps.ingest(samples) },
        unknownReleases: unknown.slice(0, labelsShown),
      };
    },
  );

  app.get(
    "/v1/signals",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "What each rule says of its signal now",
        querystring: z.strictObject({ service: name.optional() }),
        response: { 200: statusSchema },
      },
    },
    async (request) => deps.status(request.query.service ?? null),
  );

  app.get(
    "/v1/signals/:rule",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "One rule with its trajectory and its verdicts",
        params: z.strictObject({ rule: z.string().min(1).max(300) }),
        response: { 200: detailsSchema },
      },
    },
    async (request) => await deps.details(request.params.rule),
  );

  app.post(
    "/v1/signals/:rule/remeasure",
    {
      config: { allow: "operator" },
      schema: {
        tags,
        summary: "Measures the rule's floor anew from the samples that come now",
        params: z.strictObject({ rule: z.string().min(1).max(300) }),
        body: z.strictObject({}),
        response: { 200: ruleStatusSchema },
      },
    },
    async (request) => await deps.remeasure(request.params.rule, nameOf(request.actor)),
  );

  app.post(
    "/v1/reports",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "A person or an agent noticed something wrong with a service",
        body: z.strictObject({
          service: name,
          text: z.string().min(1).max(2_000),
          reporter: z.string().min(1).max(200).optional(),
        }),
        response: { 200: z.object({ report: reportSchema, reporters: z.number() }) },
      },
    },
    async (request) => {
      const { service, text, reporter } = request.body;
      return await deps.report(service, reporterOf(request.actor, reporter), text);
    },
  );

  app.get(
    "/v1/reports",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "What was reported, newest first, at most 100",
        querystring: z.strictObject({
          service: name.optional(),
          since: z.string().max(40).default("24h"),
        }),
        response: { 200: z.object({ reports: z.array(reportSchema) }) },
      },
    },
    async (request) => {
      const since = parseMoment(request.query.since, world.now(), "since");
      return { reports: [...(await deps.reports(request.query.service ?? null, since))] };
    },
  );
}

const labelsShown = 20;

function probed(service: string, signal: string, index: number): Fault {
  return new Fault(
    "forbidden",
    `Lastgood measures ${signal} of ${service} itself, by a probe: send what you observe under another signal's name.`,
    { context: { path: `body/samples/${index}/signal` } },
  );
}

/** Only an operator may pass on what somebody else noticed. */
function reporterOf(actor: Actor, named: string | undefined): string {
  const own = nameOf(actor);
  if (named === undefined || named === own) return own;
  if (actor.role === "operator" || actor.role === "admin") return named;
  throw new Fault(
    "not_yours",
    `This token reports as ${own} only: leave \`reporter\` out, or let an operator pass the report on.`,
    { context: { path: "body/reporter" } },
  );
}
