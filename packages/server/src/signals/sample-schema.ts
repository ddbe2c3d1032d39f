/** A sample as it is sent: what is refused, with its place, and what becomes of the rest. */
import { whyNoVersion } from "@lastgood/sdk";
import { z } from "zod";
import { artifactName } from "../config/release-settings.ts";
import { name as environmentName } from "../config/scalars.ts";
import { Fault } from "../fault.ts";
import type { Sample } from "./sample.ts";
import { futureMsMax } from "./sample-intake.ts";

/** Of services, signals and dimensions. */
export const name = z
  .string()
  .regex(/^[A-Za-z0-9][\w.-]{0,99}$/, "a name: letters, digits, `.`, `_` or `-`, at most 100");
const valueMax = 1e15;
export const samplesMax = 5_000;

const sampleSchema = z
  .strictObject({
    service: name,
    signal: name,
    at: z.iso.datetime({ offset: true }).optional(),
    ok: z.boolean().optional(),
    value: z.number().min(-valueMax).max(valueMax).optional(),
    key: z.string().min(1).max(200).optional(),
    dimensions: z
      .record(name, z.string().min(1).max(100))
      .refine((given) => Object.keys(given).length <= 4, "at most 4 dimensions")
      .optional(),
    hard: z.enum(["exit", "violation"]).optional(),
    release: z.string().superRefine(requireLabel).optional(),
    environment: environmentName.optional(),
  })
  .refine(
    ({ release, environment }) => release !== undefined || environment === undefined,
    "`environment` says where a `release` serves: name the release as well",
  )
  .refine(
    ({ ok, value, hard }) => ok !== undefined || value !== undefined || hard !== undefined,
    "a sample needs `ok`, `value` or `hard`",
  );
/** `artifact:version`, of an explicit version. */
function requireLabel(label: string, context: z.RefinementCtx): void {
  const at = label.indexOf(":");
  const isArtifact = at > 0 && artifactName.safeParse(label.slice(0, at)).success;
  const why = isArtifact ? whyNoVersion(label.slice(at + 1)) : null;
  if (isArtifact && why === null) return;
  const message = why ?? "write a release as `artifact:version`, such as `customer-service:2.0.3`";
  context.addIssue({ code: "custom", message });
}

export const samplesSchema = z.strictObject({
  samples: z.array(sampleSchema).min(1).max(samplesMax),
});

/** `bad_input` for a sample from the future. */
export function toSample(given: z.infer<typeof sampleSchema>, index: number, now: number): Sample {
  const at = given.at === undefined ? now : Date.parse(given.at);
  if (at > now + futureMsMax) {
    throw new Fault(
      "bad_input",
      `Sample ${index} is from ${given.at}, more than a minute in the future: check the sender's clock.`,
      { context: { path: `body/samples/${index}/at` } },
    );
  }
  return {
    service: given.service,
    signal: given.signal,
    at,
    ok: given.ok ?? null,
    value: given.value ?? null,
    key: given.key ?? null,
    dimensions: given.dimensions ?? null,
    hard: given.hard ?? null,
    ...(given.release === undefined
      ? {}
      : { release: given.release, environment: given.environment ?? null }),
  };
}
