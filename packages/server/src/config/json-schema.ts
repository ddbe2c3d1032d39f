import { z } from "zod";
import { configSchema } from "./config.ts";

/** A JSON Schema as plain data, as far as we read it. */
export interface JsonSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly propertyNames?: JsonSchema;
  readonly items?: JsonSchema;
  readonly oneOf?: readonly JsonSchema[];
  readonly enum?: readonly unknown[];
  readonly description?: string;
  readonly default?: unknown;
}

/** Where editors find it while a server runs here. */
export const schemaUrl = "http://127.0.0.1:7440/lastgood.schema.json";

/** The schema of lastgood.yaml as one writes it, for editors: JSON Schema 2020-12. */
export function configJsonSchema(): JsonSchema {
  const generated: Record<string, unknown> = z.toJSONSchema(configSchema, { io: "input" });
  const { $schema, ...rest } = generated;
  return {
    $schema,
    $id: "https://lastgood.dev/lastgood.schema.json",
    title: "lastgood.yaml",
    ...rest,
  } as JsonSchema;
}

/** The text that is published: a test keeps the file in step with it. */
export function configJsonSchemaText(): string {
  return `${JSON.stringify(configJsonSchema(), null, 2)}\n`;
}

/** The keys that may stand at `path`, for suggestions; none where any name may. */
export function keysAt(schema: JsonSchema, path: readonly PropertyKey[]): readonly string[] {
  let at: readonly JsonSchema[] = [schema];
  for (const part of path) at = at.flatMap((each) => below(each, part));
  return at.flatMap(alternatives).flatMap(keysOf);
}

function keysOf({ properties, propertyNames }: JsonSchema): readonly string[] {
  return [...Object.keys(properties ?? {}), ...(propertyNames?.enum ?? []).map(String)];
}

function below(schema: JsonSchema, part: PropertyKey): readonly JsonSchema[] {
  return alternatives(schema).flatMap(({ properties, additionalProperties, items }) => {
    const key = String(part);
    if (properties !== undefined && Object.hasOwn(properties, key)) return properties[key] ?? [];
    if (typeof part === "number") return items ?? [];
    return typeof additionalProperties === "object" ? additionalProperties : [];
  });
}

function alternatives(schema: JsonSchema): readonly JsonSchema[] {
  return schema.oneOf ?? [schema];
}
