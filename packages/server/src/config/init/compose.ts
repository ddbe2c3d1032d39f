/**
 * A compose file as far as `lastgood init` reads it: what runs, what it depends on, where it is reached, and
 * our labels. Pure: the text is handed in.
 */
import { parseDocument } from "yaml";
import { z } from "zod";
import { Fault } from "../../fault.ts";

export interface ComposeService {
  readonly name: string;
  /** The build context, relative to the compose file; null for what runs an image. */
  readonly build: string | null;
  readonly image: string | null;
  readonly dependsOn: readonly string[];
  /** Published on the host. */
  readonly port: number | null;
  /** Inside its container. */
  readonly containerPort: number | null;
  readonly health: ComposeHealth | null;
  /** Null: it comes from the environment of whoever starts compose. */
  readonly environment: Readonly<Record<string, string | null>>;
  /** Without the prefix `lastgood.`. */
  readonly labels: Readonly<Record<string, string>>;
  /** `x-lastgood`: settings that are taken as they are. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface ComposeHealth {
  /** Of the URL that is asked; null for a check of another kind. */
  readonly path: string | null;
  readonly port: number | null;
  readonly everyMs: number | null;
  readonly timeoutMs: number | null;
}

export interface Compose {
  readonly services: readonly ComposeService[];
  /** `x-lastgood` beside `services`. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export const composeNames = [
  "compose.yaml",
  "compose.yml",
  "docker-compose.yaml",
  "docker-compose.yml",
] as const;

const labelPrefix = "lastgood.";
const scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String);
const pairs = z.union([
  z.array(z.string()).transform((lines) => lines.map(splitPair)),
  z
    .record(z.string(), scalar.nullable())
    .transform((map) => Object.entries(map) as [string, string | null][]),
]);
const portSchema = z.union([
  scalar.transform(readPort),
  z
    .object({ published: scalar.optional(), target: scalar.optional() })
    .transform(({ published, target }) => ({
      host: portOf(published),
      container: portOf(target),
    })),
]);
const serviceSchema = z.object({
  build: z
    .union([z.string(), z.object({ context: z.string().default(".") }).transform((b) => b.context)])
    .optional(),
  image: z.string().optional(),
  depends_on: z
    .union([z.array(z.string()), z.record(z.string(), z.unknown()).transform(Object.keys)])
    .default([]),
  ports: z.array(portSchema).default([]),
  healthcheck: z
    .object({
      test: z
        .union([z.string(), z.array(z.string()).transform((words) => words.join(" "))])
        .optional(),
      interval: scalar.optional(),
      timeout: scalar.optional(),
      disable: z.boolean().optional(),
    })
    .optional(),
  environment: pairs.default([]),
  labels: pairs.default([]),
  "x-lastgood": z.record(z.string(), z.unknown()).default({}),
});
const composeSchema = z.object({
  services: z.record(z.string(), serviceSchema.nullable()).default({}),
  "x-lastgood": z.record(z.string(), z.unknown()).default({}),
});

/** Faults `bad_input` for what is not a compose file. */
export function readCompose(file: string, text: string): Compose {
  const document = parseDocument(text, { prettyErrors: false, merge: true });
  const [error] = document.errors;
  if (error !== undefined) throw refused(file, error.message);
  const parsed = composeSchema.safeParse(document.toJS({ maxAliasCount: 100 }) ?? {});
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw refused(file, `${issue?.path.join(".")}: ${issue?.message}`);
  }
  const services = Object.entries(parsed.data.services).map(([name, service]) =>
    readService(name, service ?? serviceSchema.parse({})),
  );
  return { services, settings: parsed.data["x-lastgood"] };
}

function refused(file: string, because: string): Fault {
  return new Fault(
    "bad_input",
    `${file} cannot be read as a compose file (${because}): check it with \`docker compose config\`.`,
    { context: { path: file } },
  );
}

function readService(name: string, service: z.infer<typeof serviceSchema>): ComposeService {
  const [port] = service.ports;
  const check = service.healthcheck;
  const labels = service.labels.flatMap(([key, value]) =>
    key.startsWith(labelPrefix)
      ? [[key.slice(labelPrefix.length), interpolated(value ?? "") ?? ""] as const]
      : [],
  );
  return {
    name,
    build: service.build ?? null,
    image: service.image ?? null,
    dependsOn: service.depends_on,
    port: port?.host ?? null,
    containerPort: port?.container ?? null,
    health: check === undefined || check.disable === true ? null : readHealth(check),
    environment: Object.fromEntries(
      service.environment.map(([key, value]) => [key, value === null ? null : interpolated(value)]),
    ),
    labels: Object.fromEntries(labels),
    settings: service["x-lastgood"],
  };
}

function readHealth({
  test = "",
  interval,
  timeout,
}: NonNullable<z.infer<typeof serviceSchema>["healthcheck"]>): ComposeHealth | null {
  if (/^NONE\b/.test(test)) return null;
  const url = /https?:\/\/[^\s"'|;&)]+/.exec(interpolated(test) ?? test)?.[0];
  const parsed = url !== undefined && URL.canParse(url) ? new URL(url) : null;
  return {
    path: parsed === null ? null : `${parsed.pathname}${parsed.search}`,
    port: parsed === null || parsed.port === "" ? null : Number(parsed.port),
    everyMs: spanMs(interval),
    timeoutMs: spanMs(timeout),
  };
}

const unitsMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/** Compose writes `1m30s`. Null for what is not written so. */
function spanMs(text: string | undefined): number | null {
  if (text === undefined || !/^(\d+(\.\d+)?(h|ms|m|s))+$/.test(text)) return null;
  return [...text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * (unitsMs[unit ?? ""] ?? 0),
    0,
  );
}

/** `8080:80`, `127.0.0.1:8080:80/tcp`, `[::1]:8080:80`, `80`. Ranges and udp have none. */
function readPort(text: string): { host: number | null; container: number | null } {
  const plain = interpolated(text) ?? "";
  const match = /^(?:(?:\[[^\]]+\]|\d+\.[\d.]+):)?(?:(\d+):)?(\d+)(?:\/tcp)?$/.exec(plain);
  return { host: portOf(match?.[1]), container: portOf(match?.[2]) };
}

function portOf(text: string | undefined): number | null {
  const port = Number(text ?? Number.NaN);
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : null;
}

function splitPair(line: string): [string, string | null] {
  const at = line.indexOf("=");
  return at < 0 ? [line, null] : [line.slice(0, at), line.slice(at + 1)];
}

/** With the defaults of `${NAME:-default}` put in; null where a value is only known when compose runs. */
function interpolated(text: string): string | null {
  let isOpen = false;
  const put = text.replace(
    /\$\$|\$\{(\w+)(?::?-([^}]*))?[^}]*\}|\$(\w+)/g,
    (whole, _name: string | undefined, fallback: string | undefined) => {
      if (whole === "$$") return "$";
      if (fallback === undefined) isOpen = true;
      return fallback ?? "";
    },
  );
  return isOpen ? null : put;
}
