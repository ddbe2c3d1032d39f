import type {
  GatewayExecution,
  GatewayOrders,
  GatewayReport,
  GatewaySample,
  JsonValue,
  Mirror,
} from "@lastgood/sdk";
import { z } from "zod";
import { artifactName as artifact } from "../config/release-settings.ts";
import { name as environment } from "../config/scalars.ts";
import { dimensionsSchema, executionId } from "../executions/execution-schemas.ts";
import { nameOf } from "../http/actor.ts";
import type { App } from "../http/app.ts";
import type { MirrorDesk } from "./mirror-desk.ts";

export interface GatewayRoutesDeps {
  readonly mirrors: MirrorDesk;
  /** Takes in what passed through a gateway. */
  take(environment: string, report: GatewayReport): Promise<void>;
}

const tags = ["gateway"];
const hourMs = 3_600_000;
const weekMs = 7 * 86_400_000;

const text = (most: number) =>
  z
    .string()
    .max(most)
    .refine((given) => given.isWellFormed() && !given.includes("\0"), "well-formed without NUL");
const word = (most: number) => text(most).min(1);
const moment = z.iso.datetime({ offset: true });
const json: z.ZodType<JsonValue> = z.json();

const sampleSchema = z.strictObject({
  release: word(301),
  service: word(100),
  signal: word(100),
  at: moment,
  ok: z.boolean().optional(),
  value: z.number().min(-1e15).max(1e15).optional(),
  key: word(200).optional(),
  dimensions: dimensionsSchema.optional(),
}) satisfies z.ZodType<GatewaySample>;

const executionSchema = z.strictObject({
  id: executionId,
  artifact,
  key: word(300),
  attempt: z.number().int().min(1).max(1_000_000),
  target: word(300),
  version: word(200),
  epoch: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  state: z.enum(["running", "finished", "failed", "switched", "cancelled", "requeued", "retried"]),
  agent: word(100).nullable(),
  session: word(200).nullable(),
  dimensions: dimensionsSchema,
  error: text(2_000).nullable(),
  previous: executionId.nullable(),
  next: executionId.nullable(),
  mirrorOf: executionId.nullable(),
  begunAt: moment,
  endedAt: moment.nullable(),
  input: json.optional(),
  output: json.optional(),
  outputDigest: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "a SHA-256 in hex")
    .nullable(),
}) satisfies z.ZodType<GatewayExecution>;

const reportSchema = z.strictObject({
  samples: z.array(sampleSchema).max(5_000),
  executions: z.array(executionSchema).max(1_000),
}) satisfies z.ZodType<GatewayReport>;

const mirrorShape = {
  environment: z.string(),
  artifact: z.string(),
  version: z.string(),
  percent: z.number(),
  by: z.string(),
  because: z.string(),
  begunAt: z.string(),
  until: z.string(),
};
const mirrorSchema: z.ZodType<Mirror> = z.object(mirrorShape);
const ordersSchema: z.ZodType<GatewayOrders> = z.object({
  mirrors: z.array(z.object({ ...mirrorShape, content: json })),
});
const ofEnvironment = z.strictObject({ environment });
const ofArtifact = z.strictObject({ environment, artifact });

export function gatewayRoutes(app: App, deps: GatewayRoutesDeps): void {
  reportRoutes(app, deps);
  mirrorRoutes(app, deps);
}

function reportRoutes(app: App, { mirrors, take }: GatewayRoutesDeps): void {
  app.get(
    "/v1/gateway/caller",
    {
      config: { allow: "agent" },
      schema: {
        tags,
        summary: "Whose token this is, for a gateway that was handed it",
        response: { 200: z.object({ name: z.string(), agent: z.string().nullable() }) },
      },
    },
    async ({ actor }) => ({
      name: nameOf(actor),
      agent: actor.role === "agent" ? actor.agent : null,
    }),
  );

  app.post(
    "/v1/environments/:environment/gateway/reports",
    {
      config: { allow: "operator" },
      bodyLimit: reportBytesMax,
      schema: {
        tags,
        summary: "What passed through a gateway of its own; answers what it has to know",
        params: ofEnvironment,
        body: reportSchema,
        response: { 200: ordersSchema },
      },
    },
    async ({ params, body }) => {
      await take(params.environment, body);
      return await mirrors.orders(params.environment);
    },
  );
}

const reportBytesMax = 67_108_864;

function mirrorRoutes(app: App, { mirrors }: GatewayRoutesDeps): void {
  app.get(
    "/v1/environments/:environment/mirrors",
    {
      config: { allow: "viewer" },
      schema: {
        tags,
        summary: "Releases that are sent copies of live requests",
        params: ofEnvironment,
        response: { 200: z.object({ mirrors: z.array(mirrorSchema) }) },
      },
    },
    async ({ params }) => {
      const orders = await mirrors.orders(params.environment);
      return { mirrors: orders.mirrors.map(({ content: _content, ...mirror }) => mirror) };
    },
  );

  app.put(
    "/v1/environments/:environment/mirrors/:artifact",
    {
      config: { allow: "operator" },
      schema: {
        tags,
        summary: "Send a part of the live requests to another release too; nobody gets its answers",
        params: ofArtifact,
        body: z.strictObject({
          version: word(200),
          percent: z.number().min(0.01).max(100),
          forMs: z.number().int().min(1_000).max(weekMs).default(hourMs),
          because: text(2_000).default(""),
        }),
        response: { 200: mirrorSchema },
      },
    },
    async ({ actor, params, body }) =>
      await mirrors.start({ ...params, ...body, by: nameOf(actor) }),
  );

  app.delete(
    "/v1/environments/:environment/mirrors/:artifact",
    {
      config: { allow: "operator" },
      schema: {
        tags,
        summary: "Send no more copies",
        params: ofArtifact,
        response: { 200: z.object({ ended: z.boolean() }) },
      },
    },
    async ({ params: { environment, artifact } }) => ({
      ended: await mirrors.end(environment, artifact),
    }),
  );
}
