/**
 * A Langfuse export of prompts as releases and pins. Pure.
 *
 * Its form (a JSON array of prompt versions, as the prompts page downloads it and the public API returns each):
 * `name`, `version` (a whole number), `prompt` (a text, or messages), `type`, `config`, `labels`, `tags`,
 * `commitMessage`. A label names the version that an environment uses: it becomes that environment's pin.
 * `latest` is none.
 */
import type { JsonValue } from "@lastgood/sdk";
import { z } from "zod";
import { Fault } from "../fault.ts";

const promptSchema = z.looseObject({
  name: z.string().min(1).max(500),
  version: z.number().int().min(0),
  prompt: z.union([z.string(), z.array(z.unknown())]),
  type: z.string().max(50).nullish(),
  config: z.unknown().optional(),
  labels: z.array(z.string().max(100)).default([]),
  tags: z.array(z.string()).default([]),
  commitMessage: z.string().nullish(),
});
const exportSchema = z.union([
  z.array(promptSchema),
  z.object({ data: z.array(promptSchema) }).transform(({ data }) => data),
  z.object({ prompts: z.array(promptSchema) }).transform(({ prompts }) => prompts),
]);

export interface ImportedRelease {
  readonly artifact: string;
  readonly version: string;
  readonly content: JsonValue;
  readonly notes: string;
}

export interface ImportedPin {
  readonly environment: string;
  readonly artifact: string;
  readonly version: string;
}

export interface LangfuseImport {
  /** By artifact, oldest first. */
  readonly releases: readonly ImportedRelease[];
  readonly pins: readonly ImportedPin[];
  /** Prompts whose names are no artifact's, and what they are called here. */
  readonly renamed: readonly { readonly from: string; readonly to: string }[];
  /** Labels that are not taken over, and why. */
  readonly left: readonly string[];
}

/** Faults `bad_input` for what is no export, or means two things. */
export function readLangfuse(exported: unknown): LangfuseImport {
  const parsed = exportSchema.safeParse(exported);
  if (!parsed.success) {
    throw new Fault(
      "bad_input",
      "This is not an export of Langfuse's prompts: a JSON array of prompt versions, each with name, version, prompt and labels. Export it on the Prompts page, as JSON.",
      { cause: parsed.error, context: { path: "file" } },
    );
  }
  const prompts = parsed.data.toSorted((one, other) =>
    one.name === other.name ? one.version - other.version : one.name < other.name ? -1 : 1,
  );
  const names = artifactNames(prompts.map(({ name }) => name));
  const artifactOf = (name: string) => names.get(name) ?? name;
  const pins = prompts.flatMap(({ name, version, labels }) =>
    labels
      .filter((label) => whyLeft(label) === null)
      .map((environment) => ({
        ...{ environment, artifact: artifactOf(name), version: String(version) },
      })),
  );
  requireOnce(pins);
  const labels = [...new Set(prompts.flatMap((each) => each.labels))].sort();
  return {
    releases: prompts.map((prompt) => ({
      ...{ artifact: artifactOf(prompt.name), version: String(prompt.version) },
      content: contentOf(prompt),
      notes: prompt.commitMessage ?? "",
    })),
    pins,
    renamed: [...names].filter(([from, to]) => from !== to).map(([from, to]) => ({ from, to })),
    left: labels.flatMap((label) => whyLeft(label) ?? []),
  };
}

function contentOf({ prompt, type, config, tags }: z.infer<typeof promptSchema>): JsonValue {
  const content = { prompt, type: type ?? "text", config: config ?? {}, tags };
  // It was read as JSON, and is nothing else.
  return JSON.parse(JSON.stringify(content)) as JsonValue;
}

const environmentForm = /^[A-Za-z0-9][\w.-]{0,99}$/;

function whyLeft(label: string): string | null {
  if (label === "latest") return "latest: it means another version tomorrow, and is no pin";
  return environmentForm.test(label) ? null : `${label}: no environment can be called so`;
}

/** Each name as an artifact's; two that would become one are refused. */
function artifactNames(names: readonly string[]): ReadonlyMap<string, string> {
  const taken = new Map<string, string>();
  const made = new Map<string, string>();
  for (const name of new Set(names)) {
    const artifact = name
      .split("/")
      .map((part) => part.replaceAll(/[^\w.-]+/g, "-").replace(/^[^A-Za-z0-9_]+/, ""))
      .filter((part) => part !== "")
      .join("/")
      .replace(/^_+/, "")
      .slice(0, 100);
    const other = taken.get(artifact);
    if (artifact === "" || other !== undefined) {
      const why = artifact === "" ? "has no letter or digit" : `would be called as ${other} is`;
      throw new Fault("bad_input", `The prompt "${name}" ${why} here (${artifact}): rename it.`, {
        context: { path: "file" },
      });
    }
    taken.set(artifact, name);
    made.set(name, artifact);
  }
  return made;
}

function requireOnce(pins: readonly ImportedPin[]): void {
  const seen = new Map<string, string>();
  for (const { environment, artifact, version } of pins) {
    const place = `${environment}/${artifact}`;
    const other = seen.get(place);
    if (other !== undefined) {
      throw new Fault(
        "bad_input",
        `The label ${environment} is on the versions ${other} and ${version} of ${artifact}: leave it on one.`,
        { context: { path: "file" } },
      );
    }
    seen.set(place, version);
  }
}
