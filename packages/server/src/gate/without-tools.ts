/** A shadow has no tools: what is asked of a model loses everything that could act. Pure. */
import { type Body, dialects } from "../gateway/dialect.ts";
import type { Json } from "../json/canonical.ts";

/** Anything but a request to a model is left as it is. */
export function withoutTools(input: Json): Json {
  if (typeof input !== "object" || input === null || Array.isArray(input)) return input;
  if (!("messages" in input)) return input;
  return dialects.reduce<Body>(
    (body, dialect) => dialect.withoutTools(body),
    input as Body,
  ) as Json;
}
