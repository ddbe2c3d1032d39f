/**
 * What PagerDuty tells us: somebody acknowledged or resolved the call there. V3 webhooks, signed over the
 * raw body. An old one told again changes nothing: a page is acknowledged once.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import type { Configuration } from "../config/config.ts";
import { Fault } from "../fault.ts";
import type { App } from "../http/app.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import type { Pager } from "./notifier.ts";

const eventSchema = z.object({
  event: z.object({
    event_type: z.string().max(200),
    agent: z.object({ summary: z.string().max(200) }).nullish(),
    data: z.object({ incident_key: z.string().max(255).nullish() }),
  }),
});

/** There a person took it: in ours, a resolved call is in hand, and the incident is closed by its own rules. */
const inHand = new Set(["incident.acknowledged", "incident.resolved"]);
const bodyBytesMax = 65_536;

export interface PagerdutyHookDeps {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
  readonly pager: Pager;
  readonly environment: Readonly<Record<string, string | undefined>>;
  wake(): void;
}

export function pagerdutyHook(app: App, deps: PagerdutyHookDeps): void {
  const { db, world, configuration, pager, environment, wake } = deps;
  // A scope of its own: here alone, bodies stay the bytes that were signed.
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      "application/json",
      { parseAs: "buffer", bodyLimit: bodyBytesMax },
      async (_request: unknown, body: Buffer) => body,
    );
    scope.post(
      "/v1/hooks/pagerduty",
      {
        config: { allow: "public" },
        preValidation: async (request) => {
          const signed = request.headers["x-pagerduty-signature"];
          requireSigned(configuration, environment, request.body, String(signed ?? ""));
        },
        schema: {
          tags: ["pages"],
          summary: "PagerDuty's own webhook, signed: a page was acknowledged or resolved there",
          security: [],
        },
      },
      async (request, reply) => {
        const { event } = readEvent(request.body);
        const incident = event.data.incident_key ?? null;
        if (incident !== null && inHand.has(event.event_type)) {
          const by = `pagerduty:${event.agent?.summary ?? "somebody"}`;
          await db.begin(async (tx) => {
            try {
              await pager.acknowledge(tx, incident, by, world.now());
            } catch (error) {
              // Not about a page of ours, or already over: nothing to do, and no reason to be told again.
              if (!(error instanceof Fault)) throw error;
            }
          });
          wake();
        }
        return reply.code(202).send();
      },
    );
  });
}

function requireSigned(
  configuration: Configuration,
  environment: PagerdutyHookDeps["environment"],
  body: unknown,
  header: string,
): void {
  const variable = configuration.current().pages.pagerdutySecret;
  const secret = variable === undefined ? undefined : environment[variable];
  if (secret === undefined || secret === "") {
    throw new Fault(
      "unauthenticated",
      "PagerDuty's webhook is not set up: name the variable that holds its signing secret in pages.pagerdutySecret.",
    );
  }
  const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
  const expected = createHmac("sha256", secret).update(bytes).digest();
  const isSigned = header
    .split(",")
    .slice(0, 10)
    .map((part) => /^v1=([0-9a-f]{64})$/.exec(part.trim())?.[1])
    .some((hex) => hex !== undefined && timingSafeEqual(Buffer.from(hex, "hex"), expected));
  if (!isSigned) {
    throw new Fault("unauthenticated", "The signature does not fit the body: check the secret.");
  }
}

function readEvent(body: unknown): z.infer<typeof eventSchema> {
  try {
    return eventSchema.parse(JSON.parse(Buffer.isBuffer(body) ? body.toString("utf8") : ""));
  } catch (cause) {
    throw new Fault("bad_input", "This is not a V3 webhook event of PagerDuty.", {
      cause,
      context: { path: "body" },
    });
  }
}
