/**
 * The shape of lastgood.yaml. Nothing in it is needed to start: `{}` is a valid configuration, and
 * every setting that is left out has the default written here. zod is the single source: the types,
 * the published JSON Schema and the errors all come from it.
 */
import { z } from "zod";
import { bankSchema, gateSchema } from "./gate-settings.ts";
import { gatewaySchema } from "./gateway-settings.ts";
import { consumerSchema, neverReviveSchema, streamSchema } from "./kept-settings.ts";
import { artifactName, deploysSchema, releasesSchema, usesSchema } from "./release-settings.ts";
import { rolloutSchema } from "./rollout-settings.ts";
import { age, argv, duration, glob, httpPath, name, pointer, variable, wait } from "./scalars.ts";

export const layerNameSchema = z.enum([
  "code",
  "state",
  "messages",
  "versions",
  "runtime",
  "data",
  "effects",
]);

const webUrl = z.url({ protocol: /^https?$/, error: "write an http or https URL" }).max(2_000);

/** `watch` decides and records, `propose` asks, `auto` acts. */
export const modeSchema = z.enum(["watch", "propose", "auto"]);
export type Mode = z.infer<typeof modeSchema>;

const repositorySchema = z.strictObject({
  url: z.string().min(1).max(2_000).describe("A path or a URL that git can fetch from."),
  branch: z.string().min(1).max(200).default("main"),
  deliver: z
    .enum(["push", "branch"])
    .default("push")
    .describe("How a revert reaches the branch: pushed, or as a branch for a pull request."),
  credentials: variable
    .optional()
    .describe("The name of the environment variable that holds the remote's token or password."),
  hookSecret: variable
    .optional()
    .describe("The environment variable that holds the secret of the forge's push webhook."),
  poll: wait("2s", "100ms").describe(
    "How often new commits are looked for; a push hook makes it instant.",
  ),
  migrations: z
    .strictObject({
      paths: z.array(glob).min(1),
      table: z.string().default("schema_migrations").describe("Where the migrator records them."),
      database: variable
        .optional()
        .describe("The environment variable that holds the database's URL."),
      down: argv
        .optional()
        .describe("Undoes one migration: its file is appended as last argument."),
    })
    .optional(),
});

/** What an agent or token may put back by itself. Beyond it, a person is asked. */
export const authoritySchema = z.strictObject({
  layers: z.array(layerNameSchema).default([]),
  what: z
    .array(glob)
    .default(["**"])
    .describe("Globs over targets: repositories, documents, services."),
  reversibleOnly: z.boolean().default(true),
  maxCommits: z.number().int().min(0).default(5),
  maxDocuments: z.number().int().min(0).default(100),
  maxExecutions: z.number().int().min(0).default(100),
  maxHours: z.number().min(0).default(24),
  mode: modeSchema.default("propose"),
});
export type Authority = z.infer<typeof authoritySchema>;

const agentSchema = z.strictObject({
  authors: z
    .array(z.string().max(200))
    .default([])
    .describe("Commit e-mail addresses that are this agent's."),
  roles: z
    .array(name)
    .default([])
    .describe("Roles whose inbox this agent shares; `responder` gets incidents."),
  dependsOn: z.array(name).default([]).describe("Services that its work calls."),
  uses: usesSchema,
  deploys: deploysSchema,
  owner: name.optional(),
  workTrees: z
    .array(z.string().min(1).max(2_000))
    .max(20)
    .default([])
    .describe(
      "Folders below which the server itself may read this agent's work tree, besides that of lastgood.yaml.",
    ),
  authority: authoritySchema.prefault({}),
});

const probeSchema = z.strictObject({
  path: httpPath,
  every: wait("1s", "50ms"),
  timeout: wait("2s", "10ms"),
  slo: duration("1ms", "10m")
    .optional()
    .describe("A sample is good when the answer comes within this."),
  read: z
    .record(name, pointer)
    .default({})
    .describe("Signal name -> JSON pointer to a number in the body."),
  revision: pointer.optional().describe("JSON pointer to the served revision."),
});

const processRuntimeSchema = z.strictObject({
  adapter: z.literal("process"),
  start: argv.describe("Started in a checkout of the revision, with PORT and REVISION set."),
  port: z.number().int().min(1).max(65_535).describe("Where the service is reached."),
  env: z.record(z.string(), z.string()).default({}),
  envFrom: z
    .array(variable)
    .default([])
    .describe("Names of Lastgood's own environment to pass on."),
  health: httpPath.default("/health"),
  ready: wait("20s").describe("How long a new instance may take to become healthy."),
  drain: wait("5s", "0ms").describe("How long requests in flight may take to finish."),
  deploy: z.enum(["on-push", "manual"]).default("on-push"),
});

const commandRuntimeSchema = z.strictObject({
  adapter: z.literal("command"),
  read: argv.describe("Prints the revision that is served."),
  set: argv.describe("Serves the revision given in REVISION."),
  health: argv.optional().describe("Exits 0 when the service is healthy."),
  drain: argv.optional().describe("Lets requests in flight finish, takes no new ones."),
  timeout: wait("120s", "100ms"),
});

const sandboxSchema = z.strictObject({
  schema: z.string().optional().describe("SQL file applied to the empty sandbox database."),
  fixture: z.string().optional().describe("SQL file with sample rows, applied after the schema."),
  start: argv.optional().describe("Starts the revision; PORT, DATABASE_URL, REVISION are set."),
  health: httpPath.default("/health"),
  check: argv.describe("Exits 0 for good, 1 for bad, 125 for cannot tell."),
  timeout: wait("30s", "100ms"),
});

const serviceSchema = z.strictObject({
  owner: name.optional(),
  repository: name.optional(),
  url: webUrl
    .optional()
    .describe("Where the probes find it; a `process` runtime is at its own port without it."),
  customerFacing: z.boolean().default(true),
  dependsOn: z.array(name).default([]),
  reads: z.array(glob).default([]).describe("Globs of `collection/id` documents that it reads."),
  uses: usesSchema,
  schema: z
    .enum(["declarative", "migrations", "none"])
    .default("none")
    .describe("`declarative`: the service brings its database to the declared schema at start."),
  mode: modeSchema.optional(),
  runtime: z.discriminatedUnion("adapter", [processRuntimeSchema, commandRuntimeSchema]).optional(),
  probes: z.record(name, probeSchema).default({}),
  sandbox: sandboxSchema.optional(),
});

/** A rule turns one signal of one service into a verdict. */
const ruleSchema = z.strictObject({
  service: name,
  signal: name,
  kind: z.enum(["customer-facing", "indicator"]).default("customer-facing"),
  severity: z.enum(["critical", "high", "low"]).default("high"),
  detector: z
    .enum(["floor", "late-onset", "hard"])
    .default("late-onset")
    .describe("`hard`: `inARow` failures in a row alarm, whatever the statistics say."),
  good: z
    .strictObject({ atMost: z.number().optional(), atLeast: z.number().optional() })
    .optional()
    .describe("How a measured value becomes good or bad; without it samples carry `ok`."),
  objective: z.number().min(0).max(0.999).optional().describe("m; without it, it is estimated."),
  delta: z.number().min(0).max(0.5).default(0.02),
  alpha: z.number().min(0.0001).max(0.2).default(0.05),
  sustain: age("2s"),
  minSamples: z.number().int().min(1).default(20),
  inARow: z.number().int().min(1).default(3),
  fixWithin: age("0s"),
  falseAlarms: z
    .string()
    .regex(/^[1-9]\d{0,5} per [1-9]\d{0,5} days?$/, "write it as `1 per 90 days`")
    .default("1 per 90 days"),
  dimensions: z.array(name).max(4).default([]),
});

const personSchema = z.strictObject({
  pagerduty: variable
    .optional()
    .describe("The environment variable that holds the routing key of Events v2."),
  webhook: webUrl
    .optional()
    .describe("Gets signed calls (Standard Webhooks): https, and a public address."),
});

export const configSchema = z.strictObject({
  version: z.literal(1).default(1),
  mode: modeSchema.default("watch"),
  modes: z
    .partialRecord(layerNameSchema, modeSchema)
    .default({})
    .describe("A mode for one layer; the stricter of layer, service and general mode counts."),
  repositories: z.record(name, repositorySchema).default({}),
  agents: z.record(name, agentSchema).default({}),
  services: z.record(name, serviceSchema).default({}),
  rules: z.record(name, ruleSchema).default({}),
  people: z.record(name, personSchema).default({}),
  caps: z
    .strictObject({
      recoveriesPerDay: z.number().int().min(0).default(5),
      recoveriesInARow: z.number().int().min(0).default(3),
      changeAge: age("72h"),
    })
    .prefault({}),
  triage: z
    .strictObject({
      actAt: z.number().min(0.5).max(1).default(0.99),
      freezeAt: z.number().min(0).max(1).default(0.8),
      splitWithin: wait("60s"),
      freshFor: age("14d"),
    })
    .prefault({}),
  messages: z
    .strictObject({
      engine: z.enum(["embedded", "nats"]).default("embedded"),
      url: z.string().default("nats://127.0.0.1:4222"),
      streams: z.record(name, streamSchema).default({}),
      consumers: z.record(name, consumerSchema).default({}),
    })
    .prefault({}),
  releases: releasesSchema,
  gateway: gatewaySchema,
  rollouts: z
    .record(artifactName, rolloutSchema)
    .default({})
    .describe("How releases of an artifact go out, and back; what is not named has the defaults."),
  bank: bankSchema,
  gate: gateSchema.default({}),
  state: z
    .strictObject({
      neverRevive: z
        .array(neverReviveSchema)
        .max(100)
        .default([])
        .describe("What a restore must not bring back to life: tokens, grants, nonces."),
    })
    .prefault({}),
  pages: z
    .strictObject({
      owner: name.optional().describe("Whom to call where nothing else names an owner."),
      pagerdutyUrl: webUrl.default("https://events.pagerduty.com"),
      pagerdutySecret: variable
        .optional()
        .describe("The environment variable with the signing secret of PagerDuty's own webhook."),
      allowPrivate: z
        .boolean()
        .default(false)
        .describe("Lets people's webhooks be plain http, and at private addresses."),
      containWithin: wait("5m", "0ms"),
    })
    .prefault({}),
  afterCrash: z
    .enum(["continue", "pause"])
    .default("continue")
    .describe("What happens to recoveries under way when Lastgood itself comes back."),
});

export type Config = z.infer<typeof configSchema>;
export type RepositoryConfig = Config["repositories"][string];
export type AgentConfig = Config["agents"][string];
export type ServiceConfig = Config["services"][string];
export type RuleConfig = Config["rules"][string];
export type ProbeConfig = ServiceConfig["probes"][string];
export type SandboxConfig = NonNullable<ServiceConfig["sandbox"]>;
export type ProcessRuntimeConfig = z.infer<typeof processRuntimeSchema>;
export type CommandRuntimeConfig = z.infer<typeof commandRuntimeSchema>;
export type ConsumerConfig = z.infer<typeof consumerSchema>;
export type StreamConfig = z.infer<typeof streamSchema>;

/** The configuration in force. `base` is the folder of lastgood.yaml: relative paths start there. */
export interface Configuration {
  current(): Config;
  readonly base: string;
  /** The file behind it, which can change while we run; absent where it was given by hand. */
  readonly file?: ConfigurationFile;
}

/** A lastgood.yaml that is read again when it changes. A faulty one leaves the former in force. */
export interface ConfigurationFile {
  status(): ConfigurationStatus;
  /** Reads it now. Faults `bad_configuration`, naming every problem; the former then stays. */
  reload(): Promise<ConfigurationStatus>;
}

export interface ConfigurationStatus {
  /** The whole path of the file. */
  readonly path: string;
  /** When what is in force was read. */
  readonly readAt: Date;
  /** True when the file was faulty at start, and what is in force is the last good copy of it. */
  readonly fromCopy: boolean;
  /** What is wrong with the file as it is now; null when the file is what is in force. */
  readonly fault: string | null;
  /** What is allowed and probably not meant, such as a cycle in dependsOn. */
  readonly warnings: readonly string[];
}
