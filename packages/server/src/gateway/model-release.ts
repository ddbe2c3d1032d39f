/** What a release of a model says: which endpoint serves it, under which name. Pure. */
import type { JsonValue } from "@lastgood/sdk";
import { Fault } from "../fault.ts";

export interface ModelRelease {
  readonly endpoint: string;
  readonly model: string;
  /** What a request says that leaves it out, such as a temperature. */
  readonly parameters: Readonly<Record<string, JsonValue>>;
}

export interface Released {
  readonly environment: string;
  readonly artifact: string;
  readonly kind: string;
  readonly version: string;
  readonly epoch: number;
  readonly content: JsonValue | undefined;
}

/** Faults `state_forbids` for a release that says no such thing. */
export function modelOf(release: Released): ModelRelease {
  const { kind, content } = release;
  if (kind !== "model") throw unfit(release, `it is a ${kind}, and no model`);
  if (content === undefined) {
    throw unfit(release, "it has no content here: that of a model is under 16 kB");
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    throw unfit(release, "its content is no object");
  }
  const { endpoint, model, parameters = {} } = content as Readonly<Record<string, JsonValue>>;
  if (typeof endpoint !== "string" || typeof model !== "string") {
    throw unfit(release, "its content names no `endpoint` and `model`");
  }
  if (typeof parameters !== "object" || parameters === null || Array.isArray(parameters)) {
    throw unfit(release, "its `parameters` are no object");
  }
  return { endpoint, model, parameters: parameters as ModelRelease["parameters"] };
}

function unfit({ artifact, version }: Released, why: string): Fault {
  return new Fault(
    "state_forbids",
    `${artifact}:${version} cannot be served by the gateway: ${why}. Publish one with the content {"endpoint": "…", "model": "…"}.`,
    { context: { artifact, version } },
  );
}
