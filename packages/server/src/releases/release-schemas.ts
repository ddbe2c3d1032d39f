/** The SDK's shapes as zod: a difference between the two does not compile. */
import {
  type Artifact as ApiArtifact,
  type Pin as ApiPin,
  type Release as ApiRelease,
  type Deployed,
  type JsonValue,
  type PinConsumer,
  type PinDetails,
  type PinNews,
  type PinStatus,
  type PublishedRelease,
  type ReleaseDetails,
  whyNoVersion,
} from "@lastgood/sdk";
import { z } from "zod";
import { artifactName } from "../config/release-settings.ts";
import { name } from "../config/scalars.ts";
import { type Consumer, liveMs } from "./consumer-store.ts";
import { type Pin, sharesMax } from "./pin.ts";
import { type Artifact, artifactKinds, inFlightPolicies, type Release } from "./release.ts";

export const artifact = artifactName;
export const environment = name;
/** Why it is none is said in full: `latest` is what everybody tries first. */
export const version = z
  .string()
  .max(200)
  .superRefine((text, context) => {
    const why = whyNoVersion(text);
    if (why !== null) context.addIssue({ code: "custom", message: why });
  });
const plain = (least: number, most: number) =>
  z
    .string()
    .trim()
    .min(least)
    .max(most)
    .refine((text) => text.isWellFormed() && !text.includes("\0"), "well-formed text without NUL");
export const because = plain(1, 2_000);
export const note = plain(0, 2_000);
export const limit = z.coerce.number().int().min(1).max(1_000).default(100);
const kind = z.enum(artifactKinds);
export const inFlight = z.enum(inFlightPolicies);
const epoch = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const finite = z.number().min(-1e15).max(1e15);
const scoreName = name;

export const settingsSchema = z.strictObject({
  kind: kind.optional(),
  inFlight: inFlight.optional(),
  review: z.enum(["required", "none"]).optional(),
  keep: z
    .strictObject({
      last: z.number().int().min(1).max(100_000),
      days: z.number().int().min(0).max(36_500),
    })
    .nullable()
    .optional(),
});

export const newReleaseSchema = z.strictObject({
  version,
  content: z.unknown().optional(),
  reference: plain(1, 2_000).optional(),
  kind: kind.optional(),
  parent: version.optional(),
  notes: z.string().max(20_000).default(""),
  scores: z.record(scoreName, finite).default({}),
});

export const scoreGivenSchema = z.strictObject({
  name: scoreName,
  value: finite,
  note: note.default(""),
});

const shareSchema = z.strictObject({ version, share: z.number().int().min(0).max(10_000) });

export const deploymentSchema = z
  .strictObject({
    version: version.optional(),
    percent: z.number().int().min(1).max(100).optional(),
    shares: z.array(shareSchema).min(1).max(sharesMax).optional(),
    because: note.default(""),
    expect: epoch.optional(),
    inFlight: inFlight.optional(),
    override: because.optional(),
  })
  .refine(({ version, shares }) => (version === undefined) !== (shares === undefined), {
    message: "name the version, or give all shares: one of them, and not both",
    path: ["version"],
  })
  .refine(({ percent, shares }) => percent === undefined || shares === undefined, {
    message: "a percentage goes with a version; shares say it all themselves",
    path: ["percent"],
  });

export const rollbackSchema = z.strictObject({
  because: note.default(""),
  expect: epoch.optional(),
  unchecked: z.boolean().default(false),
});

export const pollSchema = z.strictObject({
  epoch,
  line: z.string().max(100).optional(),
  artifacts: z.array(artifact).max(1_000).optional(),
  waitMs: z.number().int().min(0).max(60_000).default(0),
});
export const consumerId = z
  .string()
  .regex(
    /^[A-Za-z0-9][\w.:@-]{0,199}$/,
    "an id: letters, digits, `.`, `_`, `:`, `@` or `-`, at most 200",
  );

export const artifactSchema: z.ZodType<ApiArtifact> = z.object({
  name: z.string(),
  kind,
  inFlight: inFlight.nullable(),
  review: z.enum(["required", "none"]),
  keep: z.object({ last: z.number(), days: z.number() }).nullable(),
  createdAt: z.string(),
  createdBy: z.string(),
});

const json: z.ZodType<JsonValue> = z.json();
const told = { by: z.string(), at: z.string() };
const releaseShape = {
  artifact: z.string(),
  version: z.string(),
  digest: z.string(),
  reference: z.string().nullable(),
  bytes: z.number(),
  parent: z.string().nullable(),
  author: z.string(),
  notes: z.string(),
  publishedAt: z.string(),
  scores: z.array(z.object({ name: z.string(), value: z.number(), note: z.string(), ...told })),
  approvals: z.array(z.object({ note: z.string(), ...told })),
  retiredAt: z.string().nullable(),
  barred: z.object({ incident: z.string().nullable(), because: z.string(), ...told }).nullable(),
};
export const releaseSchema: z.ZodType<ApiRelease> = z.object(releaseShape);
export const publishedSchema: z.ZodType<PublishedRelease> = z.object({
  ...releaseShape,
  already: z.boolean(),
});
export const releaseDetailsSchema: z.ZodType<ReleaseDetails> = z.object({
  ...releaseShape,
  content: json.optional(),
});

const shares = z.array(z.object({ version: z.string(), share: z.number() }));
const pinShape = {
  environment: z.string(),
  artifact: z.string(),
  epoch: z.number(),
  shares,
  did: z.enum(["deploy", "rollback", "recovery"]),
  because: z.string(),
  change: z.string(),
  ...told,
};
const statusShape = {
  ...pinShape,
  prior: shares.nullable(),
  consumers: z.object({ acknowledged: z.number(), stragglers: z.number() }),
};
const consumerSchema: z.ZodType<PinConsumer> = z.object({
  id: z.string(),
  environment: z.string(),
  who: z.string(),
  artifacts: z.array(z.string()).nullable(),
  epoch: z.number(),
  seenAt: z.string(),
  live: z.boolean(),
});
export const pinSchema: z.ZodType<ApiPin> = z.object(pinShape);
export const pinStatusSchema: z.ZodType<PinStatus> = z.object(statusShape);
export const pinDetailsSchema: z.ZodType<PinDetails> = z.object({
  ...statusShape,
  stragglers: z.array(consumerSchema),
  history: z.array(pinSchema),
});
export const deployedSchema: z.ZodType<Deployed> = z.object({ ...pinShape, already: z.boolean() });
export const consumersSchema = z.object({ consumers: z.array(consumerSchema), more: z.boolean() });
export const newsSchema: z.ZodType<PinNews> = z.object({
  environment: z.string(),
  epoch: z.number(),
  line: z.string(),
  full: z.boolean(),
  pins: z.array(
    z.object({
      artifact: z.string(),
      kind,
      inFlight: inFlight.nullable(),
      epoch: z.number(),
      releases: z.array(
        z.object({
          version: z.string(),
          share: z.number(),
          digest: z.string(),
          reference: z.string().nullable(),
          content: json.optional(),
        }),
      ),
    }),
  ),
});

export function artifactToApi({ review, createdAt, ...rest }: Artifact): ApiArtifact {
  return {
    ...rest,
    review: review ? "required" : "none",
    createdAt: createdAt.toISOString(),
  };
}

export function releaseToApi(release: Release): ApiRelease {
  const { publishedAt, scores, approvals, retiredAt, barred, ...rest } = release;
  return {
    ...rest,
    publishedAt: publishedAt.toISOString(),
    scores: scores.map(dated),
    approvals: approvals.map(dated),
    retiredAt: retiredAt?.toISOString() ?? null,
    barred: barred === null ? null : dated(barred),
  };
}

export function pinToApi({ gained: _gained, ...pin }: Pin): ApiPin {
  return dated(pin);
}

export function consumerToApi({ seenAt, ...rest }: Consumer, now: Date): PinConsumer {
  const live = now.getTime() - seenAt.getTime() <= liveMs;
  return { ...rest, seenAt: seenAt.toISOString(), live };
}

function dated<T extends { readonly at: Date }>(each: T): Omit<T, "at"> & { readonly at: string } {
  return { ...each, at: each.at.toISOString() };
}
